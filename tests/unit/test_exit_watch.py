"""Exit conditions: asked, counted when they fail, and never silent."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import AccountSnapshot, TradeView, Verdict
from errors import DataNotFresh
from exit_watch import BLIND_UNTIL_ALERT, EXIT_FAILED, FAILURES_UNTIL_CLOSE, ExitWatch
from trade_lifecycle import TradeLifecycle, TradeState

from tests.fakes import START, FakeAlerts, a_quote, a_trade, an_account

HOUR_OF_TICKS = 4 * 3600


def holds(account: AccountSnapshot, trade: TradeView) -> Verdict:
    return Verdict(ok=False, reason="not yet")


def broken(account: AccountSnapshot, trade: TradeView) -> bool:
    raise ZeroDivisionError("user code")


def blind(account: AccountSnapshot, trade: TradeView) -> bool:
    raise DataNotFresh("market", "quotes", "too old")


def watch(*exits: object) -> tuple[ExitWatch, FakeAlerts]:
    alerts = FakeAlerts()
    exit_watch = ExitWatch(alerts)
    exit_watch.bind("test", exits)  # type: ignore[arg-type]
    return exit_watch, alerts


def a_held_trade() -> TradeLifecycle:
    trade = a_trade()
    return replace(trade, state=TradeState.OPEN, legs=(replace(trade.legs[0], opened=Decimal(1)),))


def seen(account: AccountSnapshot) -> AccountSnapshot:
    return account


def in_an_outage(account: AccountSnapshot) -> AccountSnapshot:
    return replace(account, valid=False, equity=None, reason="the venue does not answer")


def without_quotes(account: AccountSnapshot) -> AccountSnapshot:
    return replace(account, quotes={})


class Ticks:
    """Asks about a held trade at 0, 0.25, 0.5 ... seconds; the market moves on by so much between two questions."""

    def __init__(self, exit_watch: ExitWatch) -> None:
        self.exit_watch, self.seconds = exit_watch, 0.0

    def ask(self, times: int = 1, *, every: float = 0.25, of: Callable[[AccountSnapshot], AccountSnapshot] = seen) -> list[Verdict | None]:
        """Return the answers."""
        answers: list[Verdict | None] = []
        for _ in range(times):
            account = of(an_account(a_quote(), now=START + timedelta(seconds=self.seconds)))
            answers.append(self.exit_watch.reason_to_leave(a_held_trade(), account))
            self.seconds += every
        return answers


def ask(exit_watch: ExitWatch) -> Verdict | None:
    return Ticks(exit_watch).ask()[0]


def test_the_first_condition_that_is_met_gives_the_reason() -> None:
    exit_watch, _ = watch(holds, lambda account, trade: Verdict(ok=True, reason="profit 5"))
    leave = ask(exit_watch)
    assert leave is not None
    assert leave.reason.endswith("profit 5")
    assert (leave.ok, leave.urgent) == (True, False)


def enough(account: AccountSnapshot, trade: TradeView) -> Verdict:
    return Verdict(ok=True, reason="profit 5")


def stop(account: AccountSnapshot, trade: TradeView) -> Verdict:
    return Verdict(ok=True, reason="loss 9", urgent=True)


def hopeful(account: AccountSnapshot, trade: TradeView) -> Verdict:
    return Verdict(ok=False, reason="loss 1", urgent=True)


def test_an_exit_that_cannot_wait_goes_before_one_that_can_wherever_it_stands() -> None:
    leave = ask(watch(holds, enough, stop)[0])
    assert leave == Verdict(ok=True, reason="stop: loss 9", urgent=True)


def test_an_urgent_condition_that_is_not_met_hurries_nothing() -> None:
    assert ask(watch(hopeful)[0]) is None
    assert ask(watch(hopeful, enough)[0]) == Verdict(ok=True, reason="enough: profit 5")


def test_whoever_asks_for_urgent_exits_only_hears_of_no_other() -> None:
    account = an_account(a_quote())
    assert watch(enough)[0].reason_to_leave(a_held_trade(), account, only_urgent=True) is None
    assert watch(enough, stop)[0].reason_to_leave(a_held_trade(), account, only_urgent=True) == Verdict(True, "stop: loss 9", urgent=True)


def test_every_exit_is_asked_though_the_first_is_met() -> None:
    asked: list[str] = []

    def counting(account: AccountSnapshot, trade: TradeView) -> bool:
        asked.append("counting")
        return False

    ask(watch(enough, counting)[0])
    assert asked == ["counting"]


def test_a_trade_whose_strategy_is_gone_calls_a_person_and_is_kept() -> None:
    alerts = FakeAlerts()
    assert ask(ExitWatch(alerts)) is None
    assert alerts.about("no exits test#1")


def test_l46_a_condition_that_raises_is_alerted_at_once() -> None:
    exit_watch, alerts = watch(broken)
    assert ask(exit_watch) is None
    assert alerts.about("exit broken")


def test_l46_a_condition_that_never_answers_closes_the_trade_after_a_minute_of_market_time() -> None:
    ticks = Ticks(watch(broken)[0])
    assert ticks.ask(240) == [None] * 240
    assert ticks.ask() == [Verdict(True, f"{EXIT_FAILED}: broken raised ZeroDivisionError('user code') 241 times in 60 s")]


def test_l46_in_a_market_that_outruns_the_ticks_a_minute_alone_closes_nothing() -> None:
    answers = Ticks(watch(broken)[0]).ask(FAILURES_UNTIL_CLOSE, every=15)
    assert answers[:-1] == [None] * (FAILURES_UNTIL_CLOSE - 1)
    assert answers[-1] is not None


@pytest.mark.parametrize("outage", [in_an_outage, without_quotes])
def test_l39_an_outage_never_closes_a_trade_by_a_broken_exit(outage: Callable[[AccountSnapshot], AccountSnapshot]) -> None:
    def poor(account: AccountSnapshot, trade: TradeView) -> bool:
        return account.equity < 50 or account.quotes[trade.legs[0].option.symbol].mark is None  # type: ignore[operator]

    exit_watch, alerts = watch(poor)
    assert set(Ticks(exit_watch).ask(HOUR_OF_TICKS, of=outage)) == {None}
    assert alerts.about("exit blind")
    assert not alerts.about("exit broken")


def test_l39_an_outage_adds_nothing_to_the_failures_before_and_after_it() -> None:
    ticks = Ticks(watch(broken)[0])
    answers = [*ticks.ask(200), *ticks.ask(HOUR_OF_TICKS, of=in_an_outage), *ticks.ask(41)]
    assert set(answers) == {None}
    assert ticks.ask() != [None]


def test_l46_a_leg_that_is_not_held_needs_no_quote_for_a_condition_to_be_broken() -> None:
    exit_watch, alerts = watch(broken)
    exit_watch.reason_to_leave(a_trade(), an_account())
    assert alerts.about("exit broken")


def test_l46_two_lambdas_do_not_share_a_count() -> None:
    exit_watch, _ = watch(lambda account, trade: 1 / 0 > 0, lambda account, trade: False)
    assert Ticks(exit_watch).ask(241)[-1] is not None


def test_a_condition_that_works_again_starts_at_zero() -> None:
    answers = iter([*[True] * 240, False, True])

    def sometimes(account: AccountSnapshot, trade: TradeView) -> bool:
        if next(answers):
            raise ZeroDivisionError
        return False

    exit_watch, _ = watch(sometimes)
    assert Ticks(exit_watch).ask(242) == [None] * 242


def test_a_condition_that_cannot_tell_is_told_after_many_times_and_closes_nothing() -> None:
    exit_watch, alerts = watch(blind)
    assert [ask(exit_watch) for _ in range(BLIND_UNTIL_ALERT)][-1] is None
    assert len(alerts.about("exit blind")) == 1


def test_being_blind_for_long_does_not_make_one_failure_the_last_straw() -> None:
    raised: list[Exception] = [DataNotFresh("market", "quotes", "too old")] * 300 + [ZeroDivisionError()]

    def unlucky(account: AccountSnapshot, trade: TradeView) -> bool:
        raise raised.pop(0)

    exit_watch, _ = watch(unlucky)
    assert Ticks(exit_watch).ask(301)[-1] is None


def test_l37_a_forgotten_trade_leaves_no_count() -> None:
    exit_watch, _ = watch(broken, blind)
    ask(exit_watch)
    exit_watch.forget(1)
    assert not exit_watch._broke
    assert not exit_watch._blinded
