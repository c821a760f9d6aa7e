"""The gate in front of every order. It decides from values alone and explains each no with the numbers.

Two laws hold for every leg at every moment: what is filled plus what may still fill never exceeds the target, and an
order that closes never opens. Breaking one is our own error (InvariantBroken). Caps, the budget of orders, the account's state and the
price bands are an ordinary no (RiskDenied, with the rule's name). Only two of them ever stop an order that lowers exposure: a price
beyond all that is known of the market, and a halt, which lets through what a person ordered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from domain import ZERO, NewOrder, OrderType, Quote, Side, TradingState, whole_lots
from errors import AccountHeld, InvariantBroken, RuleRefused, SizeRejected

HUNDRED = Decimal(100)
MINUTE = timedelta(minutes=1)

# What to do about a refusal: which setting, or what to change in the strategy.
_FEWER = "let fewer trades be open at once, or raise TRADER_MAX_ORDERS_OPEN"
_SMALLER = "lower the qty of the strategy's legs (a maker's max_quantity), or raise TRADER_MAX_ORDER_NOTIONAL_USD"
_SLOWER = "it is sent once the minute allows it; if that is too slow, raise TRADER_MAX_ORDERS_PER_MINUTE"
_NO_INDEX = "it is sent once the index is known; the alerts about market data say why it is not"
_IN_BAND = "lower aggressive_buffer_pct or max_cross_pct of the strategy, or, if such a price is meant, raise TRADER_PRICE_BAND_PCT"
_CLOSE_IN_BAND = "compare mark and book with the venue's own page; if such a price is meant, raise TRADER_PRICE_BAND_PCT, or close by hand"
_NO_PRICE = "it is sent once a mark or a price on the other side is known; let the strategy choose options that are quoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBand:
    """How far an order's price may lie on its dangerous side (above for a buy, below for a sell) of what the market shows.

    From the mark: `pct` per cent of it, or `index_pct` per cent of the index where that is more, so that an option worth a few dollars
    can be quoted at all. From the touch, the price at which the order would trade now: `pct` per cent of it, or one tick where that
    is more; here the index allows nothing, else an option worth less than that could be given away to a bid that is there.
    """

    pct: Decimal
    index_pct: Decimal = ZERO

    def from_mark(self, mark: Decimal, index: Decimal | None) -> Decimal:
        """Return how far from the mark a price may lie, USD per coin; an unknown index allows nothing."""
        return max(self.pct * mark, self.index_pct * (ZERO if index is None else index)) / HUNDRED

    def from_touch(self, touch: Decimal, tick: Decimal) -> Decimal:
        """Return how far from the touch a price may lie, USD per coin."""
        return max(self.pct * touch / HUNDRED, tick)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Caps on opening orders, and the band for the price of every order; None is no limit. Notional is index price x quantity, USD."""

    max_open_orders: int | None = 100
    max_order_notional: Decimal | None = None
    max_per_minute: int | None = None
    band: PriceBand | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What the gate must know beside the order: its leg, the market, and the account's load and state.

    `side` is the leg's own direction, `missing` and `held` are coins in it (`held` below zero if more was given back than was had),
    `working` is what live orders of the leg may still fill. `quote` is fresh, or None. `opened_lately` counts the opening orders of the
    last minute. `ordered` says that a person wants this trade left, by word or by the kill switch.
    """

    symbol: str
    side: Side
    missing: Decimal
    held: Decimal
    working: Decimal
    open_orders: int
    index: Decimal | None = None
    quote: Quote | None = None
    opened_lately: int = 0
    state: TradingState = TradingState.ACTIVE
    ordered: bool = False


def check(order: NewOrder, exposure: Exposure, limits: RiskLimits) -> None:
    """Return if order may be sent; raise InvariantBroken, SizeRejected or RiskDenied, saying why not.

    The leg of a block is not held to the band by itself: see `check_block`.
    """
    _on_the_grid(order)
    _within_target(order, exposure)
    _allowed_by_state(order, exposure)
    if not order.client_id.purpose.reduces:
        _within_caps(order, exposure, limits)
        _within_budget(order, exposure, limits)
    if limits.band is not None and order.order_type is not OrderType.BLOCK_TRADE:
        _within_band(order, exposure, limits.band)


def check_block(orders: Sequence[NewOrder], quotes: Mapping[str, Quote], limits: RiskLimits) -> None:
    """Return if the legs of a block may be traded together at their prices; raise RiskDenied with the numbers.

    The maker splits the price of the whole over the legs as it likes, so only the sum means something: what is paid beyond the legs'
    marks (or touches) together is held against what the band would allow the legs one by one, together. As with single orders an
    opening must keep to both measures, and have a mark or a touch for each leg; a close is refused only beyond both.
    """
    if limits.band is None or not orders:
        return
    found = [measure for measure in (_block_by_mark(orders, quotes, limits.band), _block_by_touch(orders, quotes, limits.band)) if measure]
    names = ", ".join(str(order.client_id) for order in orders)
    _judge(f"block of {names}", found, reduces=orders[0].client_id.purpose.reduces)


# ---- the order itself


def _on_the_grid(order: NewOrder) -> None:
    lot, tick = order.instrument.lot, order.instrument.tick
    if order.qty < lot or order.qty != whole_lots(order.qty, lot):
        raise SizeRejected("gate", f"order {order.client_id}", f"quantity {order.qty} is not a whole number of lots of {lot}")
    off_tick = order.price % tick != 0 and order.order_type is not OrderType.BLOCK_TRADE  # a block trades at the maker's price
    if order.price <= 0 or off_tick:
        raise InvariantBroken(f"order {order.client_id}: price {order.price} is not on the tick {tick}")


def _within_target(order: NewOrder, exposure: Exposure) -> None:
    if order.client_id.purpose.reduces:
        room, side, what = exposure.held, exposure.side.opposite, "held"
        if not order.reduce_only:
            raise InvariantBroken(f"order {order.client_id} closes but is not reduce-only")
    else:
        room, side, what = exposure.missing, exposure.side, "missing"
    if order.side is not side or order.instrument.symbol != exposure.symbol:
        raise InvariantBroken(f"order {order.client_id} {order.side.name} {order.instrument.symbol} does not belong to its leg")
    if exposure.working + order.qty > room:
        raise InvariantBroken(f"order {order.client_id} for {order.qty} with {exposure.working} working exceeds the {room} {what}")


# ---- what the account may do


def _allowed_by_state(order: NewOrder, exposure: Exposure) -> None:
    match exposure.state, order.client_id.purpose.reduces:
        case TradingState.ACTIVE, _:
            return
        case state, False:
            raise AccountHeld(f"opening while {state}", f"order {order.client_id} would open, and the account is {state}")
        case TradingState.HALTED, True if not exposure.ordered:
            said = f"order {order.client_id} would close, and the account is halted: only what a person orders is sent"
            raise AccountHeld("closing while halted", said)


def _within_caps(order: NewOrder, exposure: Exposure, limits: RiskLimits) -> None:
    if limits.max_open_orders is not None and exposure.open_orders >= limits.max_open_orders:
        said = f"order {order.client_id}: {exposure.open_orders} orders are open, the cap is {limits.max_open_orders}"
        raise RuleRefused("open orders", said, _FEWER, of_strategy=False)
    if limits.max_order_notional is None:
        return
    if exposure.index is None:
        said = f"order {order.client_id}: no index price to measure its notional with"
        raise RuleRefused(f"no index of {order.instrument.underlying}", said, _NO_INDEX, of_strategy=False)
    notional = order.qty * exposure.index
    if notional > limits.max_order_notional:
        said = f"order {order.client_id}: notional {notional} USD is above the cap of {limits.max_order_notional} USD"
        raise RuleRefused("order notional", said, _SMALLER)


def _within_budget(order: NewOrder, exposure: Exposure, limits: RiskLimits) -> None:
    if limits.max_per_minute is not None and exposure.opened_lately >= limits.max_per_minute:
        sent = f"{exposure.opened_lately} opening orders within the last minute"
        said = f"order {order.client_id}: {sent}, the budget is {limits.max_per_minute}"
        raise RuleRefused("orders per minute", said, _SLOWER, of_strategy=False)


# ---- prices nobody can have meant


@dataclass(frozen=True, slots=True)
class _Measure:
    """One yardstick: by how much the price is worse than it (USD, below zero: better), what is allowed, and how both came about."""

    worse: Decimal
    allowed: Decimal
    said: str

    @property
    def beyond(self) -> bool:
        return self.worse > self.allowed


def _within_band(order: NewOrder, exposure: Exposure, band: PriceBand) -> None:
    """Hold an order's price against mark and touch. A price on the harmless side, however far, only rests."""
    quote, side = exposure.quote, order.side
    touch = None if quote is None else quote.executable(side)
    index = exposure.index if exposure.index is not None or quote is None else quote.underlying_price
    found = []
    if quote is not None and quote.mark is not None:
        allowed = band.from_mark(quote.mark, index)
        said = f"{_bound(side, quote.mark, allowed)} by the mark of {quote.mark} and the index of {'unknown' if index is None else index}"
        found.append(_Measure(side.sign * (order.price - quote.mark), allowed, said))
    if touch is not None:
        allowed = band.from_touch(touch, order.instrument.tick)
        said = f"{_bound(side, touch, allowed)} by the {'ask' if side is Side.BUY else 'bid'} of {touch}"
        found.append(_Measure(side.sign * (order.price - touch), allowed, said))
    what = f"order {order.client_id}: {side.name.lower()} {order.instrument.symbol} @ {order.price}"
    _judge(what, found, reduces=order.client_id.purpose.reduces)


def _bound(side: Side, reference: Decimal, allowed: Decimal) -> str:
    return f"at {'most' if side is Side.BUY else 'least'} {max(reference + side.sign * allowed, ZERO).normalize():f}"


def _judge(what: str, found: Sequence[_Measure], *, reduces: bool) -> None:
    """Refuse an opening beyond any measure or without one; a close only beyond all there are: leaving must stay possible."""
    beyond = [measure for measure in found if measure.beyond]
    if reduces and len(beyond) < max(len(found), 1):
        return
    if beyond:
        said = f"{what} is outside the price band: {'; '.join(measure.said for measure in beyond)}"
        raise RuleRefused("price band", said, _CLOSE_IN_BAND if reduces else _IN_BAND)
    if not found:
        said = f"{what}: neither a fresh mark nor a price on the other side is known to measure it with"
        raise RuleRefused("no price", said, _NO_PRICE)


def _block_by_mark(orders: Sequence[NewOrder], quotes: Mapping[str, Quote], band: PriceBand) -> _Measure | None:
    worse = allowed = ZERO
    for order in orders:
        quote = quotes.get(order.instrument.symbol)
        if quote is None or quote.mark is None:
            return None
        worse += order.qty * order.side.sign * (order.price - quote.mark)
        allowed += order.qty * band.from_mark(quote.mark, quote.underlying_price)
    return _Measure(worse, allowed, f"{worse:f} USD worse than the marks together, at most {allowed.normalize():f}")


def _block_by_touch(orders: Sequence[NewOrder], quotes: Mapping[str, Quote], band: PriceBand) -> _Measure | None:
    worse = allowed = ZERO
    for order in orders:
        quote = quotes.get(order.instrument.symbol)
        touch = None if quote is None else quote.executable(order.side)
        if touch is None:
            return None
        worse += order.qty * order.side.sign * (order.price - touch)
        allowed += order.qty * band.from_touch(touch, order.instrument.tick)
    return _Measure(worse, allowed, f"{worse:f} USD worse than the book's best prices together, at most {allowed.normalize():f}")
