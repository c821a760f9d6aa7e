"""The tick gets what is fresh or a reason, never waits, and never sees an old number as a new one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest

from clock import SimulatedClock
from domain import Chain, Level, Option, OrderBook, Severity
from errors import DataNotFresh, ExchangeUnavailable, NoMatchingInstrument
from market_data import Cadence, MarketData
from workers import InlinePool

from tests.unit.chains import NOW, a_chain, a_quote, an_expiry, an_option

T = TypeVar("T")
S = timedelta(seconds=1)
DOWN = ExchangeUnavailable("fake", "read", "connection refused")


class FakeReader:
    """A venue that answers with its present; it can be down, slow of clock, or stuck."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.calls: list[str] = []
        self.down: Exception | None = None
        self.lag = timedelta(0)
        self.stuck_at: datetime | None = None
        self.price = Decimal(100_000)
        self.walks = True
        self.late: Option | None = None
        self.listed: Sequence[Option] = [quote.option for quote in a_chain().quotes]

    def _answer(self, call: str) -> datetime:
        self.calls.append(call)
        if self.down is not None:
            raise self.down
        if self.walks:
            self.price += 1
        return (self.stuck_at or self.clock.now()) - self.lag

    def instruments(self, underlying: str, /) -> Sequence[Option]:
        self._answer(f"instruments {underlying}")
        return self.listed

    def chain(self, underlying: str, listed: Sequence[Option], expiry: datetime | None = None, /) -> Chain:
        at = self._answer(f"chain {underlying} {'all' if expiry is None else expiry.date()}")
        quotes = [
            a_quote(option, at=at - (31 * S if option == self.late else 0 * S)) for option in listed if expiry in (None, option.expiry)
        ]
        return Chain(underlying, at, self.price, tuple(quotes))

    def book(self, symbol: str, /) -> OrderBook:
        at = self._answer(f"book {symbol}")
        return OrderBook(symbol=symbol, at=at, bids=(Level(self.price, Decimal(1)),))

    def index(self, underlying: str, /) -> tuple[Decimal, datetime]:
        at = self._answer(f"index {underlying}")
        return self.price, at


class HeldPool:
    """A pool whose work is done when the test says so."""

    def __init__(self) -> None:
        self.held: list[Callable[[], None]] = []

    def run(self, work: Callable[[], T], done: Callable[[T | Exception], None], /) -> None:
        self.held.append(lambda: InlinePool().run(work, done))

    def finish(self) -> None:
        held, self.held = self.held, []
        for each in held:
            each()


class FakeAlerts:
    def __init__(self) -> None:
        self.raised: list[tuple[Severity, str, str]] = []

    def alert(self, severity: Severity, cause: str, message: str, hint: str) -> None:
        self.raised.append((severity, cause, message))


class Desk:
    """Market data over a fake venue; `at_once` answers within the call, otherwise the test lets the workers finish."""

    def __init__(self, *, at_once: bool = False, frozen_after: timedelta | None = timedelta(minutes=10)) -> None:
        self.clock = SimulatedClock(NOW)
        self.reader = FakeReader(self.clock)
        self.pool = HeldPool()
        self.alerts = FakeAlerts()
        pool = InlinePool() if at_once else self.pool
        self.market = MarketData(self.reader, pool, self.clock, self.alerts, Cadence(frozen_after=frozen_after))

    def live(self, span: timedelta, step: timedelta = S) -> None:
        """Let time pass in steps, with a tick and instant workers at each."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance(step)
            self.market.refresh()
            self.pool.finish()


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ---- the tick never waits


def test_the_first_question_is_not_answered_and_the_next_is(desk: Desk) -> None:
    with pytest.raises(DataNotFresh, match="index BTC: no answer yet"):
        desk.market.index("BTC")
    desk.pool.finish()

    assert desk.market.index("BTC") == 100_001


def test_one_question_is_out_at_a_time(desk: Desk) -> None:
    for _ in range(3):
        with pytest.raises(DataNotFresh):
            desk.market.book("X")
        desk.market.refresh()

    assert len(desk.pool.held) == 1


def test_with_instant_workers_the_first_question_is_answered() -> None:
    assert Desk(at_once=True).market.book("X").symbol == "X"


def test_chains_are_asked_for_whole_or_by_expiry() -> None:
    market = Desk(at_once=True).market

    assert len(market.chain("BTC").by_expiry) == 4
    assert list(market.chain("BTC", an_expiry(7)).by_expiry) == [an_expiry(7)]


def test_a_steady_user_never_sees_stale_data(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.chain("BTC")
    for _ in range(10):
        desk.live(60 * S)
        desk.market.chain("BTC")


def test_a_fresh_answer_is_not_asked_for_again_before_a_third_of_its_life(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.live(60 * S)

    assert 5 <= len(desk.reader.calls) <= 7


def test_what_nobody_asks_for_is_forgotten(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.live(125 * S)
    asked = len(desk.reader.calls)
    desk.live(600 * S)

    assert len(desk.reader.calls) == asked


def test_a_stricter_limit_asks_sooner(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.book("X")
    desk.pool.finish()
    desk.clock.advance(4 * S)

    assert desk.market.book("X").symbol == "X"
    with pytest.raises(DataNotFresh, match="4 s old, at most 3 s"):
        desk.market.book("X", max_age=3 * S)
    desk.pool.finish()
    assert desk.market.book("X", max_age=3 * S).at == desk.clock.now()


def test_a_call_that_never_ends_is_given_up_and_made_again(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.clock.advance(61 * S)
    desk.market.refresh()

    with pytest.raises(DataNotFresh, match="no answer within 60 s"):
        desk.market.index("BTC")
    assert len(desk.pool.held) == 2


def test_a_late_answer_does_not_displace_a_newer_one(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()
    newest = desk.market.index("BTC")
    desk.clock.advance(11 * S)
    desk.reader.lag = 20 * S
    desk.live(8 * S)

    assert desk.market.index("BTC") == newest


# ---- outages


def test_l39_an_outage_is_no_data_and_not_old_data(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()
    desk.reader.down = DOWN

    desk.live(30 * S)
    assert desk.market.index("BTC") == 100_001  # 30 s old is still within the limit
    desk.live(S)
    with pytest.raises(DataNotFresh, match="31 s old, at most 30 s; fake read: connection refused"):
        desk.market.index("BTC")


def test_an_outage_is_alerted_after_repeated_failure_and_asked_again_sooner(desk: Desk) -> None:
    desk.reader.down = DOWN
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()
    assert desk.alerts.raised == []

    desk.live(4 * S)

    (severity, cause, message), *_ = desk.alerts.raised
    assert (severity, cause) == (Severity.WARNING, "market data: index")
    assert message == "index BTC could not be read 3 times in a row: fake read: connection refused"


def test_a_failed_refresh_is_repeated_while_the_last_answer_is_still_fresh(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.live(9 * S)
    desk.reader.down = DOWN
    desk.live(7 * S)

    assert len(desk.reader.calls) == 4  # at 1, 11, 13 and 15 seconds


def test_after_an_outage_data_is_back_at_once(desk: Desk) -> None:
    desk.reader.down = DOWN
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.live(20 * S)
    desk.reader.down = None
    desk.live(2 * S)

    assert desk.market.index("BTC") > 100_000


def test_l40_nothing_is_invented_when_the_venue_has_nothing(desk: Desk) -> None:
    desk.reader.down = DOWN
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()

    with pytest.raises(DataNotFresh, match="no answer yet; fake read"):
        desk.market.index("BTC")
    with pytest.raises(ExchangeUnavailable):
        desk.market.get_index_price("BTC")


# ---- L38: a price that has stopped


def test_l38_an_answer_that_comes_with_an_old_time_is_old(desk: Desk) -> None:
    desk.reader.lag = 40 * S
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()

    with pytest.raises(DataNotFresh, match="40 s old, at most 30 s; the venue's own time of it is 40 s old"):
        desk.market.index("BTC")


def test_l38_a_source_time_that_stops_is_alerted(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.chain("BTC")
    desk.reader.stuck_at = NOW
    desk.live(60 * S)

    with pytest.raises(DataNotFresh, match="60 s old"):
        desk.market.chain("BTC")
    assert ("market data: chain") in [cause for _, cause, _ in desk.alerts.raised]


def wanting(desk: Desk, span: timedelta) -> None:
    """Somebody asks for the index every minute, as long as span lasts."""
    end = desk.clock.now() + span
    while desk.clock.now() < end:
        desk.live(60 * S)
        try:
            desk.market.index("BTC")
        except DataNotFresh:
            continue


def test_l38_a_frozen_price_with_fresh_times_is_not_fresh(desk: Desk) -> None:
    desk.reader.walks = False
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    wanting(desk, timedelta(minutes=10))
    assert desk.market.index("BTC") == 100_000
    wanting(desk, timedelta(minutes=1))

    with pytest.raises(DataNotFresh, match=r"index of BTC has not moved for \d+ s"):
        desk.market.index("BTC")
    assert (Severity.CRITICAL, "index of BTC stands still") in [(severity, cause) for severity, cause, _ in desk.alerts.raised]


def test_l38_a_chain_is_judged_with_its_index(desk: Desk) -> None:
    desk.reader.walks = False
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    with pytest.raises(DataNotFresh):
        desk.market.chain("BTC")
    wanting(desk, timedelta(minutes=12))

    with pytest.raises(DataNotFresh):
        desk.market.chain("BTC")
    desk.pool.finish()
    with pytest.raises(DataNotFresh, match="has not moved"):
        desk.market.chain("BTC")
    assert desk.market.quotes([an_option()]) == {}


def test_a_price_that_moves_again_is_fresh_again(desk: Desk) -> None:
    desk.reader.walks = False
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    wanting(desk, timedelta(minutes=12))
    desk.reader.walks = True
    wanting(desk, timedelta(minutes=1))

    assert desk.market.index("BTC") > 100_000


def test_the_same_price_after_a_long_silence_is_no_proof_of_a_frozen_one() -> None:
    desk = Desk(at_once=True)
    desk.reader.walks = False
    desk.market.index("BTC")
    desk.clock.advance(timedelta(hours=1))

    assert desk.market.index("BTC") == 100_000


def test_a_recorded_market_may_stand_still() -> None:
    desk = Desk(at_once=True, frozen_after=None)
    desk.reader.walks = False
    for _ in range(60):
        desk.clock.advance(timedelta(minutes=1))
        desk.market.index("BTC")

    assert desk.alerts.raised == []


def test_a_venue_whose_clock_runs_ahead_does_not_keep_its_data_fresh_longer(desk: Desk) -> None:
    desk.reader.lag = timedelta(minutes=-5)
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()
    desk.clock.advance(31 * S)

    with pytest.raises(DataNotFresh, match="31 s old"):
        desk.market.index("BTC")


# ---- quotes of what we hold


def test_quotes_are_of_the_options_asked_for() -> None:
    desk = Desk(at_once=True)
    held = [an_option(100_000), an_option(95_000, "P"), an_option(days=28)]

    quotes = desk.market.quotes(held)

    assert set(quotes) == {option.symbol for option in held}
    assert len([call for call in desk.reader.calls if call.startswith("chain")]) == 2  # one per expiry


def test_an_option_whose_quote_is_not_fresh_is_left_out(desk: Desk) -> None:
    assert desk.market.quotes([an_option()]) == {}
    desk.pool.finish()
    assert set(desk.market.quotes([an_option()])) == {an_option().symbol}
    desk.reader.down = DOWN
    desk.live(31 * S)

    assert desk.market.quotes([an_option()]) == {}


def test_a_quote_older_than_its_chain_is_judged_by_its_own_time() -> None:
    desk = Desk(at_once=True)
    desk.reader.late = an_option()

    assert set(desk.market.quotes([an_option(), an_option(95_000)])) == {an_option(95_000).symbol}


def test_an_option_that_is_not_listed_or_has_expired_has_no_quote() -> None:
    desk = Desk(at_once=True)

    assert desk.market.quotes([replace(an_option(), symbol="GONE"), an_option(expiry=NOW)]) == {}
    assert [call for call in desk.reader.calls if call.startswith("chain")] == ["chain BTC 2026-03-27"]


# ---- scripts


def test_instruments_are_kept_for_30_seconds() -> None:
    desk = Desk()
    for wait, calls in ((0, 1), (29, 1), (1, 2)):
        desk.clock.advance(wait * S)

        assert len(desk.market.get_option_instruments("BTC")) == 328
        assert len(desk.reader.calls) == calls


def test_at_most_ten_lists_of_instruments_are_kept() -> None:
    desk = Desk()
    names = [f"U{n}" for n in range(11)]
    for name in names:
        desk.market.get_option_instruments(name)
    desk.reader.calls.clear()

    desk.market.get_option_instruments("U10")
    desk.market.get_option_instruments("U1")
    assert desk.reader.calls == []
    desk.market.get_option_instruments("U0")
    assert desk.reader.calls == ["instruments U0"]


def test_details_are_kept_for_30_seconds_with_their_neighbours() -> None:
    desk = Desk()

    quote = desk.market.get_option_details("BTCUSD-27MAR26-100000-C")
    desk.market.get_option_details("BTCUSD-27MAR26-95000-P")

    assert quote.mark == 1000
    assert quote.greeks is not None
    assert desk.reader.calls == ["instruments BTC", "chain BTC 2026-03-27"]
    desk.clock.advance(30 * S)
    desk.market.get_option_details("BTCUSD-27MAR26-100000-C")
    assert len(desk.reader.calls) == 4


def test_at_most_200_details_are_kept_and_the_one_asked_for_among_them() -> None:
    desk = Desk()
    desk.reader.listed = [an_option(strike) for strike in range(1, 301)]

    desk.market.get_option_details("BTCUSD-27MAR26-1-C")
    desk.market.get_option_details("BTCUSD-27MAR26-1-C")
    assert len(desk.reader.calls) == 2
    desk.market.get_option_details("BTCUSD-27MAR26-50-C")
    assert len(desk.reader.calls) == 3


@pytest.mark.parametrize("symbol", ["BTCUSD-27MAR26-1-C", "nonsense"])
def test_details_of_what_is_not_listed_are_refused(symbol: str) -> None:
    with pytest.raises(NoMatchingInstrument, match="not among the 328 listed"):
        Desk().market.get_option_details(symbol)


def test_an_answer_that_is_old_when_it_comes_is_no_answer() -> None:
    desk = Desk()
    desk.reader.lag = 31 * S

    for ask in (
        lambda: desk.market.get_index_price("BTC"),
        lambda: desk.market.get_option_orderbook("X"),
        lambda: desk.market.get_option_details("BTCUSD-27MAR26-100000-C"),
        lambda: desk.market.find_option(option_type="C"),
    ):
        with pytest.raises(DataNotFresh, match="31 s old, at most 30 s"):
            ask()


def test_books_and_index_prices_are_asked_for_each_time() -> None:
    desk = Desk()

    assert desk.market.get_option_orderbook("X").bids[0].price == 100_001
    assert desk.market.get_index_price("BTC") == 100_002
    assert desk.market.get_index_price("BTC") == 100_003


def test_the_quoted_call_of_find_option_works_literally() -> None:
    desk = Desk()

    for _ in range(2):
        quote = desk.market.find_option(
            option_type="P",
            expiry={"min_days": 6, "max_days": 13, "target": "near"},
            strike={"below_atm": True, "min_distance_pct": 0.5},
            delta={"min": -0.45, "max": -0.15},
            rank_by="delta_mid",
        )

        assert quote is not None
        assert quote.option.symbol == "BTCUSD-27MAR26-96000-P"
    assert len(desk.reader.calls) == 2  # the chain is kept
