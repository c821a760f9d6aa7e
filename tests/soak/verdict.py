"""Whether a long run was good: its books against the exchange's, its log against what is explained, its growth against the limits below."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from events import AnyEvent, CloseCompleted, CloseRequested, LegFilled, LegSettled, OpenCompleted, OpenGivenUp, TradeCreated
from paper.rows import MatchRow
from status import status_of
from trade_lifecycle import TradeLifecycle, TradeState

from tests.rehearsal.by_hand import Fills, told
from tests.rehearsal.stage import NAME, Ledger, ended, intended
from tests.soak.course import Record
from tests.soak.log_lines import Judged, Line, Trouble
from tests.soak.person import Person
from tests.soak.readings import Course, Health, Reading, course_of, cpu_per_tick, longest_life, settled

# What counts as begun: caches filled, modules loaded, the heap at its usual size. Market hours, and no more than a quarter of a life.
WARM_UP = timedelta(hours=6)
# After that the daemon may hold this much more at the end than at the beginning. The heap's own noise is 3 MB (a chain of 300 options is
# decoded anew for each entry); beyond it every trade that has ended is kept for --status, caps and cool-downs.
MEMORY_RATIO, MEMORY_NOISE = 1.15, 3.0  # and MB
MEMORY_A_DAY = 6.0  # MB per simulated day of this very busy account: about 70 trades
CPU_RATIO = 1.5  # CPU time of a tick, last quarter of a life against the first
THREADS_MORE, HANDLES_MORE = 2, 4
STUCK = timedelta(hours=1)  # of the market, in a state that is meant to pass
BUSY = 0.8  # trades closed in a simulated hour, at least: else the run proves nothing
# asyncio's words for bytes written after the other side is gone: frames of the moment in which the program was killed.
LOST_PEER, PER_KILL = "socket.send() raised exception.", 60


@dataclass(frozen=True, slots=True)
class Growth:
    """How the longest life of a run grew; None where it was too short to say."""

    hours: float
    memory: Course | None
    threads: Course | None
    handles: Course | None
    cpu_per_tick: Course | None
    cpu_per_hour: Course | None
    exchange_memory: Course | None
    exchange_cpu_per_hour: Course | None


def growth_of(readings: Sequence[Reading], health: Sequence[Health]) -> Growth:
    """Measure the longest life of a run, without its warm-up."""
    life = longest_life(readings)
    length = life[-1].at - life[0].at if life else timedelta(0)
    calm = settled(life, min(WARM_UP, length / 4))
    exchange = [(one.at, one.exchange.memory) for one in calm if one.exchange is not None]
    return Growth(
        length / timedelta(hours=1),
        course_of([(one.at, one.daemon.memory) for one in calm]),
        course_of([(one.at, float(one.daemon.threads)) for one in calm]),
        course_of([(one.at, float(one.daemon.handles)) for one in calm]),
        course_of(cpu_per_tick(calm, health)),
        course_of(list(_per_hour([(one.at, one.daemon.cpu) for one in calm]))),
        course_of(exchange),
        course_of(list(_per_hour([(one.at, one.exchange.cpu) for one in calm if one.exchange is not None]))),
    )


def _per_hour(used: Sequence[tuple[datetime, float]]) -> Iterator[tuple[datetime, float]]:
    """Yield the CPU seconds used per simulated hour, for each hour (each sixth of a short life); a new process counts from nothing."""
    if not used:
        return
    each = min(timedelta(hours=1), (used[-1][0] - used[0][0]) / 6)
    begun, before = used[0]
    for at, cpu in used:
        if cpu < before:
            begun, before = at, cpu
        elif (span := at - begun) >= each > timedelta(0):
            yield at, (cpu - before) / (span / timedelta(hours=1))
            begun, before = at, cpu


def grown(growth: Growth) -> list[str]:
    """Return what has grown beyond its limit."""
    found = []
    memory, threads, handles, tick = growth.memory, growth.threads, growth.handles, growth.cpu_per_tick
    if memory is not None:
        if memory.last > memory.first * MEMORY_RATIO + MEMORY_NOISE:
            found.append(f"memory: {memory.first:.1f} MB after the warm-up, {memory.last:.1f} MB at the end")
        # The line through a short life is the heap's noise.
        if growth.hours >= 12 and memory.a_day > MEMORY_A_DAY:
            found.append(f"memory grows by {memory.a_day:.1f} MB per simulated day, {MEMORY_A_DAY:g} allowed")
    if threads is not None and threads.last > threads.first + THREADS_MORE:
        found.append(f"threads: {threads.first:g} at first, {threads.last:g} at the end")
    if handles is not None and handles.last > handles.first + HANDLES_MORE:
        found.append(f"open handles: {handles.first:g} at first, {handles.last:g} at the end")
    if tick is not None and tick.ratio > CPU_RATIO:
        found.append(f"a tick costs {tick.last:.2f} ms of CPU at the end, {tick.first:.2f} ms at first")
    return found


def books_wrong(ledger: Ledger, events: Sequence[AnyEvent], person: Person) -> list[str]:
    """Hold the journal against the exchange's ledger, the person's own trading apart."""
    theirs, ours = _paired(_traded(ledger, person), told(events))
    wrong = [f"fill {one} only at the exchange: {theirs[one]}" for one in theirs.keys() - ours.keys()]
    wrong += [f"fill {one} only in the journal: {ours[one]}" for one in ours.keys() - theirs.keys()]
    both = [one for one in theirs.keys() & ours.keys() if theirs[one] != ours[one]]
    wrong += [f"fill {one}: {theirs[one]} at the exchange, {ours[one]} in the journal" for one in both]
    sent = Counter(order.client_id for order in ledger.orders if order.client_id is not None)
    known, by_hand = intended(events), {one.client_id for one in person.resting}
    wrong += [f"order {known.get(number, number)} was sent {times} times" for number, times in sent.items() if times > 1]
    wrong += [f"order {number} was never meant to be sent" for number in sent.keys() - known.keys() - by_hand]
    wrong += [f"the end of order {name} is not known" for name in sorted(set(known.values()) - ended(events))]
    wrong += [f"order {order.client_id} still works" for order in ledger.working if order.order_id not in person.orders]
    return wrong + [f"the person's {text}" for text in person.left_alone(ledger)]


def _fee(match: MatchRow, person: Person) -> Decimal:
    return match.taker_fee if match.taker_order in person.orders else match.maker_fee


def _paired(theirs: Fills, ours: Fills) -> tuple[Fills, Fills]:
    """Return both without the fills that we booked from an order's own report because the list of trades did not show them.

    They have no trade id of the venue; each must equal one of its fills to the cent. That it was done is an alert, judged with the log.
    """
    left = dict(theirs)
    kept = {}
    for name, fill in ours.items():
        twin = next((one for one, told_there in left.items() if one not in ours and told_there == fill), None)
        if name.startswith("report-") and twin is not None:
            del left[twin]
        else:
            kept[name] = fill
    return left, kept


def _traded(ledger: Ledger, person: Person) -> Fills:
    """Return what the program traded by the exchange's account."""
    [user] = [account.user for account in ledger.cash if account.name == NAME]
    found = {}
    for match in ledger.fills:
        if {match.taker_order, match.maker_order} & person.orders:
            continue
        if match.taker_user == user:
            found[str(match.trade_id)] = (match.symbol, match.taker_side.sign * match.qty, match.price, match.taker_fee)
        elif match.maker_user == user:
            found[str(match.trade_id)] = (match.symbol, -match.taker_side.sign * match.qty, match.price, match.maker_fee)
    return found


def money_wrong(ledger: Ledger, trades: Sequence[TradeLifecycle], person: Person) -> list[str]:
    """Where nothing is open: the account has earned the nets of all trades and what the person spent, and holds what the person bought."""
    open_still = [trade.id for trade in trades if trade.active]
    if open_still:
        return [f"still open: {', '.join(open_still)}"]
    by_hand = [match for match in ledger.fills if {match.taker_order, match.maker_order} & person.orders]
    spent = sum((match.qty * match.price + _fee(match, person) for match in by_hand), Decimal(0))
    nets = sum((trade.net_profit for trade in trades), Decimal(0))
    held = Counter[str]()
    for match in by_hand:
        held[match.symbol] += int(match.qty * 100)
    wrong = [] if ledger.earned == nets - spent else [f"earned {ledger.earned}, yet the trades made {nets} and the person spent {spent}"]
    return wrong if ledger.holdings == dict(held) else [*wrong, f"held {ledger.holdings}, the person alone holds {dict(held)}"]


def trades_wrong(trades: Sequence[TradeLifecycle], events: Sequence[AnyEvent], hours: float) -> list[str]:
    """Return trades that ended oddly or took too long over what is meant to pass, and strategies that never traded."""
    ends = {TradeState.CLOSED, TradeState.FAILED}
    wrong = [f"{trade.id} ended as {trade.state}: {trade.reason}" for trade in trades if trade.state not in ends]
    wrong += [f"{name} stood {span} between {what}" for name, what, span in passages(events) if span > STUCK]
    closed = sum(trade.state is TradeState.CLOSED for trade in trades)
    return wrong if closed >= hours * BUSY else [*wrong, f"only {closed} trades closed in {hours:.1f} hours: the run proves little"]


def passages(events: Sequence[AnyEvent]) -> Iterator[tuple[str, str, timedelta]]:
    """Yield how long each trade took to open, and to close from the moment it was told to."""
    created: dict[int, datetime] = {}
    told_to: dict[int, datetime] = {}
    for event in events:
        match event:
            case TradeCreated(trade=number, at=at):
                created[number] = at
            case OpenCompleted(trade=number, at=at) | OpenGivenUp(trade=number, at=at) if number in created:
                yield f"trade {number}", "its decision and its opening", at - created.pop(number)
            case CloseRequested(trade=number, at=at):
                told_to.setdefault(number, at)
            case CloseCompleted(trade=number, at=at) if number in told_to:
                yield f"trade {number}", "the wish to close and the close", at - told_to[number]
            case _:
                continue


def by_strategy(events: Sequence[AnyEvent]) -> dict[str, Counter[str]]:
    """Return for each strategy how many trades ended how, how many were settled by the exchange, and why they were closed."""
    settled_ones = {event.trade for event in events if isinstance(event, LegSettled)}
    filled = {event.trade for event in events if isinstance(event, LegFilled)}
    found: dict[str, Counter[str]] = {}
    for trade in status_of(events).trades:
        counts = found.setdefault(trade.strategy, Counter())
        counts[str(trade.state) if trade.number in filled else "not opened"] += 1
        if trade.number in settled_ones:
            counts["settled"] += 1
        elif trade.state is TradeState.CLOSED:
            counts[f"by {trade.reason.partition('(')[0].partition(':')[0].strip()}"] += 1
    return found


def exchange_wrong(record: Record) -> list[str]:
    """Return what the exchange wrote beside that it listens; that it wrote to a connection of a program just killed is no surprise."""
    file = record.home / "logs" / "paper_exchange.log"
    lines = Counter(line[:200] for line in file.read_text(encoding="utf-8", errors="replace").splitlines()) if file.exists() else Counter()
    killed = sum(one.trouble in {Trouble.KILL, Trouble.KILL_BOTH} for one in record.troubles)
    told_lines = [(line, count) for line, count in lines.items() if not line.startswith("paper exchange listening")]
    return [f"the exchange's log, {count}x: {line}" for line, count in told_lines if not (line == LOST_PEER and count <= killed * PER_KILL)]


def log_wrong(judged: Judged) -> list[str]:
    """Return every line of WARNING or worse that nobody explains, each kind once with its number."""
    kinds: dict[str, list[Line]] = {}
    for line in judged.unexplained:
        kinds.setdefault(kind_of(line), []).append(line)
    found = []
    for lines in kinds.values():
        last = lines[-1]
        found.append(f"unexplained {len(lines)}x, last at {last.market or last.at}: {last.level} {last.text[:300]}")
    return [*found, *judged.too_many]


def kind_of(line: Line) -> str:
    """Return the first words of a line without what tells one order, trade, option or number from another."""
    return re.sub(r"\S*\d\S*", "#", f"{line.level} {line.text}")[:80]
