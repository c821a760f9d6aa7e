"""The judge of the other exchange's books: what a structure's trades may never have been, by the ledger alone.

A structure is told as coins by symbol, negative where it is sold. Nothing of the daemon is asked here, but for the last function,
which lays its journal beside the ledger.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby

from events import AnyEvent, LegFilled

from tests.rehearsal.other_books import ZERO, Trade
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_rfq import Acceptance, BlockDesk

Structure = Mapping[str, Decimal]


def _moments(exchange: OtherExchange) -> Iterator[Mapping[str, Decimal]]:
    """Yield what the client held after each of its trades, signed; the legs of a block are one trade."""
    held: dict[str, Decimal] = {}
    with exchange.lock:
        trades = [trade for trade in exchange.ledger.trades if not trade.order.foreign]
    for _, together in groupby(trades, key=lambda trade: (trade.block, None if trade.block else trade.trade_id)):
        for trade in together:
            held[trade.order.symbol] = held.get(trade.order.symbol, ZERO) + trade.qty * trade.order.sign
        yield dict(held)


def holding_breaches(exchange: OtherExchange, structure: Structure) -> list[str]:
    """Return every moment at which more was held than wanted, or the other way round, or of what was never wanted."""
    found: dict[str, None] = {}
    for held in _moments(exchange):
        for symbol, qty in held.items():
            wanted = structure.get(symbol, ZERO)
            if qty != 0 and wanted == 0:
                found[f"{symbol}: held {qty}, never wanted"] = None
            elif qty * wanted < 0:
                found[f"{symbol}: flipped to {qty}"] = None
            elif abs(qty) > abs(wanted):
                found[f"{symbol}: held {qty}, wanted {wanted}"] = None
    return list(found)


def reach_breaches(exchange: OtherExchange, structure: Structure) -> list[str]:
    """Return every symbol of which fills and working orders together could have come to more than was wanted."""
    reached = ((symbol, reach, abs(structure.get(symbol, ZERO))) for symbol, reach in exchange.ledger.reach.items())
    return [f"{symbol}: could have come to {reach}, wanted {wanted}" for symbol, reach, wanted in reached if reach > wanted]


def naked_breaches(exchange: OtherExchange, structure: Structure) -> list[str]:
    """Return every moment at which a sold option was held beyond what the bought ones of its type cover, in the structure's ratio."""
    found: dict[str, None] = {}
    for held in _moments(exchange):
        for symbol, wanted in structure.items():
            cover = [s for s, qty in structure.items() if qty > 0 and s[-1] == symbol[-1]]
            if wanted > 0 or not cover:
                continue
            share, covered = held.get(symbol, ZERO) / wanted, min(held.get(s, ZERO) / structure[s] for s in cover)
            if share > covered:
                found[f"{symbol}: naked, {share:.2f} of it sold and {covered:.2f} of its cover bought"] = None
    return list(found)


def block_breaches(desk: BlockDesk, gate_pct: Decimal | None = ZERO) -> list[str]:
    """Return every wrong that was done with requests and quotes; quotes must be gate_pct better than the book (None: any price)."""
    accepted = Counter(a.quote.quote_id for a in desk.acceptances)
    after: Counter[int] = Counter()
    again = []
    for acceptance in desk.acceptances:
        request = acceptance.quote.request.request_id
        if after[request]:
            again.append(f"accepted on request {request} after it was traded")
        after[request] += acceptance.traded
    return [
        *(f"quote {quote} was accepted {times} times" for quote, times in accepted.items() if times > 1),
        *again,
        *(f"accepted a quote in which {a.quote.offer.oddity}" for a in desk.acceptances if a.quote.offer.oddity is not None),
        *(line for a in desk.acceptances for line in _gate(a, gate_pct)),
        *(f"nonsense asked of makers: {code} {text}" for code, text in desk.refusals),
    ]


def _gate(acceptance: Acceptance, gate_pct: Decimal | None) -> Iterator[str]:
    if gate_pct is None:
        return
    cost, book = acceptance.quote.cost, acceptance.book
    if book is None:
        yield f"accepted at {cost} where no book could be compared"
    elif cost > book - abs(book) * gate_pct / 100:
        yield f"accepted at {cost}, the book took {book}, wanted {gate_pct} % better"


def _row(trade: Trade) -> tuple[str, str, int, Decimal, Decimal, Decimal]:
    order = trade.order
    return str(trade.trade_id), order.symbol, order.sign, trade.qty, trade.price, trade.fee


def journal_breaches(trades: Iterable[Trade], events: Sequence[AnyEvent]) -> list[str]:
    """Return every trade that only one of ledger and journal knows, and every one that they tell differently."""
    ledger = Counter(_row(trade) for trade in trades if not trade.order.foreign)
    fills = (event.fill for event in events if isinstance(event, LegFilled))
    journal = Counter((f.id, f.symbol, f.side.sign, f.qty, f.price, f.fee) for f in fills)
    return [
        *(f"not in the journal: {_told(row)}" for row in (ledger - journal).elements()),
        *(f"only in the journal: {_told(row)}" for row in (journal - ledger).elements()),
    ]


def _told(row: tuple[str, str, int, Decimal, Decimal, Decimal]) -> str:
    number, symbol, sign, qty, price, fee = row
    return f"{number} {'buy' if sign == 1 else 'sell'} {qty} {symbol} at {price}, fee {fee}"
