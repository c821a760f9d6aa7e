"""Watches every structure that stands half filled, and says when which of its declared remedies is due.

What it has seen and decided is journalled in the trade's runs, so a restart neither forgets for how long a structure has stood apart nor
takes a remedy twice. It acts by its answers; the execution desk carries them out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain import Purpose, Remedy, Severity
from events import ExecutionEvent, ExecutionStarted, LeggingBreached, LegsApart, LegsTogether
from execution import Scene
from execution_log import ExecutionLog
from legging import apart, loss_pct, too_much
from ports import Alerts


@dataclass(frozen=True, slots=True)
class Due:
    """A remedy that must be begun now, and why."""

    remedy: Remedy
    reason: str
    exhausted: bool = False


class NakedLegGuard:
    """The guard of one venue's structures."""

    def __init__(self, log: ExecutionLog, alerts: Alerts) -> None:
        self._log, self._alerts = log, alerts
        self._doubted: dict[int, datetime] = {}  # when an order of a trade was last lost: a remedy's time runs only while it can act

    def watch(self, scene: Scene, *, doubted: bool = False) -> Due | None:
        """Look once; return the remedy to begin, None while the structure may stand as it does or its present remedy has time.

        `doubted` says that the outcome of an order is not known: no remedy can act then, and none is judged by that time.
        """
        if doubted:
            self._doubted[scene.trade.number] = scene.now
        marks = self._log.marks(scene.trade.number, scene.purpose)
        since = self._since(scene)
        if not marks:
            return None
        if (due := _not_begun(marks)) is not None:
            return due
        if since is None:
            return None
        taken = _taken(marks)
        if taken:
            begun = max(mark.at for mark in marks if isinstance(mark, LeggingBreached | ExecutionStarted))
            begun = max(begun, self._doubted.get(scene.trade.number, begun))
            over = scene.now >= begun + timedelta(seconds=scene.trade.params.legging.remedy_seconds)
            return self.breach(scene, f"{taken[-1].remedy} did not help") if over else None
        breach = too_much(scene.trade.params.legging, (scene.now - since).total_seconds(), loss_pct(scene.trade, scene.account))
        return self.breach(scene, breach.reason) if breach.ok else None

    def breach(self, scene: Scene, reason: str, *, exhausted: bool = False) -> Due | None:
        """Journal and return the next remedy of a structure that cannot stay as it is; None where all are taken (a close only)."""
        trade, run = scene.trade, self._log.last(scene.trade.number)
        self.note(scene)
        taken = len(_taken(self._log.marks(trade.number, scene.purpose)))
        remedies = (Remedy.CROSS,) if scene.purpose.reduces else trade.params.legging.remedies
        held = ", ".join(f"{leg.held} {leg.option.symbol}" for leg in trade.legs)
        told = f"{trade.id} stands half filled ({held}): {reason}"
        spent = taken >= len(remedies)
        if scene.purpose.reduces:  # hurried once; again only where something has made it patient since
            spent, taken = run is not None and run.started.urgent, 0
        if run is None or spent:
            self._alert(scene, "waits", told, "it is still being closed; close it by hand if it must not wait")
            return None
        remedy = remedies[taken]
        hint = "watch it: it is kept as it is" if remedy is Remedy.HOLD else "no action needed; see LeggingPolicy in the strategy"
        self._alert(scene, remedy, f"{told}; now: {remedy}", hint)
        run.write(LeggingBreached, remedy=remedy, reason=reason, exhausted=exhausted)
        return Due(remedy, reason, exhausted)

    def note(self, scene: Scene) -> None:
        """Journal that a structure has come apart, if that is new. It comes after a look's orders: the partner is not kept waiting."""
        run, last = self._log.last(scene.trade.number), self._last_mark(scene)
        if run is not None and apart(scene.trade) and not isinstance(last, LegsApart):
            run.write(LegsApart)

    def forget(self, trade: int) -> None:
        """Drop what is kept of a trade that has ended."""
        self._doubted.pop(trade, None)

    def overdue(self, scene: Scene) -> None:
        """Call a person if a structure stands half filled beyond its policy while nothing can be done but wait for the venue."""
        self.note(scene)
        since = self._since(scene)
        if since is None:
            return
        breach = too_much(scene.trade.params.legging, (scene.now - since).total_seconds(), loss_pct(scene.trade, scene.account))
        if breach.ok:
            said = f"{scene.trade.id} {breach.reason}, and its orders are not known to be gone"
            self._alert(scene, "unknown", said, "look at the venue's own page")

    def _since(self, scene: Scene) -> datetime | None:
        """Return since when the structure stands apart; None while it does not. That it came together is journalled at once."""
        last = self._last_mark(scene)
        known = last.at if isinstance(last, LegsApart) else None
        run = self._log.last(scene.trade.number)
        if run is None or apart(scene.trade) == (known is not None):
            return known
        if known is None:
            return scene.now
        run.write(LegsTogether)
        return None

    def _last_mark(self, scene: Scene) -> LegsApart | LegsTogether | None:
        return next((mark for mark in reversed(self._standing(scene)) if isinstance(mark, LegsApart | LegsTogether)), None)

    def _standing(self, scene: Scene) -> Sequence[ExecutionEvent]:
        """Return the marks that tell how a structure stands: a close of what never was declared open inherits the time of its opening."""
        number, own = scene.trade.number, self._log.marks(scene.trade.number, scene.purpose)
        inherits = scene.purpose is Purpose.CLOSE and scene.trade.opened_at is None
        return [*self._log.marks(number, Purpose.OPEN), *own] if inherits else own

    def _alert(self, scene: Scene, step: str, message: str, hint: str) -> None:
        """Call a person; each step is a cause of its own, so that the cool-down of one does not hide the next."""
        acted = step in (Remedy.CROSS, Remedy.RFQ, Remedy.UNWIND)
        self._alerts.alert(Severity.WARNING if acted else Severity.CRITICAL, f"half filled {scene.trade.id} {step}", message, hint)


def _taken(marks: Sequence[ExecutionEvent]) -> list[LeggingBreached]:
    """Return the remedies taken since the structure last stood together."""
    taken: list[LeggingBreached] = []
    for mark in marks:
        if isinstance(mark, LegsTogether):
            taken = []
        elif isinstance(mark, LeggingBreached):
            taken.append(mark)
    return taken


def _not_begun(marks: Sequence[ExecutionEvent]) -> Due | None:
    """Return the remedy that was decided and whose run has not begun, as after a crash in between or while orders are taken back."""
    last = next((mark for mark in reversed(marks) if isinstance(mark, LeggingBreached | ExecutionStarted)), None)
    return Due(last.remedy, last.reason, last.exhausted) if isinstance(last, LeggingBreached) else None
