"""What a rehearsal came to, computed again by hand: from the raw fills of journal and exchange, and from the quotes as they were judged."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from domain import OrderType, Side
from events import AnyEvent, BlockIntended, ExecutionStarted, LegFilled, OrderIntended, RFQQuoted
from quote_gate import Judged

from tests.rehearsal.stage import NAME, Ledger

# By trade id: symbol, signed coins, price, fee.
Fills = Mapping[str, tuple[str, Decimal, Decimal, Decimal]]


def traded(ledger: Ledger) -> Fills:
    """Return what the exchange says the trader traded, on the book and in blocks."""
    [user] = [account.user for account in ledger.cash if account.name == NAME]
    found = {}
    for match in ledger.fills:
        if match.taker_user == user:
            found[str(match.trade_id)] = (match.symbol, match.taker_side.sign * match.qty, match.price, match.taker_fee)
        elif match.maker_user == user:
            found[str(match.trade_id)] = (match.symbol, -match.taker_side.sign * match.qty, match.price, match.maker_fee)
    return found


def told(events: Sequence[AnyEvent], trade: int | None = None) -> Fills:
    """Return the fills in the journal, of one trade or all."""
    fills = [event.fill for event in events if isinstance(event, LegFilled) and trade in (None, event.trade)]
    return {fill.id: (fill.symbol, fill.side.sign * fill.qty, fill.price, fill.fee) for fill in fills}


def sums_of(fills: Fills) -> tuple[Decimal, Decimal, Decimal]:
    """Return gross, fees and net of fills, USD."""
    gross = -sum((qty * price for _, qty, price, _ in fills.values()), Decimal(0))
    fees = sum((fee for *_, fee in fills.values()), Decimal(0))
    return gross, fees, gross - fees


def turnover(fills: Fills, symbol: str) -> tuple[Decimal, Decimal]:
    """Return how many coins of an option were bought and sold."""
    ours = [qty for name, qty, _, _ in fills.values() if name == symbol]
    return sum((qty for qty in ours if qty > 0), Decimal(0)), -sum((qty for qty in ours if qty < 0), Decimal(0))


def verdicts(events: Sequence[AnyEvent]) -> list[str]:
    """Return every verdict on a quote, in order."""
    return [event.verdict for event in events if isinstance(event, RFQQuoted)]


def accepted(events: Sequence[AnyEvent]) -> list[RFQQuoted]:
    """Return the quotes that were accepted, whether or not they then traded."""
    return [event for event in events if isinstance(event, RFQQuoted) and event.verdict == Judged.ACCEPTED]


def misjudged(events: Sequence[AnyEvent]) -> list[str]:
    """Say what was wrong with a quote that was accepted, or with one that was left: nothing where all was right."""
    return [*(wrong for event in accepted(events) for wrong in _wrong(event, events)), *_left_wrongly(events)]


def _wrong(event: RFQQuoted, events: Sequence[AnyEvent]) -> Iterator[str]:
    name, ours = f"quote {event.quote.quote_id}", _ours(event)
    start = next(e for e in events if isinstance(e, ExecutionStarted) and (e.trade, e.run) == (event.trade, event.run))
    if {symbol: leg[:2] for symbol, leg in ours.items()} != {leg.symbol: (leg.side, leg.wanted) for leg in start.legs}:
        yield f"{name} trades {ours}"
    cost = sum((side.sign * qty * price for side, qty, price in ours.values()), Decimal(0))
    if cost != event.cost:
        yield f"{name} costs {cost}, not {event.cost}"
    if event.book_cost is None or event.book_cost < cost:
        yield f"{name} costs {cost}, the book {event.book_cost}"
    elif event.improvement_pct != (event.book_cost - cost) / abs(event.book_cost) * 100:
        yield f"{name} is not {event.improvement_pct} % better"
    yield from _traded_otherwise(event, events)


def _ours(event: RFQQuoted) -> Mapping[str, tuple[Side, Decimal, Decimal]]:
    """Return what taking a quote trades from our side, by symbol: direction, coins, price."""
    return {leg.symbol: (leg.side.opposite, leg.qty, leg.price) for leg in event.quote.legs}


def _traded_otherwise(event: RFQQuoted, events: Sequence[AnyEvent]) -> Iterator[str]:
    name, ours = f"quote {event.quote.quote_id}", _ours(event)
    intended = [e for e in events if isinstance(e, BlockIntended) and e.quote_id == event.quote.quote_id]
    if len(intended) != 1:
        yield f"{name} was accepted {len(intended)} times"
    names = {order for one in intended for order in one.orders}
    for order in (e.new for e in events if isinstance(e, OrderIntended) and e.order in names):
        if (order.side, order.qty, order.price) != ours[order.instrument.symbol] or order.order_type is not OrderType.BLOCK_TRADE:
            yield f"{name}: order {order}"
    for fill in (e.fill for e in events if isinstance(e, LegFilled) and e.order in names):
        if (fill.side, fill.qty, fill.price) != ours[fill.symbol]:
            yield f"{name}: fill {fill}"


def _left_wrongly(events: Sequence[AnyEvent]) -> Iterator[str]:
    for event in events:
        if isinstance(event, RFQQuoted) and event.verdict == Judged.DEAR and (event.book_cost is None or event.cost < event.book_cost):
            yield f"quote {event.quote.quote_id} was left at {event.cost}, the book at {event.book_cost}"
