"""Fakes that work, with switches for each way a venue, a journal or a person can fail; and builders of plain values."""

from tests.fakes.house import House, books_hold
from tests.fakes.records import Alert, FakeAlerts, FakeJournal
from tests.fakes.values import (
    EXPIRY,
    SECOND,
    START,
    a_created,
    a_fill,
    a_name,
    a_plan,
    a_position,
    a_quote,
    a_trade,
    an_account,
    an_option,
    an_order,
    filled,
)
from tests.fakes.venue import FakeVenue, VenueOrder, venue_holds

__all__ = [
    "EXPIRY",
    "SECOND",
    "START",
    "Alert",
    "FakeAlerts",
    "FakeJournal",
    "FakeVenue",
    "House",
    "VenueOrder",
    "a_created",
    "a_fill",
    "a_name",
    "a_plan",
    "a_position",
    "a_quote",
    "a_trade",
    "an_account",
    "an_option",
    "an_order",
    "books_hold",
    "filled",
    "venue_holds",
]
