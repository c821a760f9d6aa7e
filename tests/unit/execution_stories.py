"""Builders for the tests of execution quality: a trade, its executions and their fills, as the journal would hold them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain import (
    ClientOrderId,
    ExecutionMode,
    ExecutionParams,
    Fill,
    NewOrder,
    Option,
    OptionType,
    OrderType,
    Purpose,
    QuotedLeg,
    QuoteStatus,
    Remedy,
    RFQQuote,
    Side,
)
from events import (
    AnyEvent,
    BlockIntended,
    ExecutionEnded,
    ExecutionStarted,
    LegBook,
    LegFilled,
    LegPlan,
    MarketAfter,
    OrderIntended,
    RFQQuoted,
    TradeCreated,
)
from execution_quality import ExecutionQuality, QualityBook

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MARCH, APRIL = datetime(2026, 3, 28, 8, tzinfo=UTC), datetime(2026, 4, 25, 8, tzinfo=UTC)
INDEX = Decimal(50_000)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def an_option(written: str, expiry: datetime = MARCH, underlying: str = "BTC") -> Option:
    """Return an option by its type and strike, such as C50000."""
    return Option(
        symbol=f"{underlying}USD-{expiry:%d%b%y}-{written[1:]}-{written[0]}".upper(),
        underlying=underlying,
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        option_type=OptionType(written[0]),
        strike=Decimal(written[1:]),
        expiry=expiry,
    )


def a_leg(written: str, qty: str = "1", expiry: datetime = MARCH, underlying: str = "BTC") -> LegPlan:
    """Return a leg by its direction, type and strike: +C50000 buys, -P40000 sells."""
    side = Side.BUY if written[0] == "+" else Side.SELL
    return LegPlan(option=an_option(written[1:], expiry, underlying), side=side, qty=Decimal(qty))


def a_birth(legs: Sequence[LegPlan], trade: int = 1, strategy: str = "careful", *, simulated: bool = False) -> TradeCreated:
    return TradeCreated(
        at=NOON,
        trade=trade,
        strategy=strategy,
        legs=tuple(legs),
        mode=ExecutionMode.AUTO,
        params=ExecutionParams(),
        simulated=simulated,
    )


def a_picture(
    index: int,
    leg: LegPlan,
    bid: str | None,
    ask: str | None,
    *,
    wanted: str | None = None,
    side: Side | None = None,
    index_price: Decimal | None = INDEX,
) -> LegBook:
    """Return a leg's book at a decision; what it takes is the touch."""
    way = side or leg.side
    touch = ask if way is Side.BUY else bid
    return LegBook(
        leg=index,
        symbol=leg.option.symbol,
        side=way,
        wanted=leg.qty if wanted is None else Decimal(wanted),
        bid=None if bid is None else Decimal(bid),
        ask=None if ask is None else Decimal(ask),
        index=index_price,
        executable=None if touch is None else Decimal(touch),
    )


def a_start(
    pictures: Sequence[LegBook],
    run: int = 1,
    purpose: Purpose = Purpose.OPEN,
    mode: ExecutionMode = ExecutionMode.LIMIT,
    trade: int = 1,
    at: float = 0,
    *,
    urgent: bool = False,
    remedy: Remedy | None = None,
) -> ExecutionStarted:
    return ExecutionStarted(
        at=after(at),
        trade=trade,
        run=run,
        purpose=purpose,
        mode=mode,
        reason="the test says so",
        legs=tuple(pictures),
        urgent=urgent,
        remedy=remedy,
    )


def an_end(run: int = 1, purpose: Purpose = Purpose.OPEN, trade: int = 1, at: float = 60, *, success: bool = True) -> ExecutionEnded:
    return ExecutionEnded(at=after(at), trade=trade, run=run, purpose=purpose, success=success, reason="" if success else "given up")


def an_id(leg: int, attempt: int, purpose: Purpose, trade: int) -> ClientOrderId:
    return ClientOrderId(desk=42, trade=trade, leg=leg, purpose=purpose, attempt=attempt)


def an_order(
    leg: int, plan: LegPlan, attempt: int = 1, purpose: Purpose = Purpose.OPEN, trade: int = 1, kind: OrderType = OrderType.LIMIT
) -> OrderIntended:
    name = an_id(leg, attempt, purpose, trade)
    side = plan.side.opposite if purpose.reduces else plan.side
    new = NewOrder(client_id=name, instrument=plan.option, side=side, qty=plan.qty, price=Decimal(1), order_type=kind)
    return OrderIntended(at=NOON, order=str(name), new=new)


def a_fill(
    leg: int,
    plan: LegPlan,
    price: str,
    qty: str | None = None,
    *,
    attempt: int = 1,
    purpose: Purpose = Purpose.OPEN,
    trade: int = 1,
    at: float = 5,
    fee: str = "0",
    name: str | None = None,
) -> LegFilled:
    fill = Fill(
        id=name or f"f-{trade}-{leg}-{purpose}-{attempt}-{at}",
        order_id="1",
        symbol=plan.option.symbol,
        side=plan.side.opposite if purpose.reduces else plan.side,
        qty=plan.qty if qty is None else Decimal(qty),
        price=Decimal(price),
        fee=Decimal(fee),
        at=after(at),
    )
    return LegFilled(at=after(at + 1), trade=trade, leg=leg, order=str(an_id(leg, attempt, purpose, trade)), fill=fill)


def a_look_back(mids: Sequence[str | None], run: int = 1, purpose: Purpose = Purpose.OPEN, trade: int = 1) -> MarketAfter:
    known = tuple(None if mid is None else Decimal(mid) for mid in mids)
    return MarketAfter(at=after(120), trade=trade, run=run, purpose=purpose, seconds=60, mids=known)


def a_quote(name: str, legs: Sequence[LegPlan], cost: str, *, we_trade_as_wanted: bool = True) -> RFQQuoted:
    """Return a quote of a maker that costs us so much; if not as wanted, it is the other side of a two-way quote."""
    quoted = tuple(
        QuotedLeg(
            symbol=leg.option.symbol,
            side=leg.side.opposite if we_trade_as_wanted else leg.side,
            price=Decimal(1),
            qty=leg.qty,
        )
        for leg in legs
    )
    quote = RFQQuote(quote_id=name, request_id="r", status=QuoteStatus.OPEN, legs=quoted, created_at=NOON, expires_at=after(30))
    return RFQQuoted(
        at=after(3),
        trade=1,
        run=1,
        purpose=Purpose.OPEN,
        quote=quote,
        cost=Decimal(cost),
        book_cost=None,
        improvement_pct=None,
        verdict="seen",
    )


def an_acceptance(orders: Sequence[str]) -> BlockIntended:
    return BlockIntended(at=after(6), trade=1, run=1, purpose=Purpose.OPEN, request_id="r", quote_id="q", orders=tuple(orders))


def an_execution(
    legs: Sequence[LegPlan],
    books: Sequence[tuple[str | None, str | None]],
    prices: Sequence[str],
    *,
    run: int = 1,
    purpose: Purpose = Purpose.OPEN,
    mode: ExecutionMode = ExecutionMode.LIMIT,
    trade: int = 1,
    fee: str = "0",
    at: float = 0,
    urgent: bool = False,
    remedy: Remedy | None = None,
) -> list[AnyEvent]:
    """Return an execution that filled every leg whole, each at one price."""
    sides = [leg.side.opposite if purpose.reduces else leg.side for leg in legs]
    pictures = [
        a_picture(index, leg, bid, ask, side=side) for index, (leg, (bid, ask), side) in enumerate(zip(legs, books, sides, strict=True))
    ]
    events: list[AnyEvent] = [a_start(pictures, run, purpose, mode, trade, at, urgent=urgent, remedy=remedy)]
    for index, (leg, price) in enumerate(zip(legs, prices, strict=True)):
        events += [
            an_order(index, leg, run, purpose, trade),
            a_fill(index, leg, price, attempt=run, purpose=purpose, trade=trade, at=at + 5, fee=fee),
        ]
    return [*events, an_end(run, purpose, trade, at + 60)]


def of(*values: object) -> tuple[object, ...]:
    """Return numbers side by side, to be compared with plain ones."""
    return values


def measured(*events: AnyEvent) -> ExecutionQuality:
    [quality] = QualityBook(events).all()
    return quality


def a_whole(
    legs: Sequence[LegPlan], books: Sequence[tuple[str | None, str | None]], prices: Sequence[str], fee: str = "0"
) -> ExecutionQuality:
    return measured(a_birth(legs), *an_execution(legs, books, prices, fee=fee))
