"""What every event is: something that happened at a moment of market time."""

from datetime import datetime

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened at a moment."""

    at: datetime
