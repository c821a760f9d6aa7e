"""How much a short option and a working order tie up, and what an account has left.

The formulas stand here twice: per coin in Decimal, as published, and as an O(1) update of an account's totals in integers.
A closing order needs nothing; where an account's holding covers only part of its closing side, the cover is shared among the
orders of that side in proportion to their quantity. Sources: Coincall API 14.5 to 14.7.
"""

from decimal import Decimal
from typing import TYPE_CHECKING

from domain import ZERO, Option, OptionType

if TYPE_CHECKING:
    from paper.ledger import Holding

_BAND_UP, _BAND_DOWN = Decimal("0.05"), Decimal("0.01")


def short_addon(option: Option, index: Decimal) -> Decimal:
    """Return what a short option needs beyond its price, USD per coin: max(0.15 U - out of the money, 0.1 U or, for a put, 0.1 K)."""
    call = option.option_type is OptionType.CALL
    out = max(ZERO, option.strike - index if call else index - option.strike)
    return max(Decimal("0.15") * index - out, Decimal("0.1") * (index if call else option.strike))


def short_initial(option: Option, index: Decimal, price: Decimal) -> Decimal:
    """Return the initial margin of one short coin, USD; price is the mark for a position and the order's price for an order."""
    return price + short_addon(option, index)


def short_maintenance(option: Option, index: Decimal, mark: Decimal, liquidation_fee: Decimal) -> Decimal:
    """Return the maintenance margin of one short coin, USD."""
    base = index if option.option_type is OptionType.CALL else option.strike
    return mark + max(Decimal("0.075") * base, Decimal("0.075") * mark) + liquidation_fee * index


def price_band(tick: Decimal, index: Decimal, mark: Decimal, delta: float) -> tuple[Decimal, Decimal]:
    """Return the lowest and highest price of an order, USD. Source: Coincall API 14.1."""
    reach = index * max(Decimal(1), 4 * abs(Decimal(str(delta))))
    return max(tick, mark - _BAND_DOWN * reach), mark + _BAND_UP * reach


def remargin(holding: "Holding") -> None:
    """Bring the account's totals in line with one holding, its working orders and the book's present mark."""
    book, account, lots = holding.book, holding.account, holding.lots
    maintenance = -lots * book.short_mm if lots < 0 else 0
    if maintenance != holding.maintenance:
        account.maintenance += maintenance - holding.maintenance
        holding.maintenance = maintenance
    value = lots * book.mark
    account.value += value - holding.value
    holding.value = value
    reserve(holding)


def reserve(holding: "Holding") -> None:
    """Bring the account's initial margin in line with one holding after a change of its working orders."""
    book, lots = holding.book, holding.lots
    short, covered = (-lots, 0) if lots < 0 else (0, lots)
    initial = short * book.short_im
    if (buying := holding.buy_lots) > short:
        opening = holding.buy_ticks * book.unit
        initial += opening * (buying - short) // buying if short else opening
    if (selling := holding.sell_lots) > covered:
        opening = holding.sell_ticks * book.unit + selling * book.addon
        initial += opening * (selling - covered) // selling if covered else opening
    if initial != holding.initial:
        holding.account.initial += initial - holding.initial
        holding.initial = initial
