"""Exit conditions: asked, counted when they fail, and never silent."""

from domain import AccountSnapshot, TradeView, Verdict
from errors import DataNotFresh
from exit_watch import FAILURES_UNTIL_CLOSE, ExitWatch

from tests.fakes import FakeAlerts, a_trade, an_account

AGAIN = range(FAILURES_UNTIL_CLOSE)


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


def ask(exit_watch: ExitWatch) -> str | None:
    return exit_watch.reason_to_leave(a_trade(), an_account())


def test_the_first_condition_that_is_met_gives_the_reason() -> None:
    exit_watch, _ = watch(holds, lambda account, trade: Verdict(ok=True, reason="profit 5"))
    reason = ask(exit_watch)
    assert reason is not None
    assert reason.endswith("profit 5")


def test_a_trade_whose_strategy_is_gone_calls_a_person_and_is_kept() -> None:
    alerts = FakeAlerts()
    assert ask(ExitWatch(alerts)) is None
    assert alerts.about("no exits test#1")


def test_l46_a_condition_that_raises_is_alerted_at_once_and_acted_on_after_many_times() -> None:
    exit_watch, alerts = watch(broken)
    answers = [ask(exit_watch) for _ in AGAIN]
    assert answers[:-1] == [None] * (FAILURES_UNTIL_CLOSE - 1)
    assert "failed 20 times" in str(answers[-1])
    assert alerts.about("exit broken")


def test_l46_two_lambdas_do_not_share_a_count() -> None:
    exit_watch, _ = watch(lambda account, trade: 1 / 0 > 0, lambda account, trade: False)
    assert [ask(exit_watch) for _ in AGAIN][-1] is not None


def test_a_condition_that_works_again_starts_at_zero() -> None:
    answers = iter([*[True] * (FAILURES_UNTIL_CLOSE - 1), False, True])

    def sometimes(account: AccountSnapshot, trade: TradeView) -> bool:
        if next(answers):
            raise ZeroDivisionError
        return False

    exit_watch, _ = watch(sometimes)
    assert [ask(exit_watch) for _ in range(FAILURES_UNTIL_CLOSE + 1)] == [None] * (FAILURES_UNTIL_CLOSE + 1)


def test_a_condition_that_cannot_tell_is_told_after_many_times_and_closes_nothing() -> None:
    exit_watch, alerts = watch(blind)
    assert [ask(exit_watch) for _ in AGAIN][-1] is None
    assert len(alerts.about("exit blind")) == 1


def test_being_blind_for_long_does_not_make_one_failure_the_last_straw() -> None:
    raised: list[Exception] = [DataNotFresh("market", "quotes", "too old")] * 30 + [ZeroDivisionError()]

    def unlucky(account: AccountSnapshot, trade: TradeView) -> bool:
        raise raised.pop(0)

    exit_watch, _ = watch(unlucky)
    assert [ask(exit_watch) for _ in range(31)][-1] is None


def test_l37_a_forgotten_trade_leaves_no_count() -> None:
    exit_watch, _ = watch(broken, blind)
    ask(exit_watch)
    exit_watch.forget(1)
    assert not exit_watch._broke
    assert not exit_watch._blinded
