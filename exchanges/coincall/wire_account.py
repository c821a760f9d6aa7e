"""Coincall's shapes of the account: balances, positions, settlements, the key, and the answers to batch orders.

Its one rule is that of `wire`: domain values or MalformedResponse come out. Source: Coincall API 4, 5.9, 5.11, 5.17, 5.22.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from clock import from_ms
from domain import Greeks, PositionSnapshot, Settlement, Side
from domain.account import AssetBalance
from exchanges.coincall.wire import Page, Row, number, reader

# ---- balances


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSummary:
    """The account's money, USD, and its coins one by one; None where the venue does not say."""

    equity: Decimal
    available_margin: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    margin_balance: Decimal | None
    unrealized: Decimal | None
    coins: tuple[AssetBalance, ...] = ()


class _Coin(Row, frozen=True):
    coin: str
    equity_amount: Decimal | None = None
    available_balance: Decimal | None = None
    cash_balance_amount: Decimal | None = None
    unrealized_amount: Decimal | None = None
    dollar_value: Decimal | None = None

    def balance(self) -> AssetBalance:
        """Say it in our words."""
        return AssetBalance(
            coin=self.coin,
            equity=self.equity_amount,
            available=self.available_balance,
            cash=self.cash_balance_amount,
            unrealized=self.unrealized_amount,
            value_usd=self.dollar_value,
        )


class _Summary(Row, frozen=True):
    equity: Decimal
    available_margin: Decimal | None = None
    margin_balance: Decimal | None = None
    im_amount: Decimal | None = None
    mm_amount: Decimal | None = None
    unrealized: Decimal | None = msgspec.field(name="unrealizedPnL", default=None)
    accounts: tuple[_Coin, ...] = ()


def _summary(row: _Summary) -> AccountSummary:
    return AccountSummary(
        equity=row.equity,
        available_margin=row.available_margin,
        initial_margin=row.im_amount,
        coins=tuple(one.balance() for one in row.accounts),
        maintenance_margin=row.mm_amount,
        margin_balance=row.margin_balance,
        unrealized=row.unrealized,
    )


# ---- positions


class _Position(Row, frozen=True):
    symbol: str
    trade_side: Side
    qty: Decimal
    avg_price: Decimal
    mark_price: Decimal | None = None
    upnl: Decimal | None = None
    roi: Decimal | None = None
    upnl_by_mark_price: Decimal | None = None
    roi_by_mark_price: Decimal | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    rho: float | None = None

    def snapshot(self) -> PositionSnapshot:
        """Say it in our words, profit by mark rather than by last trade; a Greek that is missing is NaN, which passes no limit."""
        if self.qty < 0:
            raise ValueError(f"position {self.symbol} is of {self.qty}; its direction belongs in tradeSide")
        greeks = (number(value) for value in (self.delta, self.gamma, self.vega, self.theta, self.rho))
        return PositionSnapshot(
            symbol=self.symbol,
            side=self.trade_side,
            qty=self.qty,
            avg_price=self.avg_price,
            mark=self.mark_price,
            upnl=self.upnl if self.upnl_by_mark_price is None else self.upnl_by_mark_price,
            roi=self.roi if self.roi_by_mark_price is None else self.roi_by_mark_price,
            greeks=Greeks(*(math.nan if value is None else value for value in greeks)),
        )


def _positions(rows: list[_Position]) -> tuple[PositionSnapshot, ...]:
    return tuple(row.snapshot() for row in rows if row.qty != 0)


# ---- settlements


class _Exercise(Row, frozen=True):
    symbol: str
    time: int
    qty: Decimal
    trade_side: Side
    exercise_price: Decimal
    settlement_cash_flow: Decimal
    fees: Decimal

    def settlement(self) -> Settlement:
        """Say it in our words; the side is that of the holding, the cash is positive when received."""
        return Settlement(
            symbol=self.symbol,
            side=self.trade_side,
            qty=self.qty,
            price=self.exercise_price,
            cash=self.settlement_cash_flow,
            fee=self.fees,
            at=from_ms(self.time),
        )


class _Exercises(Row, frozen=True):
    has_next: bool
    rows: list[_Exercise] = msgspec.field(name="list")


def _settlements(page: _Exercises) -> Page[Settlement]:
    return Page(tuple(row.settlement() for row in page.rows), page.has_next)


# ---- the user and the key


class UserInfo(Row, frozen=True):
    """Who the key belongs to."""

    user_id: str | int
    name: str | None = None


class KeyInfo(Row, frozen=True):
    """What the key may do; `read_only` keys cannot trade. `parent_uid` is None or 0 for a main account."""

    user_id: str | int
    read_only: bool
    is_master: bool | None = None
    parent_uid: str | int | None = None


# ---- batches


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of one order of a batch: its id, or a code and the reason of a refusal. Answers may come in any order."""

    order_id: str | None
    code: int
    reason: str
    at: datetime | None = None


class _BatchRow(Row, frozen=True):
    code: int
    msg: str | None = None
    data: int | None = None


class _CancelRow(Row, frozen=True):
    scode: int
    ord_id: int | None = None
    smsg: str | None = None
    ts: int | None = None


def _batch(rows: list[_BatchRow]) -> tuple[BatchAnswer, ...]:
    return tuple(BatchAnswer(None if row.data is None else str(row.data), row.code, row.msg or "") for row in rows)


def _cancels(rows: list[_CancelRow]) -> tuple[BatchAnswer, ...]:
    return tuple(
        BatchAnswer(None if row.ord_id is None else str(row.ord_id), row.scode, row.smsg or "", None if row.ts is None else from_ms(row.ts))
        for row in rows
    )


parse_summary = reader(_Summary, "account summary", _summary)
parse_positions = reader(list[_Position], "positions", _positions)
parse_settlements = reader(_Exercises, "exercise history", _settlements)
parse_user = reader(UserInfo, "user", lambda found: found)
parse_key = reader(KeyInfo, "api key", lambda found: found)
parse_batch = reader(list[_BatchRow], "batch", _batch)
parse_cancels = reader(list[_CancelRow], "batch cancel", _cancels)
