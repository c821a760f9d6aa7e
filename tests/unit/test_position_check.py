"""Positions confirm or contradict our books; they never make a fill."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from domain import AccountSnapshot, Side
from position_check import PositionCheck
from trade_lifecycle import TradeLifecycle, TradeState

from tests.fakes import EXPIRY, START, a_plan, a_position, a_trade, an_account, an_option


def holding(qty: str = "1", side: Side = Side.SELL, number: int = 1) -> TradeLifecycle:
    trade = a_trade(a_plan(side=side, qty=qty), trade=number)
    return replace(trade, state=TradeState.OPEN, legs=(replace(trade.legs[0], opened=Decimal(qty)),), last_fill_at=START)


def shown(signed: str, seconds: float, *, at: float | None = None, valid: bool = True) -> AccountSnapshot:
    now = START + timedelta(seconds=seconds)
    answered = now if at is None else START + timedelta(seconds=at)
    positions = [] if Decimal(signed) == 0 else [a_position(an_option(), signed)]
    return an_account(now=now, at=answered, positions=positions, valid=valid)


def contradicted(*accounts: AccountSnapshot, trades: tuple[TradeLifecycle, ...] = (holding(),), busy: tuple[str, ...] = ()) -> bool:
    check = PositionCheck()
    return [bool(check.contradictions(trades, account, busy)) for account in accounts][-1]


def test_a_holding_that_is_there_is_no_contradiction() -> None:
    assert not contradicted(*[shown("-1", seconds) for seconds in range(10, 60)])


def test_l20_more_than_ours_belongs_to_others() -> None:
    assert not contradicted(*[shown("-5", seconds) for seconds in range(10, 60)])


def test_l30_less_than_ours_for_long_is_a_contradiction() -> None:
    assert contradicted(*[shown("-0.5", seconds) for seconds in range(10, 31)])
    assert not contradicted(*[shown("-0.5", seconds) for seconds in range(10, 29)])


def test_l01_the_other_direction_counts_as_nothing() -> None:
    assert contradicted(*[shown("5", seconds) for seconds in range(10, 31)])


def test_one_old_answer_seen_again_and_again_proves_nothing() -> None:
    assert not contradicted(*[shown("0", seconds, at=10) for seconds in range(10, 100)])


def test_an_answer_that_may_be_older_than_our_fill_proves_nothing() -> None:
    assert not contradicted(*[shown("0", seconds, at=2) for seconds in range(10, 100)])


def test_l39_an_unknown_account_proves_nothing() -> None:
    assert not contradicted(*[shown("0", seconds, valid=False) for seconds in range(10, 100)])


def test_a_symbol_with_an_order_out_proves_nothing() -> None:
    assert not contradicted(*[shown("0", seconds) for seconds in range(10, 100)], busy=(an_option().symbol,))


def test_an_expired_holding_is_settled_and_not_missing() -> None:
    late = (EXPIRY - START).total_seconds()
    assert not contradicted(*[shown("0", late + seconds) for seconds in range(60)])


def test_a_holding_that_comes_back_starts_the_patience_anew() -> None:
    accounts = [shown("0", seconds) for seconds in range(10, 29)]
    assert not contradicted(*accounts, shown("-1", 29), *[shown("0", seconds) for seconds in range(30, 49)])


def test_trades_that_share_a_position_are_compared_together() -> None:
    pair = (holding("1"), holding("2", number=2))
    check = PositionCheck()
    found = [check.contradictions(pair, shown("-2.5", seconds)) for seconds in range(10, 40)][-1]
    assert [trade.number for trade, _ in found] == [1, 2]
    assert not contradicted(*[shown("-3", seconds) for seconds in range(10, 40)], trades=pair)


def test_a_close_is_clamped_to_what_is_shown_in_its_own_direction() -> None:
    check, symbol = PositionCheck(), an_option().symbol
    assert check.clamps(holding(), shown("-0.4", 10)) == {symbol: Decimal("0.4")}
    assert check.clamps(holding(), shown("0.4", 10)) == {symbol: Decimal(0)}
    assert check.clamps(holding(), shown("0", 10)) == {symbol: Decimal(0)}


def test_an_unknown_or_old_answer_clamps_nothing() -> None:
    assert PositionCheck().clamps(holding(), shown("0", 10, valid=False)) is None
    assert PositionCheck().clamps(holding(), shown("0", 10, at=1)) is None
    assert PositionCheck().clamps(holding(), replace(shown("0", 10), at=None)) is None


def test_l37_nothing_is_kept_of_what_is_no_longer_held() -> None:
    check = PositionCheck()
    check.contradictions([holding()], shown("0", 10))
    check.contradictions([], shown("0", 11))
    assert check._short == {}
