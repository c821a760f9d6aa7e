"""What happens at an option's last moment: working orders end in state 10, holdings are paid out in cash.

Every holder, the house included, gets or pays the same amount per lot, so the ledger's sum stands. Delivery costs a fee only in the
money and only for options that are not dailies; a daily is one that expires on another weekday than Friday. Source: Coincall API
14.1 and 14.2.
"""

from datetime import datetime
from decimal import Decimal

from domain import Side
from paper.book import Book
from paper.fees import ppm, trade_fee
from paper.ledger import Holding, pico, usd
from paper.margin import remargin
from paper.matching import Matching
from paper.rows import ExerciseRow
from paper.rules import OrderState

_FRIDAY = 4


def is_daily(expiry: datetime) -> bool:
    """Tell whether an expiry is a daily one, whose delivery is free."""
    return expiry.weekday() != _FRIDAY


def expire(matching: Matching, book: Book) -> None:
    """End every working order of an expired option in state 10 and withdraw the market's quotes."""
    book.expired = True
    for holding in list(book.holders.values()):
        for order in [order for order in holding.account.open.values() if order.book is book]:
            matching.finish(order, OrderState.CANCEL_BY_EXERCISE, book.expiry)
    book.clear()
    matching.record.book(book)


def settle(matching: Matching, book: Book, price: Decimal, index: Decimal, now: datetime) -> list[ExerciseRow]:
    """Pay out every holding of an expired option at a settlement price, USD; return a row for each user's."""
    rows = []
    per_lot = pico(book.option.payoff(price) * book.lot)
    for holding in (*book.holders.values(), book.house_holding):
        if holding.lots == 0:
            continue
        fee = 0 if holding.account is book.house else delivery_fee(book, abs(holding.lots), price, index)
        if holding.account is not book.house:
            rows.append(_exercise(matching.number(), holding, price, per_lot, fee, now))
        _pay(matching, holding, per_lot, fee, now)
    return rows


def delivery_fee(book: Book, lots: int, price: Decimal, index: Decimal) -> int:
    """Return what the delivery of lots costs, picodollars, at a settlement price and the index of the moment."""
    if book.option.payoff(price) == 0 or is_daily(book.expiry):
        return 0
    by_index = lots * pico(index * book.lot) * ppm(book.rules.delivery_fee)
    return trade_fee(by_index, lots * pico(abs(price - book.option.strike) * book.lot) * book.cap)


def _pay(matching: Matching, holding: Holding, per_lot: int, fee: int, now: datetime) -> None:
    account, before = holding.account, holding.lots
    account.cash += before * per_lot - fee
    matching.fees.cash += fee
    holding.turn(-before, per_lot)
    holding.updated = now
    if account is matching.house:
        matching.record.by_house(holding)
    else:
        remargin(holding)
        matching.record.turned(holding, before)


def _exercise(number: int, holding: Holding, price: Decimal, per_lot: int, fee: int, now: datetime) -> ExerciseRow:
    book, lots = holding.book, holding.lots
    opened, settled = -holding.cost, lots * per_lot
    return ExerciseRow(
        exercise_id=number,
        user=holding.account.user,
        symbol=book.symbol,
        side=Side.BUY if lots > 0 else Side.SELL,
        qty=abs(lots) * book.lot,
        strike=book.option.strike,
        settlement=price,
        open_cash_flow=usd(opened),
        settlement_cash_flow=usd(settled),
        net_cash_flow=usd(opened + settled),
        fee=usd(fee),
        at=now,
    )
