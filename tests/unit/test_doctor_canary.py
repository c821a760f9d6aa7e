"""The doctor at the venue: the canary order that never stays, and what the venue says of the key and the streams."""

from dataclasses import replace
from decimal import Decimal

import pytest

from clock import SimulatedClock
from config import Settings
from doctor import Finding, Level, Venue
from doctor import venue as at_venue
from doctor.canary import Canary, Patience
from domain import Option, OrderReport, OrderStatus, Quote, Side
from errors import (
    AuthenticationRejected,
    ExchangeRejected,
    ExchangeUnavailable,
    OrderAlreadyFinal,
    OutcomeUnknown,
    PriceRejected,
    TimestampRejected,
    VenueError,
)
from exchanges.coincall.canary import a_name
from exchanges.coincall.stream_probe import Heard
from exchanges.coincall.wire import decode_client_id

from tests.unit.doctor_builders import NOW, a_chain, a_quote, an_option, only

# ---- the canary


class FakeVenue:
    """A venue that has at most one order, with switches for what goes wrong."""

    def __init__(self) -> None:
        self.placed: list[tuple[int, Option, Decimal, Decimal]] = []
        self.order: OrderReport | None = None
        self.cancelled = 0
        self.errors: dict[str, list[VenueError]] = {"place": [], "find": [], "cancel": []}
        self.arrives = True
        self.fills_at_cancel = Decimal(0)
        self.deaf_to_cancel = False

    def place(self, name: int, option: Option, qty: Decimal, price: Decimal) -> str:
        error = self.errors["place"].pop(0) if self.errors["place"] else None
        if error is not None and not isinstance(error, OutcomeUnknown):
            raise error
        self.placed.append((name, option, qty, price))
        if self.arrives:
            self.order = OrderReport(
                client_id=None,
                order_id="17",
                symbol=option.symbol,
                side=Side.BUY,
                qty=qty,
                filled=Decimal(0),
                status=OrderStatus.NEW,
                price=price,
            )
        if error is not None:
            raise error
        return "17"

    def find(self, name: int) -> OrderReport | None:
        if self.errors["find"]:
            raise self.errors["find"].pop(0)
        return self.order

    def cancel(self, name: int) -> None:
        self.cancelled += 1
        if self.order is not None and self.order.status.final:
            raise OrderAlreadyFinal("coincall", "cancel", "done")
        if self.order is not None and not self.deaf_to_cancel:
            status = OrderStatus.FILLED if self.fills_at_cancel else OrderStatus.CANCELED
            self.order = replace(self.order, status=status, filled=self.fills_at_cancel)
        if self.errors["cancel"]:
            raise self.errors["cancel"].pop(0)


@pytest.fixture
def venue() -> FakeVenue:
    return FakeVenue()


def flown(venue: FakeVenue, *quotes: Quote, patience: Patience | None = None) -> Finding:
    quick = Patience(settle=2.0, absent=0.0, step=0.0) if patience is None else patience
    return only(Canary(venue, lambda: 8, quick, lambda _: None).fly(a_chain(*quotes), NOW))


def unknown(call: str) -> OutcomeUnknown:
    return OutcomeUnknown("coincall", call, "read timed out")


def test_the_canary_is_one_lot_far_below_the_bid_on_the_tick_and_ends_cancelled(venue: FakeVenue) -> None:
    found = flown(venue)

    (_, option, qty, price) = venue.placed[0]
    assert (option, qty, price) == (an_option(), Decimal("0.01"), Decimal("128.4"))
    assert (found.level, venue.cancelled, len(venue.placed)) == (Level.OK, 1, 1)


def test_the_canary_takes_a_lively_option_some_time_from_expiry(venue: FakeVenue) -> None:
    near, cheap, far = an_option(days=0.5), an_option(90_000, days=3), an_option(110_000, days=3)

    flown(venue, a_quote(near), a_quote(cheap, bid="1.9"), a_quote(an_option(120_000), bid=None), a_quote(far, delta=0.1))

    assert [option for _, option, _, _ in venue.placed] == [far]


def test_without_a_bid_to_stay_below_of_no_canary_flies(venue: FakeVenue) -> None:
    assert (flown(venue, a_quote(bid="1.9")).level, venue.placed) == (Level.WARN, [])


def test_l5_a_canary_whose_reply_was_lost_is_found_by_name_cancelled_and_not_sent_again(venue: FakeVenue) -> None:
    venue.errors["place"] = [unknown("canary")]

    found = flown(venue)

    assert (found.level, len(venue.placed), venue.order and venue.order.status) == (Level.OK, 1, OrderStatus.CANCELED)
    assert "its answer was lost" in found.said


def test_a_canary_that_never_arrived_is_believed_absent_only_after_a_while(venue: FakeVenue) -> None:
    venue.errors["place"], venue.arrives = [unknown("canary")], False

    found = flown(venue)
    assert (found.level, "never arrived" in found.said, len(venue.placed)) == (Level.FAIL, True, 1)

    venue.errors["place"] = [unknown("canary")]
    still = flown(venue, patience=Patience(settle=0.05, absent=9.0, step=0.0))
    assert "may still rest" in still.said


def test_a_lost_cancel_is_asked_about_and_the_end_is_known(venue: FakeVenue) -> None:
    venue.errors["cancel"] = [unknown("cancel")]
    venue.errors["find"] = [ExchangeUnavailable("coincall", "order", "down")] * 3

    assert flown(venue).level is Level.OK


def test_l3_a_canary_that_fills_while_it_is_cancelled_is_told_with_what_is_held(venue: FakeVenue) -> None:
    venue.fills_at_cancel = Decimal("0.01")

    found = flown(venue)

    assert (found.level, "was filled: 0.01" in found.said) == (Level.FAIL, True)
    assert "sell it by hand" in found.hint


def test_a_canary_that_cannot_be_cancelled_is_named_for_a_person(venue: FakeVenue) -> None:
    venue.deaf_to_cancel = True

    found = flown(venue, patience=Patience(settle=0.02, absent=0.0, step=0.0))

    assert found.level is Level.FAIL
    assert "client order id 8, order 17" in found.hint


def test_a_refused_canary_rests_nowhere_and_is_not_sent_again(venue: FakeVenue) -> None:
    venue.errors["place"] = [AuthenticationRejected("coincall", "canary", "read only", 10554)]

    found = flown(venue)

    assert (found.level, venue.placed, venue.cancelled) == (Level.FAIL, [], 0)
    assert "nothing rests" in found.said


def test_a_price_outside_the_band_is_tried_once_more_nearer_to_the_bid_and_then_given_up(venue: FakeVenue) -> None:
    venue.errors["place"] = [PriceRejected("coincall", "canary", "too low", 10532)]
    assert flown(venue).level is Level.OK
    assert [price for *_, price in venue.placed] == [Decimal("642.1")]

    venue.errors["place"] = [PriceRejected("coincall", "canary", "too low", 10532)] * 2
    assert (flown(venue).level, len(venue.placed)) == (Level.FAIL, 1)


def test_an_interrupted_visit_cancels_what_it_placed(venue: FakeVenue) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    venue.deaf_to_cancel = True
    flight = Canary(venue, lambda: 8, Patience(), interrupted).fly(a_chain(), NOW)

    with pytest.raises(KeyboardInterrupt):
        list(flight)
    assert venue.cancelled == 2


def test_a_canarys_name_is_none_of_the_daemons_and_never_the_same() -> None:
    names = {a_name(SimulatedClock(NOW)) for _ in range(50)}

    assert len(names) > 40
    assert all(len(str(name)) == 19 and name < 2**63 for name in names)
    assert [decode_client_id(name) for name in names if decode_client_id(name) is not None] == []


# ---- what the venue says of the key


def asked(error: VenueError) -> Finding:
    def ask() -> None:
        raise error

    return at_venue._granted("rfq quoting", ask, "open")


def test_only_a_door_that_is_not_there_means_that_the_account_has_no_access() -> None:
    found = asked(ExchangeRejected("coincall", "requests", "Not Found", 404))

    assert (found.level, found.said.startswith("the account has no such access")) == (Level.OK, True)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (AuthenticationRejected("coincall", "requests", "Invalid CC-ACCESS-KEY.", 10560), "check key and secret"),
        (AuthenticationRejected("coincall", "requests", "Invalid signature.", 10562), "check key and secret"),
        (TimestampRejected("coincall", "requests", "Timestamp expired.", 10557), "timedatectl"),
        (ExchangeRejected("coincall", "requests", "Illegal parameter", 10004), "read the reason"),
        (ExchangeUnavailable("coincall", "requests", "HTTP 503"), "check the network"),
    ],
)
def test_a_refusal_of_the_key_leaves_it_open_whether_the_account_has_access(error: VenueError, hint: str) -> None:
    found = asked(error)

    assert (found.level, found.said) == (Level.WARN, f"could not be asked: {error.reason}")
    assert hint in found.hint


@pytest.mark.parametrize(
    ("reason", "hint"),
    [("host/options: HTTP 403 denied", "key and secret"), ("host/options: HTTP 401", "clock"), ("HTTP 502 with 403 bytes", "firewall")],
)
def test_a_stream_that_refuses_us_is_not_a_matter_of_the_firewall(reason: str, hint: str) -> None:
    def refused(_venue: Venue, _symbol: str) -> Heard:
        raise ExchangeUnavailable("coincall", "options", reason)

    with at_venue.visited(Settings(), SimulatedClock(NOW), "https://127.0.0.1:9", "wss://127.0.0.1:9") as place:
        found = only(at_venue.streams(place, "BTCUSD-1", refused))

    assert (found.level, hint in found.hint) == (Level.FAIL, True)
