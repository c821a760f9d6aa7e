"""How old an input may be, by its own time, and what happens beyond that; and marks that stand still with fresh times."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from loguru import logger

from clock import SimulatedClock
from domain import Greeks, Quote, Severity
from freshness import Freshness, Input, Stops
from frozen_marks import MarkWatch, Stiffness

from tests.fakes import SECOND, START, FakeAlerts, House, a_quote


class Gate:
    """Remembers why no trade may begin."""

    def __init__(self) -> None:
        self.blocked: dict[str, str] = {}

    def block_entries(self, cause: str, reason: str, /) -> None:
        """Remember a cause."""
        self.blocked[cause] = reason

    def lift_block(self, cause: str, /) -> None:
        """Forget it."""
        self.blocked.pop(cause, None)


class Stage:
    """A freshness table with one input of which the test says when it was told."""

    def __init__(self, stops: Stops = Stops.ENTRIES, *, told_at: datetime | None = START) -> None:
        self.clock, self.alerts, self.gate = SimulatedClock(START), FakeAlerts(), Gate()
        self.told_at = told_at
        self.refetched = 0
        self.inputs = [
            Input(
                name="index BTC",
                kind="index",
                limit=timedelta(seconds=30),
                told_at=lambda: self.told_at,
                stops=stops,
                refetch=self._refetch,
            )
        ]
        self.freshness = Freshness(self.gate, self.clock, self.alerts)
        self.freshness.watch(lambda: self.inputs)

    def _refetch(self) -> None:
        self.refetched += 1

    def run(self, seconds: int) -> None:
        """Tick once a second."""
        for _ in range(seconds):
            self.clock.advance(SECOND)
            self.freshness.step(self.clock.now())


def test_l38_beyond_its_limit_an_input_stops_entries_and_is_refetched_and_a_person_told_which() -> None:
    stage = Stage()
    stage.run(30)
    assert (stage.gate.blocked, stage.freshness.stale) == ({}, ())
    stage.run(1)
    assert stage.gate.blocked == {"stale index BTC": "index BTC is 31 s old by its own time, at most 30 s"}
    stage.run(5)
    assert stage.alerts.raised == []  # the account may be about to be found stale too: one venue that is silent
    stage.run(1)
    assert [(alert.severity, alert.cause) for alert in stage.alerts.raised] == [(Severity.CRITICAL, "stale index")]
    assert "37 s old" in stage.alerts.raised[0].message
    stage.run(4)
    assert stage.refetched == 3
    assert stage.freshness.stale == ("index BTC",)


def test_l45_a_stale_input_is_told_once_in_a_while_and_not_on_every_tick() -> None:
    stage = Stage()
    stage.run(330)
    assert len(stage.alerts.raised) == 1
    stage.run(10)
    assert len(stage.alerts.raised) == 2


def test_l38_a_source_that_is_asked_again_and_again_and_keeps_its_old_time_stays_stale() -> None:
    stage = Stage()
    stage.run(100)
    stage.told_at = START + timedelta(seconds=60)  # told again, with a time of its own that is old
    stage.run(1)
    assert stage.gate.blocked


def test_a_fresh_input_lets_trades_begin_again() -> None:
    stage = Stage()
    stage.run(40)
    stage.told_at = stage.clock.now()
    stage.run(1)
    assert (stage.gate.blocked, stage.freshness.stale) == ({}, ())


def test_l39_an_input_that_was_never_told_is_given_its_limit_and_is_then_unknown() -> None:
    stage = Stage(told_at=None)
    stage.run(31)
    assert stage.gate.blocked == {}
    stage.run(1)
    assert "has not been told for 31 s" in stage.gate.blocked["stale index BTC"]


def test_an_input_that_nobody_uses_any_more_blocks_nothing() -> None:
    stage = Stage()
    stage.run(40)
    stage.inputs.clear()
    stage.run(1)
    assert (stage.gate.blocked, stage.freshness.stale) == ({}, ())


def test_streams_that_are_down_call_a_person_and_stop_nothing() -> None:
    stage = Stage(Stops.NOTHING)
    stage.run(60)
    assert (stage.gate.blocked, stage.refetched) == ({}, 0)
    assert [alert.severity for alert in stage.alerts.raised] == [Severity.WARNING]


def test_a_book_that_is_stale_is_refetched_and_stops_only_who_asks_for_it() -> None:
    stage = Stage(Stops.WHO_ASKS)
    stage.run(40)
    assert (stage.gate.blocked, stage.refetched) == ({}, 2)


class Outage:
    """The account and a chain, each told when the test says so, before a watch whose log and calls are kept."""

    def __init__(self, kind: str = "chain", stops: Stops = Stops.WHO_ASKS) -> None:
        self.clock, self.alerts, self.asked = SimulatedClock(START), FakeAlerts(), 0
        self.told_at = {"account": START, kind: START}
        limit = timedelta(seconds=30)
        self.inputs = [
            Input(name="account and positions", kind="account", limit=limit, told_at=lambda: self.told_at["account"]),
            Input(name=f"{kind} BTC", kind=kind, limit=limit, told_at=lambda: self.told_at[kind], stops=stops, refetch=self._ask),
        ]
        self.freshness = Freshness(Gate(), self.clock, self.alerts)
        self.freshness.watch(lambda: self.inputs)

    def _ask(self) -> None:
        self.asked += 1

    def run(self, seconds: int, *fresh: str) -> "Outage":
        """Tick once a second; what is named is told anew each time."""
        for _ in range(seconds):
            now = self.clock.advance(SECOND)
            self.told_at.update(dict.fromkeys(fresh, now))
            self.freshness.step(now)
        return self

    @property
    def called(self) -> list[str]:
        """What a person was called for."""
        return [alert.cause for alert in self.alerts.raised]


@pytest.mark.parametrize(
    ("kind", "stops"),
    [
        ("chain", Stops.WHO_ASKS),
        ("book", Stops.WHO_ASKS),
        ("index", Stops.ENTRIES),
        ("orders", Stops.ENTRIES),
        ("reconciliation", Stops.ENTRIES),
        ("stream", Stops.NOTHING),
    ],
)
def test_l45_a_venue_that_is_silent_is_one_call_and_each_input_a_line_of_the_log(kind: str, stops: Stops) -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip()), format="{message}", filter="freshness")
    outage = Outage(kind, stops)

    outage.run(90)
    outage.run(20, "account", kind)

    logger.remove(sink)
    assert outage.called == ["stale account"]
    assert [line for line in lines if line.startswith("input stale")] == [
        "input stale account and positions is 31 s old by its own time, at most 30 s",
        f"input stale {kind} BTC is 31 s old by its own time, at most 30 s",
    ]
    assert (outage.asked > 10) is (stops is not Stops.NOTHING)


def test_l45_a_chain_that_goes_stale_a_little_before_the_account_is_part_of_the_same_outage() -> None:
    outage = Outage()

    outage.run(10, "account")
    outage.run(60)

    assert outage.called == ["stale account"]


def test_l38_a_chain_that_is_stale_still_when_the_account_is_fresh_again_is_then_told() -> None:
    outage = Outage()
    outage.run(90)

    outage.run(14, "account")
    assert outage.called == ["stale account"]
    outage.run(3, "account")

    assert outage.called == ["stale account", "stale chain"]


def test_l38_a_chain_that_alone_is_stale_is_asked_for_at_once_and_told_half_its_limit_later() -> None:
    outage = Outage()

    outage.run(31, "account")
    assert (outage.asked, outage.called) == (1, [])
    outage.run(15, "account")

    assert outage.called == ["stale chain"]


def test_l38_a_chain_that_recovers_and_goes_stale_anew_is_given_its_time_anew() -> None:
    outage = Outage().run(40, "account").run(1, "account", "chain")

    outage.run(40, "account")
    assert outage.called == []
    outage.run(10, "account")

    assert outage.called == ["stale chain"]


def test_l45_an_account_that_is_stale_for_long_is_told_again() -> None:
    assert Outage().run(640).called == ["stale account"] * 3


def test_the_lifecycle_heeds_what_is_stale() -> None:
    house, stage = House(), Stage()
    house.tick()
    stage.freshness = Freshness(house.manager, stage.clock, stage.alerts)
    stage.freshness.watch(lambda: stage.inputs)
    stage.run(40)
    assert house.manager.entries_allowed.reason.startswith("index BTC is")
    stage.told_at = stage.clock.now()
    stage.run(1)
    assert house.manager.entries_allowed


# ---- marks


RULE = Stiffness(after=timedelta(minutes=5))


def at(second: int, index: str, mark: str = "100", delta: float | None = 0.25) -> Quote:
    quote = a_quote(mark=mark, at=START + second * SECOND)
    greeks = None if delta is None else Greeks(delta=delta)
    return replace(quote, underlying_price=Decimal(index), greeks=greeks)


class Marks:
    """A watch over one mark that is shown every ten seconds."""

    def __init__(self, rule: Stiffness | None = RULE) -> None:
        self.gate, self.alerts, self.refetched = Gate(), FakeAlerts(), 0
        self.watch = MarkWatch(rule, self.gate, self.alerts, self._refetch)

    def _refetch(self) -> None:
        self.refetched += 1

    def show(self, *quotes: Quote) -> "Marks":
        """Tick once for each quote."""
        for quote in quotes:
            self.watch.step([quote])
        return self


def drifting(seconds: int, to: int, *, mark: str = "100", delta: float | None = 0.25, start: int = 0) -> list[Quote]:
    """Quotes every ten seconds while the index drifts from 65000."""
    steps = range(start, start + seconds + 1, 10)
    return [at(s, str(65000 + to * (s - start) // seconds), mark, delta) for s in steps]


def test_l38_a_mark_that_stands_while_its_index_moves_is_frozen_though_its_time_is_fresh() -> None:
    marks = Marks().show(*drifting(300, 300))
    assert "should have moved it by about 75" in marks.gate.blocked["marks stand still"]
    assert (len(marks.alerts.about("marks stand still")), marks.refetched) == (1, 1)
    marks.show(at(310, "65300", mark="160"))
    assert (marks.gate.blocked, dict(marks.watch.frozen)) == ({}, {})


@pytest.mark.parametrize(
    "quotes",
    [
        pytest.param(drifting(290, 300), id="not for long enough"),
        pytest.param(drifting(600, 100), id="the index hardly moves"),
        pytest.param(drifting(600, 300, mark="0.5", delta=0.001), id="a far option rests at its smallest price"),
        pytest.param([at(0, "65000"), at(600, "65300")], id="nobody looked in between"),
        pytest.param([replace(q, underlying_price=None) for q in drifting(600, 300)], id="no index told"),
        pytest.param([*drifting(200, 300), at(210, "65300", mark="101"), *drifting(200, 0, start=220)], id="it moved"),
        pytest.param([replace(q, at=START) for q in drifting(600, 300)], id="one quote shown again and again"),
    ],
)
def test_a_mark_that_may_stand_still_is_no_alarm(quotes: list[Quote]) -> None:
    assert Marks().show(*quotes).gate.blocked == {}


def test_a_frozen_mark_without_greeks_is_judged_by_the_index_alone() -> None:
    assert Marks().show(*drifting(300, 300, delta=None)).gate.blocked


def test_recorded_prices_stand_still_by_nature_and_are_not_watched() -> None:
    assert Marks(None).show(*drifting(600, 900)).gate.blocked == {}


def test_a_frozen_mark_that_is_not_in_use_any_more_blocks_nothing() -> None:
    marks = Marks().show(*drifting(300, 300))
    marks.watch.step([])
    assert marks.gate.blocked == {}
