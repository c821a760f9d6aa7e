"""Where an execution by request for quotes stands, read from its own journalled events."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain import OptionLeg, RFQRequest, RFQStatus, Side
from events import ExecutionEvent, LegBook, RFQEnded, RFQOpened, RFQSent
from execution import RunLog


@dataclass(frozen=True, slots=True)
class Story:
    """Where an execution stands by its own events: how many requests it sent, and of the last one what is known."""

    requests: int = 0
    sent: RFQSent | None = None
    opened: RFQOpened | None = None
    ended: RFQEnded | None = None


def told(log: RunLog) -> Story:
    """Read where an execution stands from its log."""
    story = Story()
    for event in log.written(ExecutionEvent):
        match event:
            case RFQSent():
                story = Story(story.requests + 1, event)
            case RFQOpened():
                story = Story(story.requests, story.sent, event)
            case RFQEnded():
                story = Story(story.requests, story.sent, story.opened, event)
    return story


def rebuilt(opened: RFQOpened, wanted: tuple[OptionLeg, ...]) -> RFQRequest:
    """Return a request as it was opened in an earlier life; legs that all sell stand turned there, as the venue wants them (API 8.1)."""
    turned = all(leg.side is Side.SELL for leg in wanted)
    legs = tuple(OptionLeg(instrument=leg.instrument, side=Side.BUY if turned else leg.side, qty=leg.qty) for leg in wanted)
    return RFQRequest(request_id=opened.request_id, status=RFQStatus.ACTIVE, legs=legs, created_at=opened.at, expires_at=opened.expires_at)


def same_legs(stated: Sequence[OptionLeg], ours: Sequence[LegBook]) -> bool:
    """Tell whether a request is for our legs, as they are or all turned round."""
    theirs = sorted((leg.instrument.symbol, leg.side, leg.qty) for leg in stated)
    as_is = sorted((leg.symbol, leg.side, leg.wanted) for leg in ours)
    turned = sorted((leg.symbol, leg.side.opposite, leg.wanted) for leg in ours)
    return theirs in (as_is, turned)
