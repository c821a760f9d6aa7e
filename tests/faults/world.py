"""A world for one run: an exchange that survives, a person beside the daemon, and the daemon's lives one after the other."""

import atexit
import random
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from loguru import logger

from context import TradingContext
from domain import KillPolicy, Severity
from errors import JournalError, TraderError
from events import AlertRaised, Event
from journal import Journal
from journal.schema import StateLock
from paper.engine import Engine
from paper.exchange import AccountSpec, PaperExchange
from paper.makers import MakerModel
from paper.record import order_row
from paper.rows import OrderRow
from paper.rules import Rules
from paper.server import ServerPolicy
from paper.server_gate import GatePolicy
from strategy import StrategyConfig
from trade_lifecycle import TradeState

from tests.faults.clockwork import Agenda, Crash
from tests.faults.crash import STRIKE, JournalWatch, Reaper
from tests.faults.faults import Fault
from tests.faults.house import KEY, SECRET, House, Ways, held_by_books
from tests.faults.judge import Case, is_ours
from tests.faults.market import START, SmallMarket
from tests.faults.person import Person
from tests.faults.plans import Plan
from tests.faults.pushes import Crier, Mood
from tests.faults.wire import Wire

BEAT = timedelta(seconds=1)
DESK = 4711
CASH = Decimal(1_000_000)
Mend = Callable[[House], None]
Word = Callable[[TradingContext], object]
PATIENCE = timedelta(minutes=2)  # how long after all is well more trades are waited for than there have been


class World:
    """An exchange, its market and its people; `live` runs the daemon in it until the run is over."""

    def __init__(self, home: Path, plan: Plan, seed: int, reaper: Reaper, *, mend: Mend | None = None) -> None:
        """`mend` changes each new life before its first tick: what a test breaks on purpose."""
        self.plan, self.rng, self._home, self._mend = plan, random.Random(seed), home, mend
        self.agenda, self.feed = Agenda(START), SmallMarket(seed)
        self.exchange = self._an_exchange(seed)
        self.changes: dict[str, object] = {
            "kill_policy": list(KillPolicy)[seed % 3],
            "batch_orders": "on" if seed % 7 in (1, 3, 5) else "off",
        }
        self.user = self._account(granted=seed % 7 in (1, 3))  # now and then batches are wanted and not allowed
        self.wire = Wire(self.exchange, self.agenda, random.Random(seed + 1), ServerPolicy(gate=GatePolicy(rate_limits=True)))
        self.crier = Crier(self.exchange, self.user, self.agenda, random.Random(seed + 3))
        self.crier.mood = self.usual_mood = Mood.OFF if seed % 5 < 2 else Mood.WELL
        self.ways = Ways(self.agenda, self.wire, self.crier)
        self.person = Person(self.exchange, self.user, plan.structure, random.Random(seed + 2))
        self._swept_by_the_countdown()
        self.reaper = reaper
        self.watch = JournalWatch(reaper, self._written)
        self.house: House | None = None
        self.desk: int | None = None
        self.ahead = timedelta(0)
        self.lives, self.writes = 0, 0
        self.healed_at = START
        self._lasting, self._unsaid = list[Fault](), list[Word]()
        self.damage_next = self.locked_next = self.damaged = False
        self.on_write: Callable[[int], None] = lambda _count: None
        self.notes, self.calls = list[str](), list[str]()
        self._strategies = [plan.strategy, *plan.others]

    def _an_exchange(self, seed: int) -> PaperExchange:
        engine = Engine(self.feed, Rules(), START)
        engine.hire(MakerModel(seed=seed, fastest_answer=timedelta(seconds=1), slowest_answer=timedelta(seconds=3)))
        return PaperExchange(engine, self.feed, self.agenda)

    def _account(self, *, granted: bool) -> int:
        """Open the house's account; return its user. With the grant it may send batches."""
        self.exchange.open_accounts([AccountSpec(name="house", key=KEY, secret=SECRET, cash=CASH, market_maker=granted)])
        return self.exchange.credentials[0].user

    # ---- time

    def beat(self) -> None:
        """Let a second pass for everybody; a daemon that dies in it stays dead until it is started."""
        try:
            self.agenda.run_to(self.agenda.now() + BEAT)
        except Crash:
            self.bury()
        self._say()
        self.exchange.catch_up()
        self.exchange.settle()

    def pass_by(self, span: timedelta) -> None:
        """Let time pass without a daemon; a long span in one leap."""
        self.agenda.run_to(self.agenda.now() + min(span, timedelta(seconds=10)))
        self.exchange.catch_up()
        self.agenda.run_to(self.agenda.now() + max(span - timedelta(seconds=10), timedelta(0)))
        self.exchange.catch_up()
        self.exchange.settle()

    # ---- lives

    def start(self, strategies: Sequence[StrategyConfig] | None = None) -> None:
        """Begin a life over what the last one left on the disk."""
        home = self._home / f"life-{self.lives}"
        if not home.exists():
            _new_journal(home)
        if self.locked_next:
            self._try_locked(home)
        if self.damage_next:
            self._damage(home / "journal.db")
        self.reaper.rise()
        self.house = House(home, self.ways, self.watch, strategies or self._strategies, self.ahead, self.changes)
        self.house.context.alerts.subscribe(self._alerted)
        self.desk = self.house.context.opened.journal.desk
        if self._mend is not None:
            self._mend(self.house)

    def die(self) -> None:
        """Kill the daemon where it stands."""
        if self.house is not None:
            raise Crash("killed")

    def bury(self) -> None:
        """Keep of a dead daemon what its disk holds at this instant, and nothing else."""
        house, self.house = self.house, None
        if house is None:
            return
        self.lives += 1
        after = self._home / f"life-{self.lives}"
        after.mkdir()
        for file in house.home.iterdir():
            if file.is_file() and not file.name.endswith("-shm"):
                shutil.copy(file, after / file.name)
        house.let_go()
        shutil.rmtree(house.home)

    def listens(self) -> None:
        """Have streams, whatever the seed says."""
        if self.usual_mood is Mood.OFF:
            self.crier.mood = self.usual_mood = Mood.WELL

    def strike(self, fault: Fault) -> None:
        """Let a fault strike, and heal when its time is over; the daemon dies with it if that is where it is to die."""
        fault.strike(self)
        over = self.agenda.now() + timedelta(seconds=fault.lasts)
        self.healed_at = max(self.healed_at, over)
        if fault.lasts:
            self._lasting.append(fault)
            self.agenda.at(over, partial(self._over, fault))
        if self.house is not None:
            self.reaper.reach(STRIKE, "", "")

    def _over(self, fault: Fault) -> None:
        """Undo what a fault did, unless all was healed meanwhile."""
        if fault in self._lasting:
            self._lasting.remove(fault)
            fault.heal(self)

    def heal(self) -> None:
        """Let everything work again at once."""
        self._lasting.clear()
        self.healed_at = self.agenda.now()
        self.wire.clear()
        if self.crier.mood is not self.usual_mood:
            self.crier.turn(self.usual_mood)
        self.exchange.engine.faults.pop(self.user, None)
        self.feed.thaw(self.agenda.now())
        self.watch.refusals = 0
        self.skew(-self.ahead)

    def skew(self, further: timedelta) -> None:
        """Set the daemon's clock further ahead, or back."""
        self.ahead += further
        if self.house is not None:
            self.house.clock.ahead = self.ahead

    def set_machine(self, further: timedelta) -> None:
        """Set the machine's clock further ahead, or back; the daemon's own never goes back while it lives (clock.SystemClock)."""
        self.ahead += further
        if self.house is not None:
            self.house.clock.ahead = max(self.house.clock.ahead, self.ahead)

    # ---- what a person does

    def hears(self, word: Word) -> None:
        """Have a person say something to the daemon, which it takes before its next tick, or as soon as it lives and can write."""
        self._unsaid.append(word)

    def _say(self) -> None:
        while self._unsaid and self.house is not None:
            try:
                self._unsaid[0](self.house.context)
            except JournalError:
                return
            except Crash:
                self.bury()
                return
            except (TraderError, ValueError):
                logger.debug("the daemon says why it cannot, and the person leaves it at that")
            self._unsaid.pop(0)

    def _swept_by_the_countdown(self) -> None:
        """Let the person see it where the venue's countdown, once it is set, cancels all that the account has open."""
        countdowns = self.exchange.engine.countdowns
        cancel = countdowns._cancel

        def swept(user: int, index: str, at: datetime) -> None:
            cancel(user, index, at)
            self.person.swept()

        countdowns._cancel = swept

    # ---- looking

    def ours(self) -> list[OrderRow]:
        """Return our orders in the exchange's ledger, blocks included."""
        orders = self.exchange.engine.accounts[self.user].orders.values()
        rows = (order_row(order) for order in orders)
        return [row for row in rows if self.desk is not None and is_ours(row, self.user, self.desk)]

    def held(self) -> dict[str, Decimal]:
        """Return what our orders have come to by the ledger, signed coins by option; what was exercised is gone."""
        held: dict[str, Decimal] = {}
        exercised = {row.symbol for row in self.exchange.engine.exercises}
        for row in self.ours():
            if row.symbol not in exercised:
                held[row.symbol] = held.get(row.symbol, Decimal(0)) + row.side.sign * row.filled
        return {symbol: qty for symbol, qty in held.items() if qty != 0}

    def told_truly(self) -> bool:
        """Tell whether the daemon's books are those of the ledger: what is held, and which orders still work."""
        house = self.house
        if house is None:
            return False
        standing = {str(row.client_id) for row in self.ours() if not row.state.final and row.client_id is not None}
        live = len([record for record in house.context.executor.ledger.live() if not record.block])
        return held_by_books(house) == self.held() and live >= len(standing) and house.context.executor.unresolved == 0

    def quiet(self) -> bool:
        """Tell whether the daemon has traded and has nothing more to do, in a world in which everything works again."""
        if self.busy or self.house is None or self._waits_for_trades(self.house):
            return False
        board = self.exchange.engine.board
        asked = any(board.requests[number].user == self.user for number in board.active)
        return not asked and self.agenda.now() >= self.healed_at

    @property
    def busy(self) -> bool:
        """Tell whether a trade or an order is not at its end, or something is to be said."""
        house = self.house
        return house is None or bool(self._unsaid or house.context.lifecycle.active or house.context.executor.ledger.live())

    def _waits_for_trades(self, house: House) -> bool:
        """Tell whether a trade is to come still; of several the later ones may be kept from coming by what the person said."""
        trades = len(house.context.lifecycle.trades)
        if house.context.opened.journal.needs_attention is not None:
            return False
        return trades == 0 or (trades < self.plan.trades and self.agenda.now() < self.healed_at + PATIENCE)

    def release_what_waits(self) -> list[int]:
        """Do as a person who finds at the venue that a quarantined trade's holding is there; return which were let go on."""
        house = self.house
        if house is None:
            return []
        waiting = [trade.number for trade in house.context.lifecycle.active if trade.state is TradeState.QUARANTINED]
        for number in waiting:
            self.hears(partial(_manage, number))
        self._say()
        return waiting

    def case(self) -> Case:
        """Return what the judge is to look at."""
        return Case(
            ledger=self.exchange.engine.image(),
            user=self.user,
            desk=-1 if self.desk is None else self.desk,
            wish=self.plan.structure,
            left=dict(self.person.orders),
            feed=self.feed,
            at=self.agenda.now(),
            calls=tuple(self.calls) if self.damaged else (),
        )

    def close(self) -> None:
        """Let go of everything."""
        if self.house is not None:
            self.house.let_go()
            self.house = None
        self.wire.close()

    # ---- the disk

    def _written(self, events: Sequence[Event]) -> None:
        self.writes += 1
        self.on_write(self.writes)

    def _try_locked(self, home: Path) -> None:
        """See that a second daemon refuses to start while the first one holds the journal."""
        self.locked_next = False
        lock = StateLock(home / "journal.lock")
        try:
            House(home, self.ways, self.watch, self._strategies, self.ahead, self.changes).let_go()
        except JournalError:
            return
        finally:
            lock.release()
        self.notes.append("started over a journal that another process holds")

    def _alerted(self, alert: AlertRaised) -> None:
        if alert.severity is Severity.CRITICAL:
            self.calls.append(alert.message)

    def _damage(self, file: Path) -> None:
        """Flip one bit of the journal or of its log."""
        self.damage_next, self.damaged = False, True
        log = file.with_name("journal.db-wal")
        target = log if log.exists() and log.stat().st_size > 4096 and self.rng.random() < 0.5 else file
        content = bytearray(target.read_bytes())
        place = self.rng.randrange(len(content) // 2, len(content))
        content[place] ^= 1 << self.rng.randrange(8)
        target.write_bytes(content)


def _manage(number: int, context: TradingContext) -> None:
    context.lifecycle.manage(number, "a person has looked")


def _new_journal(home: Path) -> None:
    """Lay a new journal where a first life begins: making one takes longer than half a run, and draws its desk number by chance."""
    template = _TEMPLATES.get("journal")
    if template is None:
        template = _TEMPLATES["journal"] = Path(mkdtemp(prefix="faults-", dir=home.parent.parent))
        atexit.register(shutil.rmtree, template, ignore_errors=True)
        lock = StateLock(template / "journal.lock")
        lock.remember(DESK, 0)
        Journal(template / "journal.db", lock).close()
        lock.release()
    shutil.copytree(template, home)


_TEMPLATES: dict[str, Path] = {}
