"""What execution has cost, for a person or a program: the journal read once, measured, and added up a second time by another way.

The sums at the end come straight from the fills and settlements in the journal; the trades' own books must say the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import get_args

import msgspec

from domain import ZERO, Side
from events import (
    AnyEvent,
    AnyExecutionEvent,
    AnyTradeEvent,
    LegAdopted,
    LegFilled,
    LegSettled,
    OrderIntended,
    TradeCreated,
    TradeHandedOver,
)
from execution_quality import Estimate, ExecutionQuality, LegQuality, QualityBook, Totals, totals_by
from execution_quality.quality import HUNDRED, PURPOSES, number, seconds, total
from ports import JournalWriter
from trade_book import TradeBook
from trade_lifecycle import TradeLifecycle

# The kinds of events that a report needs.
KINDS: tuple[type[AnyEvent], ...] = (*get_args(AnyTradeEvent), OrderIntended, *get_args(AnyExecutionEvent))

GROUPS: Mapping[str, Callable[[ExecutionQuality], str]] = {
    "strategy": lambda quality: quality.strategy,
    "mode": lambda quality: str(quality.mode),
    "structure": lambda quality: quality.structure,
    "mode and structure": lambda quality: f"{quality.mode}, {quality.structure}",
    "strategy, mode and structure": lambda quality: f"{quality.strategy}, {quality.mode}, {quality.structure}",
}
_TOLD = (
    *("run", "purpose", "mode", "structure", "urgent", "remedy", "reason", "decided_at", "ended_at", "success", "outcome"),
    *("wanted", "filled", "filled_share", "arrival_mid", "executable", "arrival_filled", "executable_filled", "arrival_premium"),
    *("notional", "paid", "fees", "shortfall", "shortfall_with_fees", "shortfall_pct", "shortfall_bps", "half_spread", "saving"),
    *("spread_captured", "delay", "orders", "requotes", "blocks", "quotes", "best_quote", "remedies", "after", "missing", "legs"),
)


@dataclass(slots=True)
class Cash:
    """What moved by fills and settlements, straight from the journal, USD: amounts are positive but `settled`, which we receive.

    `by_hand` is what holdings counted that a person gave (paid) or took (received), at the prices told then.
    """

    fills: int = 0
    settlements: int = 0
    coins: Decimal = ZERO
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    settled: Decimal = ZERO
    by_hand: Decimal = ZERO
    fees: Decimal = ZERO
    seen: set[str] = field(default_factory=set)

    @property
    def gross(self) -> Decimal:
        """Return what was received less what was paid, before fees."""
        return self.sold - self.bought + self.settled + self.by_hand

    @property
    def net(self) -> Decimal:
        """Return gross less fees."""
        return self.gross - self.fees

    def fill(self, event: LegFilled) -> None:
        """Count a fill once."""
        fill = event.fill
        if fill.id in self.seen:
            return
        self.seen.add(fill.id)
        self.fills, self.coins, self.fees = self.fills + 1, self.coins + fill.qty, self.fees + fill.fee
        if fill.side is Side.BUY:
            self.bought += fill.qty * fill.price
        else:
            self.sold += fill.qty * fill.price

    def settle(self, event: LegSettled, created: TradeCreated) -> None:
        """Count a settlement: a bought leg receives its payoff, a sold one pays it."""
        leg = created.legs[event.leg]
        self.settlements += 1
        self.settled += leg.side.sign * event.qty * leg.option.payoff(event.price)
        self.fees += event.fee


class _NoJournal:
    """Takes nothing: a report only reads."""

    def append(self, *events: object) -> None:
        raise AssertionError(f"a report writes nothing, not {events}")


class Report:
    """Trades, their executions and their cash, from the journal's events."""

    def __init__(self, events: Iterable[AnyEvent]) -> None:
        reader: JournalWriter = _NoJournal()
        self._book, self._qualities = TradeBook(reader, 1), QualityBook()
        self._created: dict[int, TradeCreated] = {}
        self._cash: dict[int, Cash] = {}
        for event in events:
            self._take(event)
        self._executions = {number: self._qualities.of(number) for number in self._created}

    def _take(self, event: AnyEvent) -> None:
        self._book.restore((event,))
        self._qualities.take(event)
        match event:
            case TradeCreated(trade=number):
                self._created[number], self._cash[number] = event, Cash()
            case LegFilled(trade=number) if number in self._cash:
                self._cash[number].fill(event)
            case LegSettled(trade=number) if number in self._cash:
                self._cash[number].settle(event, self._created[number])
            case LegAdopted(trade=number, leg=leg) if number in self._cash:
                self._cash[number].by_hand -= self._created[number].legs[leg].side.sign * event.qty * event.price
            case TradeHandedOver(trade=number) if (trade := self._book.get(number)) is not None:
                self._cash[number].by_hand += sum((leg.side.sign * leg.handed_value for leg in trade.legs), ZERO)

    def trades(self, *, simulated: bool) -> tuple[TradeLifecycle, ...]:
        """Return the trades, oldest first: the real ones, or those of dry runs."""
        return tuple(trade for trade in self._book.trades if trade.simulated is simulated)

    def executions(self, trade: TradeLifecycle) -> tuple[ExecutionQuality, ...]:
        """Return a trade's executions, oldest first."""
        return self._executions[trade.number]

    def structure(self, trade: TradeLifecycle) -> str:
        """Return the name of a trade's structure."""
        return self._qualities.structure(trade.number) or ""

    def cash(self, trade: TradeLifecycle) -> Cash:
        """Return what a trade's fills and settlements in the journal moved."""
        return self._cash[trade.number]

    def unmeasured(self, trade: TradeLifecycle) -> Decimal:
        """Return how many coins of a trade filled outside of any execution that the journal tells of."""
        return self.cash(trade).coins - sum((run.filled for run in self.executions(trade)), ZERO)

    def totals(self, group: str, *, simulated: bool) -> dict[str, Totals]:
        """Return the totals of a group of GROUPS, by its names in order."""
        runs = [run for trade in self.trades(simulated=simulated) for run in self.executions(trade)]
        return dict(sorted(totals_by(runs, GROUPS[group]).items()))

    @property
    def adds_up(self) -> bool:
        """Tell whether the sums of all trades, dry runs too, agree with their fills."""
        return not self.differences((*self.trades(simulated=False), *self.trades(simulated=True)))

    def differences(self, trades: Iterable[TradeLifecycle]) -> list[str]:
        """Say where the trades' books, their executions and the journal's fills do not tell the same; nothing where all do."""
        return [text for trade in trades for text in self._differences(trade)]

    def _differences(self, trade: TradeLifecycle) -> Iterator[str]:
        cash, runs = self.cash(trade), self.executions(trade)
        rows = [("gross", cash.gross, "its books", trade.gross_profit), ("fees", cash.fees, "its books", trade.fees)]
        if runs and self.unmeasured(trade) == 0:
            rows.append(("premium paid", cash.bought - cash.sold, "its executions", sum((run.paid for run in runs), ZERO)))
        for what, told, who, other in rows:
            if told != other:
                yield f"{trade.id}: by the journal's fills and settlements its {what} is {told} USD, by {who} {other}"


# ---- for a person


def lines_of(report: Report, where: str) -> Iterator[str]:
    """Write a report as lines for a terminal."""
    yield f"report      {where}"
    yield "            USD; paid > 0, received < 0; shortfall, delay and adverse moves > 0 are against us (docs/execution-quality.md)"
    for simulated, title in ((False, ""), (True, " DRY RUN (simulated fills)")):
        trades = report.trades(simulated=simulated)
        if trades:
            yield ""
            yield f"trades{title}"
            for trade in trades:
                yield from _trade_lines(report, trade)
            for group in GROUPS:
                yield from _group_lines(f"by {group}{title}", report.totals(group, simulated=simulated))
            yield from _sum_lines(report, trades, title)
    if not any(report.trades(simulated=simulated) for simulated in (False, True)):
        yield "no trade in the journal yet"


def _trade_lines(report: Report, trade: TradeLifecycle) -> Iterator[str]:
    yield f"  {trade.id} {trade.state}: {report.structure(trade)}, declared {trade.mode}, decided {_time(trade.created_at)}"
    runs, cash = report.executions(trade), report.cash(trade)
    for run in runs:
        yield from _run_lines(run, at_work=trade.active and run is runs[-1])
    measured = [run for run in runs if run.filled != 0]
    if measured:
        costs = (total(cost) for cost in ((run.shortfall for run in measured), (run.delay for run in measured)))
        shortfall, delay = (number(cost) for cost in costs)
        yield f"    in all: shortfall {shortfall}, delay {delay}, fees of the fills {number(sum((run.fees for run in runs), ZERO))}"
    if not runs:
        yield "    not measured: the journal tells of no execution of it"
    elif (rest := report.unmeasured(trade)) != 0:
        yield f"    not measured: {rest} coins of it filled outside of any execution"
    moved = f"sold {_exact(cash.sold)} - bought {_exact(cash.bought)} + settled {_exact(cash.settled)}"
    if cash.by_hand != 0:
        moved += f" + by hand {_exact(cash.by_hand)}"
    so_far = " so far" if trade.active else ""
    yield f"    cash: {moved} = gross {_exact(cash.gross)}; - fees {_exact(cash.fees)} = net {_exact(cash.net)}{so_far}"


def _run_lines(run: ExecutionQuality, *, at_work: bool) -> Iterator[str]:
    ended = "ended short" if run.success is False else "done" if run.success else "at work" if at_work else "no end of it is journalled"
    hurry = ", urgent" if run.urgent else ""
    remedy = "" if run.remedy is None else f", remedy {run.remedy}"
    way = f"{PURPOSES[run.purpose]} by {run.mode}{hurry}{remedy}"
    yield f"    run {run.run} {way} at {_time(run.decided_at)}: {ended}{_because(run.outcome)}"
    yield f"      chosen: {run.reason}"
    quoted = f"; {run.quotes} quotes, best {number(run.best_quote)}, {run.blocks} accepted" if run.quotes or run.blocks else ""
    times = f"first fill after {seconds(run.to_first_fill)}, last {seconds(run.to_last_fill)}"
    orders = f"{run.orders} orders, {run.requotes} of them requotes"
    yield f"      filled {number(run.filled_share, 0, HUNDRED)} %, {times}; {orders}{quoted}"
    market = f"arrival mid {number(run.arrival_mid)}, executable {number(run.executable)}"
    yield f"      {market}; paid {_exact(run.paid)}, fees {_exact(run.fees)}"
    if run.filled != 0:
        yield f"      {_cost_text(run)}"
    for leg in run.legs:
        yield f"      {_leg_text(leg)}"
    for after in run.after:
        moves = f"adverse move {number(after.adverse)}, paid beyond mid then {number(after.shortfall)}"
        yield f"      {after.seconds:.0f} s after its end: {moves}"
    if run.remedies:
        yield f"      remedies taken: {', '.join(run.remedies)}"
    if run.missing:
        yield f"      not known: {', '.join(run.missing)}"


def _cost_text(run: ExecutionQuality) -> str:
    """Write what an execution that traded something cost."""
    parts = f"{number(run.shortfall_pct)} % of premium, {number(run.shortfall_bps)} bps of notional"
    spread = f"saved {number(run.saving)} of half a spread of {number(run.half_spread)}"
    captured = f"captured {number(run.spread_captured, 0, HUNDRED)} %; delay {number(run.delay)}"
    return f"shortfall {number(run.shortfall)} ({parts}); {spread}: {captured}"


def _leg_text(leg: LegQuality) -> str:
    """Write a leg with all that the numbers of its execution are made of."""
    book = leg.book
    filled = f"{leg.filled} of {book.wanted} at {number(leg.average_price, 4)}, worth {_exact(leg.value)}"
    prices = {"bid": book.bid, "ask": book.ask, "mid": book.mid, "executable": book.executable, "index": book.index}
    seen = ", ".join(f"{name} {'-' if price is None else _exact(price)}" for name, price in prices.items())
    return f"{book.side.name:4} {book.symbol} {filled}; at the decision {seen}"


_HEAD = (
    *("runs", "filled", "measured", "shortfall", "mean", "95 % of mean", "median", "bps mean", "95 % of mean"),
    *("captured", "fees", "to fill", "orders", "requotes", "adverse"),
)


def _group_lines(title: str, totals: Mapping[str, Totals]) -> Iterator[str]:
    if not totals:
        return
    yield ""
    rows = [(title, *_HEAD), *((f"  {name}", *_cells(each)) for name, each in totals.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *rest in rows:
        yield f"{first:<{widths[0]}}  " + "  ".join(f"{text:>{width}}" for text, width in zip(rest, widths[1:], strict=True))


def _cells(group: Totals) -> Sequence[str]:
    money, bps = group.shortfall, group.shortfall_bps
    return (
        *(str(group.executions), str(group.filled), str(0 if money is None else money.count)),
        *("-" if money is None else number(money.total), _mean(money), _interval(money)),
        *("-" if money is None else number(money.median), _mean(bps), _interval(bps)),
        *(f"{number(group.captured, 0, HUNDRED)} %", number(group.fees), f"{_mean(group.fill_seconds, 1)} s"),
        *(str(group.orders), str(group.requotes), _mean(group.adverse)),
    )


def _mean(values: Estimate | None, digits: int = 2) -> str:
    return "-" if values is None else number(values.mean, digits)


def _interval(values: Estimate | None) -> str:
    return "-" if values is None or values.low is None else f"{number(values.low)} to {number(values.high)}"


def _sum_lines(report: Report, trades: Sequence[TradeLifecycle], title: str) -> Iterator[str]:
    sums = _sums(report, trades)
    yield ""
    yield f"sums{title}: straight from the journal, by the trades' own books"
    yield f"  fills        {sums['fills']}: sold {_exact(sums['sold'])} - bought {_exact(sums['bought'])}"
    yield f"  settlements  {sums['settlements']}: {_exact(sums['settled'])}"
    for name in ("gross", "fees", "net"):
        yield f"  {name:12} {_exact(sums[name])}, by the books {_exact(sums[f'{name}_by_books'])}"
    differences = report.differences(trades)
    yield "  it adds up" if not differences else "  IT DOES NOT ADD UP: a person must look"
    for text in differences:
        yield f"    {text}"


def _sums(report: Report, trades: Sequence[TradeLifecycle]) -> dict[str, Decimal]:
    """Return the journal's sums, and the trades' own beside them."""
    moved = [report.cash(trade) for trade in trades]
    columns = ("fills", "settlements", "bought", "sold", "settled", "gross", "fees", "net")
    sums = {name: sum((getattr(cash, name) for cash in moved), ZERO) for name in columns}
    books = {"gross": "gross_profit", "fees": "fees", "net": "net_profit"}
    return sums | {f"{name}_by_books": sum((getattr(trade, own) for trade in trades), ZERO) for name, own in books.items()}


def _because(reason: str) -> str:
    return f" because {reason}" if reason else ""


def _exact(amount: Decimal) -> str:
    """Write an amount with every digit that it has, two at least: what is to be added up by hand is not rounded."""
    text = f"{amount.normalize():,f}"
    return text + ".00" if "." not in text else text + "0" * max(2 - len(text.partition(".")[2]), 0)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


# ---- for a program


def json_of(report: Report, where: str) -> str:
    """Write a report as JSON: numbers exact, as text; durations in seconds; what is not known is null."""
    parts = {"real": report.trades(simulated=False), "dry_run": report.trades(simulated=True)}
    found: dict[str, object] = {"state": where}
    for name, trades in parts.items():
        differences = report.differences(trades)
        found[name] = {
            "trades": [_trade(report, trade) for trade in trades],
            "totals": {group: report.totals(group, simulated=name == "dry_run") for group in GROUPS},
            "sums": _sums(report, trades),
            "adds_up": not differences,
            "differences": differences,
        }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def _trade(report: Report, trade: TradeLifecycle) -> dict[str, object]:
    cash, runs = report.cash(trade), report.executions(trade)
    return {
        "id": trade.id,
        "trade": trade.number,
        "strategy": trade.strategy,
        "state": trade.state,
        "structure": report.structure(trade),
        "declared_mode": trade.mode,
        "decided_at": trade.created_at,
        "measured": bool(runs),
        "unmeasured_coins": report.unmeasured(trade),
        **{name: getattr(cash, name) for name in ("fills", "settlements", "bought", "sold", "settled", "gross", "fees", "net")},
        "executions": [_execution(run) for run in runs],
    }


def _execution(run: ExecutionQuality) -> dict[str, object]:
    return {
        **{name: getattr(run, name) for name in _TOLD},
        "purpose": PURPOSES[run.purpose],
        "seconds_to_first_fill": _in_seconds(run.to_first_fill),
        "seconds_to_last_fill": _in_seconds(run.to_last_fill),
    }


def _in_seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
