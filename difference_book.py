"""The differences that stand between our books and the venue: named once, when they have lasted, and ended once, when they are gone.

One rule: written in the journal before anybody acts on it, and told to a person by kind, not by piece.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from loguru import logger

from differences import Comparison, Found
from domain import Difference, Severity
from errors import JournalError
from events import AnyEvent, DifferenceEnded, DifferenceFound
from ports import Alerts, JournalWriter

D = Difference
_POSITIONS = (D.POSITION_SHORT, D.POSITION_OF_OTHERS)
_OF_OTHERS = (D.ORDER_OF_OTHERS, D.POSITION_OF_OTHERS)
_BY_OUR_BOOKS = (D.FILL_MISSED, D.EXPIRED_AWAY)  # our own books say when these are over, and no list of the venue
_SEVERITY = {
    D.FILL_MISSED: Severity.WARNING,
    D.ORDER_LOST: Severity.WARNING,
    D.ORDER_UNKNOWN: Severity.CRITICAL,
    D.POSITION_SHORT: Severity.WARNING,
    D.POSITION_OF_OTHERS: Severity.INFO,
    D.ORDER_OF_OTHERS: Severity.INFO,
    D.EXPIRED_AWAY: Severity.WARNING,
}
_HINT = {
    D.FILL_MISSED: "no action needed unless its trade is set aside",
    D.ORDER_LOST: "no action needed: no trade is opened until its end is known",
    D.ORDER_UNKNOWN: "was a journal restored, or its tail damaged? compare the account with --status; --adopt takes a holding over",
    D.POSITION_SHORT: "did somebody trade by hand? its trades wait for --manage, --close, --write-off or --release once it has lasted",
    D.POSITION_OF_OTHERS: "no action needed if it is meant; --adopt gives it to a strategy",
    D.ORDER_OF_OTHERS: "no action needed if they are meant",
    D.EXPIRED_AWAY: "no action needed; see the trade's result",
}
_SHOWN = 3


@dataclass(slots=True)
class _Sighting:
    """A difference as last seen, since when, in how many rounds; whether it is written; and since when it is not there any more."""

    found: Found
    since: datetime
    rounds: int = 0
    named: bool = False
    missing: int = 0
    missing_since: datetime | None = None

    def lasting(self, now: datetime, lag: timedelta) -> bool:
        return self.found.sure or (self.rounds >= 2 and now - self.since >= lag)

    def gone(self, now: datetime, lag: timedelta) -> bool:
        if self.found.kind in _BY_OUR_BOOKS:
            return True
        return self.missing >= 2 and self.missing_since is not None and now - self.missing_since >= lag


class DifferenceBook:
    """Which differences stand. One must be seen in two rounds, `lag` apart, before it is believed; and missed in two before it is over."""

    def __init__(self, journal: JournalWriter, alerts: Alerts, lag: timedelta) -> None:
        self._journal, self._alerts, self._lag = journal, alerts, lag
        self._seen: dict[tuple[Difference, str], _Sighting] = {}
        self._unsure: Collection[str] = ()

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Take up what stood when the journal ended; it is not named a second time."""
        for event in events:
            match event:
                case DifferenceFound(kind=kind, subject=subject, said=said, action=action, trade=trade, at=at):
                    found = Found(kind=kind, subject=subject, said=said, action=action, trade=trade)
                    before = self._seen.get(found.key)
                    self._seen[found.key] = _Sighting(found, at if before is None else before.since, named=True)
                case DifferenceEnded(kind=kind, subject=subject):
                    self._seen.pop((kind, subject), None)

    @property
    def standing(self) -> Sequence[Found]:
        """Return the differences that are believed, oldest first."""
        return tuple(sighting.found for sighting in self._seen.values() if sighting.named)

    @property
    def suspected(self) -> Sequence[Found]:
        """Return what of ours was seen and must be seen again, or missed again, before it is believed."""
        return tuple(found for found in self._turning if found.kind not in _OF_OTHERS)

    @property
    def pending(self) -> Sequence[Found]:
        """Return all that another look will decide, others' affairs too: not what cannot be seen while an order of ours is out in it."""
        return tuple(found for found in self._turning if not (found.kind in _POSITIONS and found.subject in self._unsure))

    @property
    def _turning(self) -> Iterable[Found]:
        return (sighting.found for sighting in self._seen.values() if sighting.named is (sighting.missing > 0))

    def take(self, comparison: Comparison, now: datetime) -> None:
        """Take what one round found: name what has lasted, end what is gone."""
        there, self._unsure = {found.key for found in comparison.found}, comparison.unsure
        for found in comparison.found:
            sighting = self._seen.setdefault(found.key, _Sighting(found, now))
            changed = sighting.named and found.kind in _POSITIONS and sighting.found.said != found.said  # orders change all day
            if changed and not self._written(_event(found, now)):
                continue  # it is compared again
            if changed:
                logger.info("difference changed kind={} in={} said={}", found.kind, found.subject, found.said)
            sighting.found, sighting.rounds = found, sighting.rounds + 1
            sighting.missing, sighting.missing_since = 0, None
        self._name([s for s in self._seen.values() if not s.named and s.found.key in there and s.lasting(now, self._lag)], now)
        for key, sighting in list(self._seen.items()):
            kind, subject = key
            if key not in there and not (kind in _POSITIONS and subject in comparison.unsure):
                self._missed(sighting, now)

    def _name(self, lasting: Sequence[_Sighting], now: datetime) -> None:
        if not lasting:
            return
        if not self._written(*(_event(sighting.found, now) for sighting in lasting)):
            return
        by_cause: dict[str, list[Found]] = {}  # by what is told together: a kind, but coins of a lost trade alone
        for sighting in lasting:
            sighting.named = True
            found = sighting.found
            logger.info("difference found kind={} in={} said={} action={}", found.kind, found.subject, found.said, found.action)
            by_cause.setdefault(f"{found.kind} {found.subject}" if found.stray else f"{found.kind}", []).append(found)
        for which, found_now in by_cause.items():
            kind = found_now[0].kind
            told = "; ".join(f"{found.subject}: {found.said}" for found in found_now[:_SHOWN])
            more = f"; and {len(found_now) - _SHOWN} more" if len(found_now) > _SHOWN else ""
            self._alerts.alert(_SEVERITY[kind], f"difference: {which}", f"{kind}: {told}{more} ({found_now[0].action})", _HINT[kind])

    def _missed(self, sighting: _Sighting, now: datetime) -> None:
        """Note that a difference is not there in a round; forget it once that has lasted too."""
        sighting.missing, sighting.missing_since = sighting.missing + 1, sighting.missing_since or now
        if not sighting.gone(now, self._lag):
            return
        found = sighting.found
        if sighting.named and not self._written(DifferenceEnded(at=now, kind=found.kind, subject=found.subject, said=_ended(found))):
            return
        del self._seen[found.key]
        if sighting.named:
            logger.info("difference ended kind={} in={}", found.kind, found.subject)

    def _written(self, *events: DifferenceFound | DifferenceEnded) -> bool:
        try:
            self._journal.append(*events)
        except JournalError as error:
            hint = "nothing is done about it until it writes"
            self._alerts.alert(Severity.CRITICAL, "journal", f"cannot write a difference: {error}", hint)
            return False
        return True


def _event(found: Found, now: datetime) -> DifferenceFound:
    return DifferenceFound(at=now, kind=found.kind, subject=found.subject, said=found.said, action=found.action, trade=found.trade)


def _ended(found: Found) -> str:
    return {
        D.FILL_MISSED: "it is booked",
        D.ORDER_LOST: "its end is known",
        D.ORDER_UNKNOWN: "a person has seen it" if found.stray else "our books know its end, or the venue lists it no more",
        D.POSITION_SHORT: "the venue shows what our trades hold",
        D.POSITION_OF_OTHERS: "nothing beyond our trades' holdings is there",
        D.ORDER_OF_OTHERS: "none is open there any more",
        D.EXPIRED_AWAY: "it is settled in its trade's books",
    }[found.kind]
