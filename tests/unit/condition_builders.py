"""Accounts, quotes and trades for the tests of conditions and strategies: known and harmless until a test says otherwise."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain import (
    AccountSnapshot,
    Basis,
    Greeks,
    Option,
    OptionType,
    PositionSnapshot,
    Quote,
    Side,
    unknown_account,
)

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)  # a Wednesday


def an_option(strike: int = 100_000, kind: OptionType = OptionType.CALL, expiry: datetime = NOON + timedelta(days=7)) -> Option:
    return Option(
        symbol=f"BTCUSD-{expiry.day}MAR26-{strike}-{kind}",
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        option_type=kind,
        strike=Decimal(strike),
        expiry=expiry,
    )


def a_quote(
    option: Option | None = None,
    bid: str | None = "95",
    ask: str | None = "105",
    mark: str | None = "100",
    delta: float | None = 0.5,
    at: datetime = NOON,
) -> Quote:
    return Quote(
        option=an_option() if option is None else option,
        at=at,
        bid=None if bid is None else Decimal(bid),
        ask=None if ask is None else Decimal(ask),
        mark=None if mark is None else Decimal(mark),
        greeks=None if delta is None else Greeks(delta=delta, theta=-3.0),
        underlying_price=Decimal(100_000),
    )


def an_account(now: datetime = NOON, **changed: object) -> AccountSnapshot:
    known = AccountSnapshot(
        valid=True,
        now=now,
        at=now,
        equity=Decimal(10_000),
        available_margin=Decimal(6_000),
        initial_margin=Decimal(4_000),
    )
    return replace(known, **changed)  # type: ignore[arg-type]


def an_unknown_account(now: datetime = NOON) -> AccountSnapshot:
    return unknown_account(now, "the venue does not answer")


def a_position(symbol: str = "BTCUSD-25MAR26-100000-C", delta: float = 0.1, qty: str = "0.2", side: Side = Side.BUY) -> PositionSnapshot:
    return PositionSnapshot(symbol=symbol, side=side, qty=Decimal(qty), avg_price=Decimal(100), greeks=Greeks(delta=delta))


@dataclass(frozen=True)
class FakeLeg:
    option: Option
    side: Side = Side.BUY
    held: Decimal = Decimal("0.1")


@dataclass(frozen=True, kw_only=True)
class FakeTrade:
    """A trade whose profit and Greeks are whatever the test says; None is not known."""

    created_at: datetime = NOON
    opened_at: datetime | None = NOON
    legs: tuple[FakeLeg, ...] = (FakeLeg(an_option()), FakeLeg(an_option(90_000, OptionType.PUT)))
    entry_cost: Decimal = Decimal(200)
    peak_profit: Decimal | None = None
    mark_profit: Decimal | None = Decimal(0)
    executable_profit: Decimal | None = Decimal(0)
    greeks_by_leg: tuple[Greeks | None, ...] = (Greeks(delta=0.05), Greeks(delta=-0.04))

    def profit(self, account: AccountSnapshot, basis: Basis) -> Decimal | None:
        return self.mark_profit if basis is Basis.MARK else self.executable_profit

    def greeks(self, account: AccountSnapshot) -> Greeks | None:
        known = [greeks for greeks in self.greeks_by_leg if greeks is not None]
        return sum(known, Greeks()) if len(known) == len(self.greeks_by_leg) else None

    def leg_greeks(self, index: int, account: AccountSnapshot) -> Greeks | None:
        return self.greeks_by_leg[index]


def a_trade(profit: str | None = "0", **changed: object) -> FakeTrade:
    return replace(FakeTrade(mark_profit=None if profit is None else Decimal(profit)), **changed)  # type: ignore[arg-type]
