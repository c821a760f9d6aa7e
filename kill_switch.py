"""The kill switch: armed, confirmed, and from then on pulling everything down until it is flat or a person puts it back.

One rule: it never says flat because it asked for something, only because fills say so and the venue agrees: nothing held by our books, no
order of ours live in them or open at the venue, and an account younger than the last fill that shows nothing of ours.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from loguru import logger

from clock import Clock
from domain import AccountSnapshot, KillPolicy, KillStage, Severity
from errors import InvalidTransition, JournalError
from events import AnyEvent, KillSwitchMoved
from flatness import QUIET, Flatness
from order_ledger import OrderLedger, OrderRecord
from ports import Alerts, JournalWriter
from trade_lifecycle import TradeLifecycle, TradeState
from trading_state import Rule

ARMED_FOR = timedelta(seconds=60)
DOUBTED_FOR = timedelta(seconds=60)  # after which a person is told that the venue does not agree
TOLD_EVERY, WAITING_TOLD_EVERY = timedelta(seconds=10), timedelta(minutes=10)
_S = TradeState
_OPENING = frozenset({_S.PENDING_OPEN, _S.OPENING})
_LEAVING = frozenset({_S.PENDING_CLOSE, _S.CLOSING, _S.UNWINDING})
_DOES = {
    KillPolicy.URGENT: "what is held is left at once, across the spread",
    KillPolicy.PATIENT: "what is held is left as the strategies would leave it",
    KillPolicy.KEEP: "what is held is kept under its exits",
}


class Trades(Protocol):
    """What the kill switch asks of whoever manages the trades; `LifecycleManager` is one."""

    @property
    def trades(self) -> Sequence[TradeLifecycle]:
        """Return every trade known, ended ones too."""
        ...

    @property
    def active(self) -> Sequence[TradeLifecycle]:
        """Return the trades that have not ended."""
        ...

    def trade(self, number: int) -> TradeLifecycle | None:
        """Return a trade, ended ones included; None for an unknown number."""
        ...

    def force_close(self, number: int, reason: str, *, urgent: bool = False) -> None:
        """Close a trade because a person says so. Raises InvalidTransition for one that has ended, JournalError."""
        ...

    def stop_opening(self, number: int, reason: str) -> bool:
        """Take back a trade's opening orders and keep what they filled; tell whether its opening is over. Raises JournalError."""
        ...


class KillSwitch:
    """The switch and what it does on each tick once it is thrown. All methods run on the tick thread."""

    def __init__(
        self,
        *,
        trades: Trades,
        ledgers: Sequence[OrderLedger],
        flatness: Flatness,
        rule: Rule,
        journal: JournalWriter,
        clock: Clock,
        alerts: Alerts,
        policy: KillPolicy,
        armed_for: timedelta = ARMED_FOR,
        doubted_for: timedelta = DOUBTED_FOR,
    ) -> None:
        self._trades, self._ledgers, self._flatness, self._rule = trades, tuple(ledgers), flatness, rule
        self._journal, self._clock, self._alerts = journal, clock, alerts
        self._declared = self._policy = policy
        self._armed_for, self._doubted_for = armed_for, doubted_for
        self._stage: KillStage | None = None
        self._since: datetime | None = None
        self._armed_at: datetime | None = None
        self._reason = ""
        self._unwritten: KillSwitchMoved | None = None
        self._asked: set[int] = set()
        self._said: tuple[tuple[str, ...], datetime] | None = None
        self._watched: set[int] | None = None  # the trades that had not ended at the last look; None before the first
        self._doubts: tuple[str, ...] = ()
        self._doubted_since: datetime | None = None
        self._doubt_told = False

    @property
    def thrown(self) -> bool:
        """Tell whether the switch is thrown; being flat does not put it back."""
        return self._stage in (KillStage.THROWN, KillStage.FLAT)

    @property
    def flat(self) -> bool:
        """Tell whether the switch is thrown and everything was found flat."""
        return self._stage is KillStage.FLAT

    # ---- what a person does

    def arm(self, by: str) -> str:
        """Make ready for sixty seconds of market time and return what a confirmation would do; a second time does not extend it.

        Raises ValueError where it is thrown already, JournalError.
        """
        if self.thrown:
            raise ValueError(f"the kill switch is thrown already ({self._reason}); it is put back by --withdraw-kill")
        now = self._clock.now()
        if not self._armed(now):
            said = f"armed by {by}"
            self._journal.append(KillSwitchMoved(at=now, stage=KillStage.ARMED, said=said, by=by, policy=self._policy))
            self._armed_at = now
            logger.warning("kill switch armed by={} for={:.0f}s", by, self._armed_for.total_seconds())
        return "\n".join(self._plan(now))

    def confirm(self, by: str) -> str:
        """Throw the armed switch and return what is left. Raises ValueError where it is not armed, or no longer."""
        now = self._clock.now()
        if self.thrown:
            raise ValueError(f"the kill switch is thrown already ({self._reason})")
        if self._armed_at is None:
            raise ValueError("the kill switch is not armed: arm it first (--kill), read what it will do, then say --kill --yes")
        if not self._armed(now):
            ago = (now - self._armed_at).total_seconds()
            self._armed_at = None
            raise ValueError(
                f"the kill switch was armed {ago:.0f} s ago, which is more than {self._armed_for.total_seconds():.0f}: arm it again"
            )
        return self.throw(by, "confirmed")

    def throw(self, by: str, reason: str) -> str:
        """Stop everything at once, without arming, and say so and what is left; thrown a second time it goes on as it does."""
        if not self.thrown:
            now = self._clock.now()
            self._stage, self._since, self._armed_at, self._reason = KillStage.THROWN, now, None, f"{by}: {reason}"
            self._asked, self._said, self._doubts, self._doubt_told = set(), None, (), False
            self._flatness.ask_anew()
            self._move(self._thrown_now(now, reason, by))
            self._rule.hold(f"the kill switch was thrown by {by} ({reason})")
            hint = "it goes on until flat, through restarts; then look, and --withdraw-kill to trade again"
            self._alerts.alert(Severity.CRITICAL, "kill switch", f"thrown by {by} ({reason}): {_DOES[self._policy]}", hint)
            self._pull()
        left = self._left()
        return "\n".join(("thrown; left:", *left)) if left else "thrown; nothing is left"

    def withdraw(self, by: str) -> str:
        """Put the switch back, because a person says so; closes that were begun go on. Raises ValueError where it is not, JournalError."""
        now = self._clock.now()
        if not self.thrown and not self._armed(now):
            if self._rule.holding:  # withdrawn before, and that could be written only half
                self._rule.release(f"{by} withdrew the kill switch")
                return "withdrawn"
            raise ValueError("the kill switch is neither thrown nor armed")
        if self._unwritten is not None:
            raise JournalError("that the kill switch was thrown is not written yet, so it is not put back")
        left = "; ".join(self._left() or self._doubts) or "nothing is left"
        self._journal.append(KillSwitchMoved(at=now, stage=KillStage.WITHDRAWN, said=left, by=by, policy=self._policy))
        self._stage = self._since = self._armed_at = None
        self._policy = self._declared
        logger.warning("kill switch withdrawn by={} left={}", by, left)
        self._rule.release(f"{by} withdrew the kill switch")
        return f"withdrawn; {left}"

    # ---- restart, and the tick

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Go on as the journal left it; what was only armed must be armed again."""
        for event in events:
            if isinstance(event, KillSwitchMoved):
                self._restore(event)
        if self.thrown:
            logger.warning("kill switch is thrown still stage={} by {}", self._stage, self._reason)
            self._rule.hold(f"the kill switch was thrown by {self._reason}")
        elif self._rule.holding:  # the program ended between the two writes of a withdrawal
            with suppress(JournalError):  # it holds on, and a person can say --withdraw-kill again
                self._rule.release("the kill switch was withdrawn")

    def _restore(self, event: KillSwitchMoved) -> None:
        match event.stage:
            case KillStage.THROWN if not self.thrown:
                self._stage, self._since, self._reason = event.stage, event.at, f"{event.by}: {event.said}"
                self._policy = event.policy or self._declared
            case KillStage.THROWN | KillStage.FLAT if self.thrown:
                self._stage = event.stage
            case KillStage.WITHDRAWN:
                self._stage, self._since, self._policy = None, None, self._declared
        if event.stage in (KillStage.THROWN, KillStage.WITHDRAWN):  # a withdrawn one has none, and what was seen before it is long ago
            self._flatness.take_up(event.others, event.at)

    def step(self, account: AccountSnapshot) -> None:
        """Pull once more, see what is left, say it when it is due, and say flat once that is certain. Never blocks."""
        self._see(account)
        if not self.thrown:
            return
        self._write_late()
        self._pull()
        left, self._doubts = self._left(), ()
        if left and not self.flat:
            self._flatness.ask_anew()
        elif not self.flat:
            left = self._doubts = self._flatness.doubts(self._ours, account)
        self._tell_doubts(account.now)
        if left and self.flat:
            self._again(left, account.now)
        elif not left and not self.flat:
            self._found_flat(account.now)
        self._tell(left, account.now)

    # ---- pulling

    def _pull(self) -> None:
        """Have every trade left, or its opening taken back, by policy; what could not be written is asked again."""
        for trade in self._active:
            if trade.state is _S.QUARANTINED or (trade.state in _LEAVING and trade.number in self._asked):
                continue
            try:
                self._pull_one(trade)
            except InvalidTransition as error:
                logger.warning("kill switch passed over trade={} reason={}", trade.id, error)
            except JournalError as error:
                hint = "make the journal writable: it is tried again on every tick"
                self._alerts.alert(Severity.CRITICAL, "journal", f"the kill switch cannot close {trade.id}: {error}", hint)
            except Exception as error:  # noqa: BLE001 - one trade that cannot be left must not keep the others from being left
                said = f"the kill switch cannot close {trade.id}: {type(error).__name__}: {error}"
                self._alerts.alert(
                    Severity.CRITICAL, f"kill switch {trade.id}", said, "close it by hand at the venue; it is tried again on every tick"
                )

    def _pull_one(self, trade: TradeLifecycle) -> None:
        reason = f"kill switch thrown by {self._reason}"
        if self._policy is not KillPolicy.KEEP:
            self._trades.force_close(trade.number, reason, urgent=self._policy is KillPolicy.URGENT)
            self._asked.add(trade.number)
        elif trade.state in _OPENING:
            self._trades.stop_opening(trade.number, reason)

    # ---- seeing

    def _see(self, account: AccountSnapshot) -> None:
        """Have it kept in mind, thrown or not, what others hold: once our orders have been out that cannot be seen any more."""
        active, since = [trade for trade in self._trades.active if not trade.simulated], account.now - QUIET
        if self._watched is None:
            since = since if self._since is None else min(since, self._since)
            ended = [each for each in self._trades.trades if each.closed_at is not None and each.closed_at >= since]
        else:
            gone = map(self._trades.trade, sorted(self._watched - {trade.number for trade in active}))
            ended = [each for each in gone if each is not None]
        self._watched = {trade.number for trade in active}
        busy = {order.new.instrument.symbol for order in self._working if not self._is_simulated(order)}
        self._flatness.note((*active, *(each for each in ended if not each.simulated)), busy, account, self._since if self.thrown else None)

    def _is_simulated(self, order: OrderRecord) -> bool:
        trade = self._trades.trade(order.client_id.trade)
        return trade is not None and trade.simulated

    @property
    def _active(self) -> tuple[TradeLifecycle, ...]:
        return tuple(self._trades.active)

    @property
    def _working(self) -> tuple[OrderRecord, ...]:
        """Return every order of ours, at the venue or at its simulation, that may still change anything."""
        return tuple(record for ledger in self._ledgers for record in ledger.live())

    @property
    def _ours(self) -> tuple[TradeLifecycle, ...]:
        """Return the real trades that stood when the switch was thrown, ended meanwhile or not."""
        return tuple(
            trade
            for trade in self._trades.trades
            if not trade.simulated and (trade.closed_at is None or self._since is None or trade.closed_at >= self._since)
        )

    def _left(self) -> tuple[str, ...]:
        """Say, line by line, what our own books still show."""
        return tuple(_lines_of(self._active, self._working))

    # ---- saying

    def _found_flat(self, now: datetime) -> None:
        said = "no trade holds anything, no order is out, and the venue agrees"
        try:
            self._journal.append(KillSwitchMoved(at=now, stage=KillStage.FLAT, said=said, by=self._reason, policy=self._policy))
        except JournalError as error:
            logger.warning("kill switch: flat, but that cannot be written reason={}", error)
            return
        self._stage = KillStage.FLAT
        self._alerts.alert(Severity.WARNING, "kill switch flat", f"flat: {said}", "look, then --withdraw-kill to trade again")

    def _again(self, left: Sequence[str], now: datetime) -> None:
        """Take the word flat back: something turned up late."""
        self._stage = KillStage.THROWN
        self._flatness.ask_anew()
        said = f"no longer flat: {'; '.join(left)}"
        self._move(self._thrown_now(now, said, self._reason))
        self._alerts.alert(Severity.CRITICAL, "kill switch not flat", said, "compare with the venue; it goes on until flat again")

    def _tell_doubts(self, now: datetime) -> None:
        """Call a person, once, where nothing of ours is left by our books and the venue has not agreed for long."""
        if not self._doubts:
            self._doubted_since = None
            return
        self._doubted_since = self._doubted_since or now
        if not self._doubt_told and now - self._doubted_since >= self._doubted_for:
            self._doubt_told = True
            said = f"our books show nothing left, and the venue does not agree: {'; '.join(self._doubts)}"
            hint = "compare with the venue: what others traded meanwhile cannot be told from ours; close what is ours, then --withdraw-kill"
            self._alerts.alert(Severity.WARNING, "kill switch not flat", said, hint)

    def _tell(self, left: tuple[str, ...], now: datetime) -> None:
        """Log what is left when it changes and every ten seconds; more seldom where only a person or an exit can move it."""
        active = self._active
        waiting = bool(active) and not self._working and all(trade.state in (_S.OPEN, _S.QUARANTINED) for trade in active)
        every = WAITING_TOLD_EVERY if waiting else TOLD_EVERY
        if self._said is not None and self._said[0] == left and (not left or now < self._said[1] + every):
            return
        self._said = left, now
        logger.warning("kill switch left={}", "; ".join(left) or "nothing: flat")

    def _plan(self, now: datetime) -> Iterator[str]:
        until = (self._armed_at or now) + self._armed_for
        yield f"armed until {until:%H:%M:%S} UTC, {(until - now).total_seconds():.0f} s from now; confirmed, this happens:"
        yield "  no strategy enters any more, and what is still working to open is cancelled"
        yield f"  {_DOES[self._policy]} (TRADER_KILL_POLICY={self._policy})"
        yield "  trades in quarantine are reported and not touched"
        lines = self._left()
        yield "  now:" if lines else "  now: nothing is held and no order is out"
        for line in lines:
            yield f"    {line}"

    # ---- the record

    def _armed(self, now: datetime) -> bool:
        return self._armed_at is not None and now <= self._armed_at + self._armed_for

    def _thrown_now(self, at: datetime, said: str, by: str) -> KillSwitchMoved:
        return KillSwitchMoved(at=at, stage=KillStage.THROWN, said=said, by=by, policy=self._policy, others=self._flatness.others)

    def _move(self, event: KillSwitchMoved) -> None:
        """Journal a move that is made whether it can be written or not: a full disk must not keep anyone from stopping."""
        self._unwritten = event
        self._write_late()

    def _write_late(self) -> None:
        if self._unwritten is None:
            return
        try:
            self._journal.append(self._unwritten)
        except JournalError as error:
            hint = "it is thrown all the same, but a restart before it is written would forget it: make the journal writable"
            self._alerts.alert(Severity.CRITICAL, "journal", f"cannot write that the kill switch is thrown: {error}", hint)
        else:
            self._unwritten = None


def _lines_of(trades: Sequence[TradeLifecycle], working: Sequence[OrderRecord]) -> Iterator[str]:
    for trade in trades:
        held = ", ".join(f"{leg.held:+f} {leg.option.symbol}" for leg in trade.legs if leg.held != 0) or "nothing held"
        waits = f" and waits for a person: {trade.reason}" if trade.state is _S.QUARANTINED else ""
        yield f"{trade.id} {'(dry run) ' if trade.simulated else ''}is {trade.state.replace('_', ' ')}, {held}{waits}"
    for order in working:
        new = order.new
        what = f"order {new.client_id} {new.side.name.lower()} {order.working or new.qty:f} {new.instrument.symbol} @ {new.price:f}"
        if order.working == 0:  # every coin of it is told of; that nothing more comes is not
            yield f"{what}: its end is awaited"
        else:
            yield f"{what} is out{', its outcome unknown' if order.lost else ''}"
