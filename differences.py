"""Do our books and the venue tell the same? A pure comparison: what the venue told in one round against what we know.

It names each difference and what is done about it, and does nothing. What cannot be said yet (an order out, a fill just booked) is
unsure: neither there nor gone. Cost: one look at each order, fill, position and leg.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain import ZERO, AccountSnapshot, ClientOrderId, Difference, Fill, NewOrder, OrderReport
from order_ledger import FROM_REPORT, OrderLedger, OrderRecord, beyond
from past_orders import PastOrders
from position_check import recent
from trade_lifecycle import TradeLifecycle

STRAY = "coins of trade"  # how the subject of coins begins that orders in our name traded for a trade that no book knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference: in which subject, how our books and the venue differ, what is done about it, and in which trade.

    `sure` ones are believed at once: no list of the venue can take them back. `order` and `fill` are what the action is about.
    """

    kind: Difference
    subject: str
    said: str
    action: str
    trade: int | None = None
    sure: bool = False
    order: OrderReport | None = None
    fill: Fill | None = None

    @property
    def key(self) -> tuple[Difference, str]:
        """Return what makes it the same difference in another round."""
        return self.kind, self.subject

    @property
    def stray(self) -> bool:
        """Tell whether it is about coins that are ours by name and of no trade we know: it stands until a person has seen it."""
        return self.kind is Difference.ORDER_UNKNOWN and self.subject.startswith(STRAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One option in the account: coins that the venue shows and that our trades hold, signed; the venue's average price, USD per coin."""

    symbol: str
    shown: Decimal = ZERO
    ours: Decimal = ZERO
    avg_price: Decimal | None = None

    @property
    def short(self) -> Decimal:
        """Return how many coins of ours the venue does not show."""
        return max(abs(self.ours) - max(self.shown if self.ours > 0 else -self.shown, ZERO), ZERO)

    @property
    def others(self) -> Decimal:
        """Return the coins that are not ours, signed; zero where the venue shows less than ours: whose that is cannot be told."""
        return ZERO if self.short > 0 else self.shown - self.ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What we know: our real trades that have not ended, any trade by number, the orders of running and of ended trades.

    `started` is when this run of the program began.
    """

    desk: int
    started: datetime
    trades: Sequence[TradeLifecycle]
    trade: Callable[[int], TradeLifecycle | None]
    ledger: OrderLedger
    past: PastOrders

    def order(self, name: ClientOrderId) -> OrderRecord | None:
        """Return what we know of an order of ours."""
        return self.ledger.get(name) or self.past.get(name)

    def owner_of(self, order_id: str) -> OrderRecord | None:
        """Return our order that the venue calls order_id."""
        return self.ledger.owner_of(order_id) or self.past.owner_of(order_id)

    def strangers(self, fills: Sequence[Fill]) -> Sequence[Fill]:
        """Return the fills of orders that are none of ours."""
        return [fill for fill in fills if self.owner_of(fill.order_id) is None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the venue told in one round: all open orders, the fills since the last round, and the account as it was after both.

    `history` are the orders that had ended since the journal's last word, where that was asked for.
    """

    orders: Sequence[OrderReport]
    fills: Sequence[Fill]
    account: AccountSnapshot
    history: Sequence[OrderReport] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences of one round, the symbols of which nothing can be said yet, and the holdings by symbol."""

    found: tuple[Found, ...] = ()
    unsure: frozenset[str] = frozenset()
    holdings: Mapping[str, Holding] = field(default_factory=dict)

    def whole(self, symbol: str) -> bool:
        """Tell whether all coins of ours in an option surely were there."""
        return symbol not in self.unsure and symbol in self.holdings and self.holdings[symbol].short == 0


def compare(books: Books, told: Told, strays: Sequence[Found] = ()) -> Comparison:
    """Return how our books and what the venue told differ; `strays` are those that stand from earlier rounds."""
    missed = tuple(_missed(books, told.fills))
    forgotten = tuple(_forgotten(books, told))
    holdings = _holdings(books, told.account)
    unsure = _unsure(books, told.account) | {each.fill.symbol for each in missed if each.fill is not None}
    unsure |= {each.order.symbol for each in forgotten if each.order is not None}
    stray = {each.key: each for each in (*strays, *_strays(books, told))}.values()
    found = (
        *missed,
        *_unknown(books, told.orders),
        *forgotten,
        *stray,
        *_lost(books, told.orders),
        *_of_others(books, told.orders),
        *(each for symbol, holding in holdings.items() if symbol not in unsure for each in _positions(holding, stray)),
        *_expired(books),
    )
    return Comparison(found, frozenset(unsure), holdings)


def recovered(books: Books, report: OrderReport, fills: Sequence[Fill] = ()) -> OrderRecord | None:
    """Return an order of ours that no book knows as the books would have it; None where its trade is not known or has no such leg.

    What of the venue's `fills` its trade has booked already counts as booked.
    """
    name = report.client_id
    trade = None if name is None else books.trade(name.trade)
    price = report.avg_price if report.price is None else report.price
    if name is None or trade is None or trade.simulated or name.leg >= len(trade.legs) or price is None:
        return None
    leg = trade.legs[name.leg]
    side = leg.side.opposite if name.purpose.reduces else leg.side
    if (leg.option.symbol, side) != (report.symbol, report.side):
        return None
    booked = _booked(trade, report, fills)
    return OrderRecord(
        new=NewOrder(client_id=name, instrument=leg.option, side=side, qty=report.qty, price=price, reduce_only=name.purpose.reduces),
        sent_at=report.created_at or books.started,
        order_id=report.order_id,
        booked=sum((fill.qty for fill in booked), ZERO),
        booked_value=sum((fill.qty * fill.price for fill in booked), ZERO),
        booked_fee=sum((fill.fee for fill in booked), ZERO),
    )


def _told_of_ours(books: Books, fills: Sequence[Fill]) -> Iterator[tuple[OrderRecord, Fill]]:
    """Yield the fills of our orders; of one that was booked from its report, what they show beyond that as one."""
    otherwise: dict[ClientOrderId, list[Fill]] = {}
    for fill in {each.id: each for each in fills}.values():
        record = books.owner_of(fill.order_id)
        if record is not None and record.booked_from_report:
            otherwise.setdefault(record.client_id, []).append(fill)
        elif record is not None and not record.booked_otherwise:
            yield record, fill
    for shown in otherwise.values():
        record = books.owner_of(shown[0].order_id)
        if record is not None and (extra := beyond(record, shown)) is not None:
            yield record, extra


def _missed(books: Books, fills: Sequence[Fill]) -> Iterator[Found]:
    for record, fill in _told_of_ours(books, fills):
        name, trade = record.client_id, books.trade(record.client_id.trade)
        if trade is None or fill.id in trade.seen or books.ledger.has_fill(name.trade, fill.id):
            continue
        yield Found(
            kind=Difference.FILL_MISSED,
            subject=f"fill {fill.id}",
            said=f"{fill.qty} {fill.symbol} @ {fill.price} of our order {name} is not in the books of {trade.id} ({trade.state})",
            action="booked through the order path",
            trade=name.trade,
            sure=not record.live,  # of a live order the order path asks anyway, and may be about to book it
            fill=fill,
        )


def _ours(books: Books, report: OrderReport) -> bool:
    return report.client_id is not None and report.client_id.desk == books.desk


def _unknown(books: Books, orders: Sequence[OrderReport]) -> Iterator[Found]:
    for report in orders:
        name = report.client_id
        if name is None or not _ours(books, report):
            continue
        record = books.order(name)
        if record is not None and record.live and books.ledger.get(name) is not None:
            continue
        known = "our books do not know it" if record is None else f"our books hold it for {record.refused or record.status}"
        yield Found(
            kind=Difference.ORDER_UNKNOWN,
            subject=f"order {name}",
            said=f"{_said(report)}, {report.filled} filled, is open at the venue in our name, and {known}",
            action="cancelled: its name proves it ours, and nobody manages it; what it filled is booked if its trade is known",
            trade=name.trade,
            order=report,
        )


def _ended_unknown(books: Books, told: Told) -> Iterator[tuple[ClientOrderId, OrderReport]]:
    """Yield what filled in our name and has ended, and of which no book knows that it was ever at the venue."""
    for report in told.history:
        name = report.client_id
        if name is None or not _ours(books, report) or not report.status.final or report.filled == 0:
            continue
        record, trade = books.order(name), books.trade(name.trade)
        if record is not None and (record.live or record.order_id is not None):
            continue
        if trade is None or not _counted(trade, report, told.fills):
            yield name, report


def _booked(trade: TradeLifecycle, report: OrderReport, fills: Sequence[Fill]) -> Collection[Fill]:
    """Return the fills of an order that its trade has booked, each once."""
    return {fill.id: fill for fill in fills if fill.order_id == report.order_id and fill.id in trade.seen}.values()


def _counted(trade: TradeLifecycle, report: OrderReport, fills: Sequence[Fill]) -> bool:
    """Tell whether a trade has booked an order whose record was dropped since: all its fills, or its report in their place."""
    of_report = f"{FROM_REPORT}{report.order_id}-"
    if any(seen.startswith(of_report) for seen in trade.seen):
        return True
    return sum((fill.qty for fill in _booked(trade, report, fills)), ZERO) >= report.filled


def _forgotten(books: Books, told: Told) -> Iterator[Found]:
    """Name what filled in our name for a trade that we know, though our journal does not know the order any more."""
    for name, report in _ended_unknown(books, told):
        if books.order(name) is not None or recovered(books, report) is not None:
            yield Found(
                kind=Difference.ORDER_UNKNOWN,
                subject=f"order {name}",
                said=f"{_said(report)} filled {report.filled} in our name, and our books do not know that it was ever at the venue",
                action="taken into the books again; its fills go to its trade through the order path",
                trade=name.trade,
                sure=True,
                order=report,
            )


def _strays(books: Books, told: Told) -> Iterator[Found]:
    """Name the coins that were traded in our name for trades that no book knows; what such a trade gave back again is not counted."""
    coins: dict[tuple[int, str], Decimal] = {}
    names: dict[tuple[int, str], list[str]] = {}
    for name, report in _ended_unknown(books, told):
        if books.order(name) is None and recovered(books, report) is None:
            key = name.trade, report.symbol
            coins[key] = coins.get(key, ZERO) + report.side.sign * report.filled
            names.setdefault(key, []).append(str(name))
    for (trade, symbol), qty in coins.items():
        if qty != 0:
            yield Found(
                kind=Difference.ORDER_UNKNOWN,
                subject=f"{STRAY} {trade} in {symbol}",
                said=f"{qty} {symbol} were traded by {', '.join(names[trade, symbol])}: ours by name, of no trade we know",
                action="nothing is traded for them, and no trade begins, until a person says --acknowledge",
                trade=trade,
                sure=True,
            )


def _lost(books: Books, orders: Sequence[OrderReport]) -> Iterator[Found]:
    listed = {report.client_id for report in orders}
    for record in books.ledger.live(block=False):
        name = record.client_id
        absent = record.order_id is not None and not record.status.final and name not in listed
        if record.lost or absent:
            where = "nobody has told whether it arrived" if record.lost else f"the venue took it as {record.order_id} and lists it no more"
            yield Found(
                kind=Difference.ORDER_LOST,
                subject=f"order {name}",
                said=f"{record.new.side.name.lower()} {record.new.qty} {record.new.instrument.symbol} @ {record.new.price}: {where}",
                action="the venue is asked until its end is known; it counts as working meanwhile",
                trade=name.trade,
            )


def _of_others(books: Books, orders: Sequence[OrderReport]) -> Iterator[Found]:
    """Name the orders of others by symbol: whoever requotes all day makes one difference, not one for each order."""
    by_symbol: dict[str, list[OrderReport]] = {}
    for report in orders:
        if not _ours(books, report):
            by_symbol.setdefault(report.symbol, []).append(report)
    for symbol, reports in by_symbol.items():
        shown = ", ".join(_said(report) for report in reports[:3]) + (f" and {len(reports) - 3} more" if len(reports) > 3 else "")
        said = f"{len(reports)} open order{' is' if len(reports) == 1 else 's are'} not ours: {shown}"
        yield Found(kind=Difference.ORDER_OF_OTHERS, subject=symbol, said=said, action="seen, never touched")


def _holdings(books: Books, account: AccountSnapshot) -> dict[str, Holding]:
    ours: dict[str, Decimal] = {}
    for trade in books.trades:
        for leg in trade.legs:
            if leg.held != 0:
                ours[leg.option.symbol] = ours.get(leg.option.symbol, ZERO) + leg.held
    shown = {position.symbol: position for position in account.positions}
    return {
        symbol: Holding(
            symbol=symbol,
            shown=shown[symbol].signed_qty if symbol in shown else ZERO,
            ours=ours.get(symbol, ZERO),
            avg_price=shown[symbol].avg_price if symbol in shown else None,
        )
        for symbol in {**ours, **shown}
    }


def _unsure(books: Books, account: AccountSnapshot) -> set[str]:
    """Return the symbols in which the venue's positions and our books may differ for a moment without meaning anything."""
    unsure = {record.new.instrument.symbol for record in books.ledger.live()}
    for trade in books.trades:
        young = not recent(trade, account)
        unsure.update(leg.option.symbol for leg in trade.legs if young or leg.option.expiry <= account.now)
    return unsure


def _positions(holding: Holding, strays: Collection[Found]) -> Iterator[Found]:
    shown = f"the venue shows {holding.shown}, our trades hold {holding.ours}"
    if holding.short > 0:
        yield Found(
            kind=Difference.POSITION_SHORT,
            subject=holding.symbol,
            said=f"{shown}: {holding.short} of ours are gone",
            action="its trades are set aside for a person once it has lasted; nothing is traded for it",
        )
    elif holding.others != 0:
        ours = "; ".join(each.said for each in strays if each.subject.endswith(f" in {holding.symbol}"))
        said = f"{shown}: {holding.others} are in no trade of ours; {ours}" if ours else f"{shown}: {holding.others} are not ours"
        yield Found(kind=Difference.POSITION_OF_OTHERS, subject=holding.symbol, said=said, action="seen, never touched; --adopt takes it")


def _expired(books: Books) -> Iterator[Found]:
    for trade in books.trades:
        for leg in trade.legs:
            if leg.outstanding > 0 and leg.option.expiry <= books.started:
                yield Found(
                    kind=Difference.EXPIRED_AWAY,
                    subject=f"{trade.id} {leg.option.symbol}",
                    said=f"{leg.outstanding} {leg.option.symbol} expired at {leg.option.expiry:%d %b %H:%M} UTC while nobody looked",
                    action="settled at what the venue's own settlement says",
                    trade=trade.number,
                    sure=True,
                )


def _said(report: OrderReport) -> str:
    return f"{report.side.name.lower()} {report.qty} {report.symbol} @ {report.price} (id {report.order_id})"
