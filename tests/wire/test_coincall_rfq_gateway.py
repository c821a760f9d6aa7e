"""What the ports of block trades promise holds on the wire: stated as the venue takes it, and traded once."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
import requests
import responses
from loguru import logger

from domain import QuotedLeg, QuoteStatus, RFQStatus, Side
from errors import (
    ExchangeRejected,
    ExchangeUnavailable,
    InsufficientMargin,
    MalformedResponse,
    OrderAlreadyFinal,
    OrderNotFound,
    OutcomeUnknown,
    VenueError,
)
from exchanges.coincall.codes import QUOTE_NOT_VALID
from exchanges.coincall.gateway_rfq import as_stated

from tests.wire.coincall_builders import (
    A_TRADED_LEG,
    PUT,
    QUOTE_ID,
    REQUEST_ID,
    SYMBOL,
    a_created_answer,
    a_leg,
    a_quote,
    a_quote_row,
    a_request,
    an_accepted_answer,
    answer,
)
from tests.wire.rfq_gateway_builders import MADE, TRADED, TRADED_SOMEHOW, ahead_by, gateway
from tests.wire.rfq_samples import ACCEPT, CANCEL, CREATE, RECEIVED, a_list


def a_stated_leg(symbol: str = SYMBOL, side: str = "BUY", qty: str = "0.5") -> str:
    return f'{{"instrumentName":"{symbol}","side":"{side}","qty":"{qty}"}}'


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    found: list[str] = []
    sink = logger.add(lambda message: found.append(str(message)), level="WARNING", format="{message}")
    yield found
    logger.remove(sink)


# ---- asking


STRUCTURES = [
    ([Side.SELL], [Side.BUY]),
    ([Side.SELL, Side.SELL], [Side.BUY, Side.BUY]),
    ([Side.BUY], [Side.BUY]),
    ([Side.BUY, Side.BUY], [Side.BUY, Side.BUY]),
    ([Side.SELL, Side.BUY], [Side.SELL, Side.BUY]),
    ([Side.BUY, Side.SELL], [Side.BUY, Side.SELL]),
    ([Side.SELL, Side.SELL, Side.BUY], [Side.SELL, Side.SELL, Side.BUY]),
]


@responses.activate
@pytest.mark.parametrize(("wanted", "stated"), STRUCTURES)
def test_ct60_what_is_sold_throughout_is_stated_as_bought_and_mixed_sides_stay(wanted: list[Side], stated: list[Side]) -> None:
    symbols = [SYMBOL, PUT, "BTCUSD-28MAR26-110000-C"]

    def taken(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        legs = json.loads(request.body or "")["legs"]
        return 200, {}, a_created_answer(*map(json.dumps, legs))

    responses.add_callback(responses.POST, CREATE, taken)
    legs = [a_leg(side, symbol) for side, symbol in zip(wanted, symbols, strict=False)]

    request = gateway().request(legs)

    sent = json.loads(responses.calls[0].request.body or "")["legs"]
    assert [leg["side"] for leg in sent] == [side.name for side in stated]
    assert list(request.legs) == [a_leg(side, symbol) for side, symbol in zip(stated, symbols, strict=False)]
    assert as_stated(request.legs) == request.legs


@responses.activate
def test_a_request_is_the_venues_in_our_time() -> None:
    responses.post(CREATE, body=a_created_answer())
    desk = ahead_by(timedelta(seconds=90))

    request = gateway(desk).request([a_leg()])

    assert (request.request_id, request.status) == (REQUEST_ID, RFQStatus.ACTIVE)
    assert (request.created_at, request.expires_at) == (MADE - timedelta(seconds=90), MADE + timedelta(seconds=3510))


@responses.activate
def test_l6_a_new_request_in_a_state_that_we_do_not_know_is_not_final() -> None:
    responses.post(CREATE, body=a_created_answer(state="BREWING"))

    assert gateway().request([a_leg()]).status is RFQStatus.ACTIVE


@responses.activate
def test_the_legs_are_as_the_venue_has_them_and_a_difference_is_told(warnings: list[str]) -> None:
    responses.post(CREATE, body=a_created_answer(a_stated_leg(qty="0.4")))

    request = gateway().request([a_leg()])

    assert request.legs == (a_leg(qty="0.4"),)
    assert len(warnings) == 1


@responses.activate
@pytest.mark.parametrize("legs", [[a_stated_leg(PUT)], [a_stated_leg(), a_stated_leg(PUT)], [a_stated_leg(side="HOLD")]])
def test_a_request_taken_with_strange_legs_is_an_unknown_outcome_that_names_it(legs: list[str]) -> None:
    responses.post(CREATE, body=a_created_answer(*legs))

    with pytest.raises(OutcomeUnknown, match=REQUEST_ID):
        gateway().request([a_leg()])

    assert len(responses.calls) == 1


@responses.activate
def test_a_request_without_legs_is_not_sent() -> None:
    with pytest.raises(ValueError, match="at least one leg"):
        gateway().request([])

    assert len(responses.calls) == 0


# ---- quotes


@responses.activate
def test_ct55_two_way_quotes_are_told_apart_by_the_makers_sides() -> None:
    responses.get(RECEIVED, body=a_list(a_quote_row('"1"'), a_quote_row('"2"', side='"side":"BUY"', price='"1490"')))

    sells, buys = gateway().quotes(a_request())

    assert (sells.is_we_buy, sells.is_we_sell, sells.total_cost) == (True, False, Decimal("762.5"))
    assert (buys.is_we_buy, buys.is_we_sell, buys.total_cost) == (False, True, Decimal(-745))
    assert sells.stated == (a_leg(),)


@responses.activate
def test_a_sold_structure_is_sold_by_the_quote_that_buys() -> None:
    responses.post(CREATE, body=a_created_answer())
    responses.get(RECEIVED, body=a_list(a_quote_row('"1"'), a_quote_row('"2"', side='"side":"BUY"')))
    wanted = (a_leg(Side.SELL),)

    quotes = gateway().quotes(gateway().request(wanted))

    assert [quote.trades(wanted) for quote in quotes] == [False, True]


@responses.activate
def test_quotes_come_in_every_state_and_in_our_time() -> None:
    states = ["OPEN", "CANCELLED", "FILLED", "EXPIRED"]
    responses.get(RECEIVED, body=a_list(*(a_quote_row(str(number), state=f'"{state}"') for number, state in enumerate(states))))
    desk = ahead_by(timedelta(seconds=-40))

    found = gateway(desk).quotes(a_request())

    assert [quote.status for quote in found] == [QuoteStatus.OPEN, QuoteStatus.CANCELLED, QuoteStatus.FILLED, QuoteStatus.EXPIRED]
    assert {quote.expires_at for quote in found} == {MADE + timedelta(seconds=310 + 40)}
    assert {quote.created_at for quote in found} == {MADE + timedelta(seconds=10 + 40)}


@responses.activate
def test_quotes_of_other_requests_are_not_ours_and_nameless_ones_are() -> None:
    nameless = a_quote_row('"2"').replace(f'"requestId":"{REQUEST_ID}",', "")
    responses.get(RECEIVED, body=a_list(a_quote_row('"1"').replace(REQUEST_ID, "9"), nameless, a_quote_row('"3"')))

    assert [quote.quote_id for quote in gateway().quotes(a_request())] == ["2", "3"]


@responses.activate
def test_a_quote_left_out_is_warned_of(warnings: list[str]) -> None:
    responses.get(RECEIVED, body=a_list(a_quote_row('"1"', price='"NaN"'), "{}", a_quote_row()))

    assert [quote.quote_id for quote in gateway().quotes(a_request())] == [QUOTE_ID]
    assert len(warnings) == 2


@responses.activate
@pytest.mark.parametrize(("body", "status"), [("", 503), ("<html>", 200), (answer(code="10000"), 200), (answer("null"), 200)])
def test_l39_quotes_that_could_not_be_read_are_not_no_quotes(body: str, status: int) -> None:
    responses.get(RECEIVED, body=body, status=status)

    with pytest.raises((ExchangeUnavailable, MalformedResponse)):
        gateway().quotes(a_request())


# ---- trading one


@responses.activate
def test_an_accepted_quote_is_one_fill_per_leg_from_our_side_in_our_time() -> None:
    responses.post(ACCEPT, body=an_accepted_answer())
    desk = ahead_by(timedelta(seconds=20))

    block = gateway(desk).accept(a_request(), a_quote())

    assert block.fills is not None
    assert (block.block_id, block.request_id, block.quote_id) == (QUOTE_ID, REQUEST_ID, QUOTE_ID)
    assert [(fill.id, fill.order_id, fill.side, fill.fee, fill.at) for fill in block.fills] == [
        ("1990000000000000602", "1990000000000000601", Side.BUY, Decimal("14.248575"), MADE)
    ]


PUT_LEG = A_TRADED_LEG.replace(SYMBOL, PUT).replace("602", "604")


@responses.activate
@pytest.mark.parametrize(
    "body",
    [
        answer("null"),
        answer('"done"'),
        answer('{"blockTradeId":"1990000000000000501"}'),
        an_accepted_answer("[]"),
        an_accepted_answer("null"),
        an_accepted_answer("[{}]"),
        an_accepted_answer().replace('"fee":"14.248575",', ""),
        an_accepted_answer().replace('"price":"1525"', '"price":"NaN"'),
        an_accepted_answer().replace('"side":"BUY"', '"side":"SELL"'),
        an_accepted_answer().replace('"quantity":"0.5"', '"quantity":"0.4"'),
        an_accepted_answer(f"[{A_TRADED_LEG},{PUT_LEG}]"),
        an_accepted_answer(f"[{PUT_LEG}]"),
        an_accepted_answer(quote_id='"7"'),
        an_accepted_answer().replace(REQUEST_ID, "7"),
    ],
)
def test_success_is_a_trade_even_where_its_answer_cannot_be_read(body: str, warnings: list[str]) -> None:
    responses.post(ACCEPT, body=body)

    assert gateway().accept(a_request(), a_quote()) == TRADED_SOMEHOW
    assert len(responses.calls) == 1
    assert len(warnings) == 1


@responses.activate
def test_an_accepted_block_without_its_number_has_that_of_its_quote() -> None:
    responses.post(ACCEPT, body=an_accepted_answer().replace(f'"blockTradeId":"{QUOTE_ID}"', '"blockTradeId":""'))

    assert gateway().accept(a_request(), a_quote()) == TRADED


@responses.activate
def test_prices_may_differ_from_the_quote_by_what_the_venue_cuts_off() -> None:
    responses.post(ACCEPT, body=an_accepted_answer())
    quote = a_quote(QuotedLeg(symbol=SYMBOL, side=Side.SELL, price=Decimal("1525.04"), qty=Decimal("0.50")))

    assert gateway().accept(a_request(), quote) == TRADED


@responses.activate
@pytest.mark.parametrize(
    ("code", "kind"), [("50014", ExchangeRejected), ("10529", InsufficientMargin), ("40037", InsufficientMargin), ("10000", OutcomeUnknown)]
)
def test_l22_an_accept_that_was_refused_says_why(code: str, kind: type[VenueError]) -> None:
    responses.post(ACCEPT, body=answer(code=code))

    with pytest.raises(VenueError) as caught:
        gateway().accept(a_request(), a_quote())

    assert (type(caught.value), caught.value.code) == (kind, int(code))
    assert (caught.value.code == QUOTE_NOT_VALID) == (code == "50014")
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("failure", [requests.ReadTimeout("silence"), requests.ConnectionError("reset"), "<html>", '{"code":0,"da'])
def test_l23_an_accept_that_was_lost_may_have_traded_and_is_not_sent_again(failure: str | Exception) -> None:
    responses.post(ACCEPT, body=failure)

    with pytest.raises(OutcomeUnknown):
        gateway().accept(a_request(), a_quote())

    assert len(responses.calls) == 1


# ---- withdrawing


@responses.activate
def test_a_request_is_withdrawn() -> None:
    responses.post(CANCEL, body=answer("true"))

    gateway().cancel(REQUEST_ID)

    assert responses.calls[0].request.body == f"requestId={REQUEST_ID}".encode()


@responses.activate
@pytest.mark.parametrize(
    ("code", "kind"),
    [("10584", OrderNotFound), ("11101", OrderAlreadyFinal), ("11102", OrderAlreadyFinal), ("10103", OutcomeUnknown)],
)
def test_withdrawing_what_cannot_be_withdrawn_says_so(code: str, kind: type[VenueError]) -> None:
    responses.post(CANCEL, body=answer(code=code))

    with pytest.raises(kind):
        gateway().cancel(REQUEST_ID)
