"""Where an execution by request for quotes stands, read from its own journalled events."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from domain import OptionLeg, RFQRequest, RFQStatus, Side
from events import ExecutionEvent, LegBook, RFQEnded, RFQOpened, RFQSent
from execution import RunLog

Terms = tuple[tuple[str, Side, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Where an execution stands by its own events: how many requests it sent, and of the last one what is known."""

    requests: int = 0
    sent: RFQSent | None = None
    opened: RFQOpened | None = None
    ended: RFQEnded | None = None


def stories(events: Iterable[ExecutionEvent]) -> list[Story]:
    """Read where each request of one execution stands from the events of it, oldest first."""
    found: list[Story] = []
    for event in events:
        match event:
            case RFQSent():
                found.append(Story(len(found) + 1, event))
            case RFQOpened():
                found[-1:] = [replace(found[-1] if found else Story(), opened=event, ended=None)]
            case RFQEnded():
                found[-1:] = [replace(found[-1] if found else Story(), ended=event)]
    return found


def told(log: RunLog) -> Story:
    """Read where an execution stands from its log: its last request."""
    found = stories(log.written(ExecutionEvent))
    return found[-1] if found else Story()


def rebuilt(opened: RFQOpened, wanted: tuple[OptionLeg, ...]) -> RFQRequest:
    """Return a request as it was opened in an earlier life; legs that all sell stand turned there, as the venue wants them (API 8.1)."""
    turned = all(leg.side is Side.SELL for leg in wanted)
    legs = tuple(OptionLeg(instrument=leg.instrument, side=Side.BUY if turned else leg.side, qty=leg.qty) for leg in wanted)
    return RFQRequest(request_id=opened.request_id, status=RFQStatus.ACTIVE, legs=legs, created_at=opened.at, expires_at=opened.expires_at)


def terms(legs: Iterable[OptionLeg]) -> Terms:
    """Return what legs ask for, in an order that does not depend on theirs."""
    return tuple(sorted((leg.instrument.symbol, leg.side, leg.qty) for leg in legs))


def pictured(legs: Iterable[LegBook]) -> Terms:
    """Return what an execution began with to trade, as `terms` does."""
    return tuple(sorted((leg.symbol, leg.side, leg.wanted) for leg in legs))


def same_legs(stated: Terms, ours: Terms) -> bool:
    """Tell whether a request is for our legs, as they are or all turned round."""
    turned = tuple(sorted((symbol, side.opposite, qty) for symbol, side, qty in ours))
    return stated in (ours, turned)
