"""A house with a kill switch on its real order path, over a venue that can fail; it dies and comes back at will."""

from collections.abc import Sequence

from domain import KillPolicy, KillStage, OptionType, TradingState
from errors import InvariantBroken
from events import KillSwitchMoved, OpenGivenUp, PartKept
from flatness import Flatness
from kill_switch import KillSwitch
from order_gate import Sight
from risk import RiskLimits
from trade_execution import TradeExecutor
from trade_lifecycle import TradeLifecycle, TradeState
from trading_state import KILL_SWITCH, TradingStates
from workers import InlinePool

from tests.fakes import FakeJournal, FakeVenue, House, an_option

CALL, PUT = an_option(70000), an_option(60000, OptionType.PUT)


class Managed:
    """The trades as the kill switch sees them."""

    def __init__(self, house: House) -> None:
        self.house = house

    @property
    def trades(self) -> Sequence[TradeLifecycle]:
        """Every trade known."""
        return self.house.manager.trades

    @property
    def active(self) -> Sequence[TradeLifecycle]:
        """Those that have not ended."""
        return self.house.manager.active

    def trade(self, number: int) -> TradeLifecycle | None:
        """One of them."""
        return self.house.manager.trade(number)

    def force_close(self, number: int, reason: str, *, urgent: bool = False) -> None:
        """Close a trade."""
        self.house.manager.force_close(number, reason, urgent=urgent)

    def stop_opening(self, number: int, reason: str) -> bool:
        """Take back an opening."""
        book, now = self.house.manager._book, self.house.clock.now()
        trade = book[number]
        if trade.state is TradeState.PENDING_OPEN:
            book.apply(OpenGivenUp(at=now, trade=number, reason=reason))
        elif trade.state is TradeState.OPENING:
            if not self.house.manager._venue_of(trade).executions.withdraw(trade, reason):
                return False
            kind = OpenGivenUp if all(leg.opened == 0 for leg in book[number].legs) else PartKept
            book.apply(kind(at=now, trade=number, reason=reason))
        return True


class Broken(Managed):
    """The same, of which one trade cannot be left."""

    def __init__(self, house: House, stuck: int) -> None:
        super().__init__(house)
        self.stuck = stuck

    def force_close(self, number: int, reason: str, *, urgent: bool = False) -> None:
        """Have a trade closed, unless it is that one."""
        if number == self.stuck:
            raise InvariantBroken(f"trade {number} contradicts itself")
        super().force_close(number, reason, urgent=urgent)


class Plant(House):
    """A house with a kill switch and an account state that its gate sees."""

    def __init__(self, policy: KillPolicy = KillPolicy.URGENT, venue: FakeVenue | None = None, journal: FakeJournal | None = None) -> None:
        super().__init__(venue=venue, journal=journal)
        self.states = TradingStates(self.journal, self.clock, self.alerts)
        pool = InlinePool(self.inbox)
        self.flatness = Flatness(self.venue, 7, reads=pool, urgent=pool, clock=self.clock)
        self.policy = policy
        self.kill = KillSwitch(
            trades=Managed(self),
            ledgers=(self.executor.ledger,),
            flatness=self.flatness,
            rule=self.states.rule(KILL_SWITCH),
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            policy=policy,
        )
        self.states.restore(self.journal.events)
        self.kill.restore(self.journal.events)
        self.said: list[str] = []

    def _executor(self, venue: FakeVenue) -> TradeExecutor:
        pool, sight = InlinePool(self.inbox), Sight(state=lambda: self.states.state)
        return TradeExecutor(
            gateway=venue,
            writes=pool,
            reads=pool,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            limits=RiskLimits(),
            sight=sight,
        )

    def reborn(self, policy: KillPolicy | None = None) -> "Plant":
        """Die by kill -9 and come back."""
        return Plant(policy or self.policy, self.venue, self.journal)

    def run(self, ticks: int = 1, *, fills: bool = True) -> None:
        """Tick as the daemon would: the switch looks first, then the trades; what rests is filled if it may."""
        for _ in range(ticks):
            self.kill.step(self.venue.snapshot())
            self.tick()
            if fills:
                self.fill_all()

    def is_flat(self) -> bool:
        """Whether the switch says flat."""
        return self.kill.flat

    def state(self) -> TradingState:
        """What the account may do."""
        return self.states.state

    @property
    def stages(self) -> list[KillStage]:
        """What the journal says of the switch."""
        return [event.stage for event in self.journal.of(KillSwitchMoved) if isinstance(event, KillSwitchMoved)]

    @property
    def left(self) -> str:
        """What the switch says is left."""
        return "; ".join(self.kill._left())


def a_plant(policy: KillPolicy = KillPolicy.URGENT) -> Plant:
    """A plant at whose venue both options are quoted."""
    house = Plant(policy)
    house.show(CALL, PUT)
    return house
