"""What the ports of block trades promise holds on the wire: stated as the venue takes it, traded once, and found where it would stand."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import requests
import responses
from loguru import logger

from clock import to_ms
from domain import (
    BlockTrade,
    Fill,
    Option,
    OptionLeg,
    QuotedLeg,
    QuoteStatus,
    RFQStanding,
    RFQStatus,
    Side,
)
from errors import (
    AuthenticationRejected,
    ExchangeRejected,
    ExchangeUnavailable,
    InsufficientMargin,
    MalformedResponse,
    OrderAlreadyFinal,
    OrderNotFound,
    OutcomeUnknown,
    VenueError,
)
from exchanges.coincall.client_rfq import CoincallRFQClient
from exchanges.coincall.codes import QUOTE_NOT_VALID
from exchanges.coincall.gateway_rfq import CoincallRFQ, as_stated
from ports import RFQDirectory, RFQGateway

from tests.wire.coincall_builders import (
    A_TRADED_LEG,
    BLOCKTRADE,
    HOST,
    NOW,
    PUT,
    QUOTE_ID,
    REQUEST_ID,
    SYMBOL,
    Desk,
    a_block_row,
    a_created_answer,
    a_desk,
    a_leg,
    a_page,
    a_quote,
    a_quote_row,
    a_request,
    an_accepted_answer,
    an_option,
    answer,
    query_of,
)

CREATE, CANCEL, ACCEPT = f"{BLOCKTRADE}/request/create/v1", f"{BLOCKTRADE}/request/cancel/v1", f"{BLOCKTRADE}/request/accept/v1"
RECEIVED, RFQ_LIST = f"{BLOCKTRADE}/request/getQuotesReceived/v1", f"{BLOCKTRADE}/rfqList/v1"
BLOCKS = f"{BLOCKTRADE}/trade-detail/private/v1"
SENT_AT = NOW - timedelta(minutes=5)
MADE = datetime(2025, 11, 24, 16, tzinfo=UTC)
NONE_LISTED = answer('{"userId":"1","rfqList":[]}')
NO_BLOCKS = a_page(end='"hasNext":false,"hasPrev":false')
FILL = Fill(
    id="1990000000000000602",
    order_id="1990000000000000601",
    symbol=SYMBOL,
    side=Side.BUY,
    qty=Decimal("0.5"),
    price=Decimal(1525),
    fee=Decimal("14.248575"),
    at=MADE + timedelta(seconds=20),
    is_taker=True,
)
TRADED = BlockTrade(block_id=QUOTE_ID, request_id=REQUEST_ID, quote_id=QUOTE_ID, fills=(FILL,))
TRADED_SOMEHOW = BlockTrade(block_id=QUOTE_ID, request_id=REQUEST_ID, quote_id=QUOTE_ID, fills=None)


def listed(coin: str) -> Sequence[Option]:
    return [an_option(), an_option(PUT)] if coin == "BTC" else []


def adapter(desk: Desk | None = None) -> CoincallRFQ:
    desk = desk or a_desk()
    return CoincallRFQ(CoincallRFQClient(desk.transport), listed, desk.clock)


def gateway(desk: Desk | None = None) -> RFQGateway:
    return adapter(desk)


def directory() -> RFQDirectory:
    return adapter()


def ahead_by(span: timedelta) -> Desk:
    """Return a desk whose venue's clock is ahead."""
    desk = a_desk()
    responses.get(f"{HOST}/time", body=answer(f'{{"serverTime":{to_ms(NOW + span)}}}'))
    desk.client.measure_skew()
    return desk


def a_list(*rows: str) -> str:
    return answer(f"[{','.join(rows)}]")


def a_stated_leg(symbol: str = SYMBOL, side: str = "BUY", qty: str = "0.5") -> str:
    return f'{{"instrumentName":"{symbol}","side":"{side}","qty":"{qty}"}}'


def a_listed_request(request_id: str = REQUEST_ID, *, state: str = "ACTIVE", role: str = "TAKER", symbol: str = SYMBOL) -> str:
    return (
        f'{{"requestId":"{request_id}","state":"{state}","role":"{role}","createTime":1764000000000,"expiryTime":1764003600000,'
        f'"updateTime":1764000000040,"legs":[{{"instrumentName":"{symbol}","side":"BUY","quantity":"0.5"}}]}}'
    )


def a_request_list(*rows: str) -> str:
    return answer(f'{{"userId":1695000000000009,"rfqList":[{",".join(rows)}]}}')


def asked() -> list[str]:
    """Return the paths asked so far."""
    return [(call.request.url or "").partition("?")[0] for call in responses.calls]


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


# ---- finding out


@responses.activate
def test_l23_a_block_that_was_traded_is_found_among_ours() -> None:
    responses.get(BLOCKS, body=a_page(a_block_row("8", request_id="7"), a_block_row(), end='"hasNext":true'))

    assert gateway().find(REQUEST_ID, MADE) == RFQStanding(status=RFQStatus.FILLED, block=TRADED)
    assert asked() == [BLOCKS]


@responses.activate
def test_l23_a_block_is_sought_on_every_page_since_the_request_was_sent() -> None:
    def pages(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        rows = {
            "": a_page(a_block_row("90", request_id="7"), end='"hasNext":true'),
            "90": a_page(a_block_row("80", request_id="6"), end='"hasNext":true'),
            "80": a_page(a_block_row("70"), end='"hasNext":true'),
        }
        return 200, {}, rows[query_of(request).get("fromId", "")]

    responses.add_callback(responses.GET, BLOCKS, pages)

    found = gateway().find(REQUEST_ID, MADE)

    assert found.block is not None
    assert (found.block.block_id, len(responses.calls)) == ("70", 3)


@responses.activate
def test_blocks_from_before_the_request_end_the_search() -> None:
    older = a_block_row("90", request_id="7", time=1764000000000 - 61_000)
    responses.get(BLOCKS, body=a_page(older, end='"hasNext":true'))
    responses.get(RFQ_LIST, body=a_request_list(a_listed_request()))

    assert gateway().find(REQUEST_ID, MADE) == RFQStanding(status=RFQStatus.ACTIVE)
    assert asked() == [BLOCKS, RFQ_LIST]


@responses.activate
def test_the_search_goes_back_by_the_venues_clock() -> None:
    just_traded = a_block_row("90", request_id="7", time=1764000000000 + 30_000)
    responses.get(BLOCKS, body=a_page(just_traded, a_block_row(time=1764000000000 + 29_000), end='"hasNext":false'))
    desk = ahead_by(timedelta(seconds=-60))

    found = gateway(desk).find(REQUEST_ID, MADE + timedelta(seconds=120))

    assert found.block is not None
    assert found.block.fills is not None
    assert found.block.fills[0].at == MADE + timedelta(seconds=80)


@responses.activate
@pytest.mark.parametrize("rows", [[], [a_block_row("90", request_id="7")]])
def test_a_cursor_that_stands_still_is_an_error_and_not_a_loop(rows: list[str]) -> None:
    responses.get(BLOCKS, body=a_page(*rows, end='"hasNext":true'))

    with pytest.raises(MalformedResponse, match="none are older"):
        gateway().find(REQUEST_ID, MADE)


@responses.activate
def test_a_block_that_we_made_is_not_one_that_we_took() -> None:
    responses.get(BLOCKS, body=a_page(a_block_row(role="MAKER"), end='"hasNext":false'))
    responses.get(RFQ_LIST, body=NONE_LISTED)
    responses.get(RECEIVED, body=a_list())

    assert gateway().find(REQUEST_ID, MADE) == RFQStanding(status=None)


@responses.activate
def test_a_block_whose_legs_cannot_be_read_is_filled_all_the_same() -> None:
    responses.get(BLOCKS, body=a_page(a_block_row(legs='[{"odd":1}]'), end='"hasNext":false'))

    assert gateway().find(REQUEST_ID, MADE) == RFQStanding(status=RFQStatus.FILLED, block=TRADED_SOMEHOW)


@responses.activate
@pytest.mark.parametrize("status", RFQStatus)
def test_without_a_block_the_list_of_requests_tells(status: RFQStatus) -> None:
    responses.get(BLOCKS, body=NO_BLOCKS)
    responses.get(RFQ_LIST, body=a_request_list(a_listed_request("7"), a_listed_request(state=status.name)))

    assert gateway().find(REQUEST_ID, SENT_AT) == RFQStanding(status=status)
    assert query_of(responses.calls[1].request) == {"requestId": REQUEST_ID}


@responses.activate
def test_ct58_a_request_older_than_the_list_reaches_is_asked_for_by_its_time() -> None:
    responses.get(BLOCKS, body=NO_BLOCKS)
    responses.get(RFQ_LIST, body=a_request_list(a_listed_request(state="EXPIRED")))
    start = to_ms(NOW - timedelta(days=8, minutes=1))

    assert gateway().find(REQUEST_ID, NOW - timedelta(days=8)).status is RFQStatus.EXPIRED
    assert query_of(responses.calls[1].request) == {
        "requestId": REQUEST_ID,
        "startTime": str(start),
        "endTime": str(start + 3 * 86_400_000),
    }


UNTOLD = [
    ("", 404),
    (NONE_LISTED, 200),
    (a_request_list(a_listed_request(state="BREWING")), 200),
    (a_request_list(a_listed_request("7")), 200),
]


@responses.activate
@pytest.mark.parametrize(("body", "status"), UNTOLD)
def test_where_the_list_keeps_silent_a_quote_that_was_taken_tells(body: str, status: int) -> None:
    responses.get(BLOCKS, body=NO_BLOCKS)
    responses.get(RFQ_LIST, body=body, status=status)
    responses.get(RECEIVED, body=a_list(a_quote_row('"7"', state='"CANCELLED"'), a_quote_row(state='"FILLED"', price='"NaN"')))

    assert gateway().find(REQUEST_ID, SENT_AT) == RFQStanding(status=RFQStatus.FILLED, block=TRADED_SOMEHOW)
    assert asked() == [BLOCKS, RFQ_LIST, RECEIVED]


@responses.activate
@pytest.mark.parametrize(("body", "status"), UNTOLD)
@pytest.mark.parametrize("quotes", [a_list(), a_list(a_quote_row()), a_list(a_quote_row(state='"FILLED"').replace(REQUEST_ID, "7"))])
def test_l39_silence_everywhere_is_none_and_not_a_no(body: str, status: int, quotes: str) -> None:
    responses.get(BLOCKS, body=NO_BLOCKS)
    responses.get(RFQ_LIST, body=body, status=status)
    responses.get(RECEIVED, body=quotes)

    assert gateway().find(REQUEST_ID, SENT_AT) == RFQStanding(status=None)


@responses.activate
@pytest.mark.parametrize("broken", [BLOCKS, RFQ_LIST, RECEIVED])
@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("", 503, ExchangeUnavailable),
        (answer(code="10000"), 200, ExchangeUnavailable),
        ("<html>", 200, MalformedResponse),
        (answer("7"), 200, MalformedResponse),
        (answer(code="10562"), 200, AuthenticationRejected),
        ("<html>blocked</html>", 403, AuthenticationRejected),
    ],
)
def test_l39_a_search_that_could_not_be_finished_raises(broken: str, body: str, status: int, kind: type[VenueError]) -> None:
    for url, good in {BLOCKS: NO_BLOCKS, RFQ_LIST: NONE_LISTED, RECEIVED: a_list()}.items():
        responses.get(url, body=body if url == broken else good, status=status if url == broken else 200)

    with pytest.raises(kind):
        gateway().find(REQUEST_ID, SENT_AT)


# ---- the directory


@responses.activate
def test_open_requests_are_ours_that_are_not_final() -> None:
    rows = [
        a_listed_request("1"),
        a_listed_request("2", state="BREWING", symbol=PUT),
        a_listed_request("3", state="FILLED"),
        a_listed_request("4", role="MAKER"),
    ]
    responses.get(RFQ_LIST, body=a_request_list(*rows))

    found = directory().open_requests()

    assert query_of(responses.calls[0].request) == {"role": "TAKER", "state": "OPEN"}
    assert [request.request_id for request in found] == ["1", "2"]
    assert [request.legs for request in found] == [
        (OptionLeg(instrument=an_option(symbol), side=Side.BUY, qty=Decimal("0.5")),) for symbol in (SYMBOL, PUT)
    ]
    assert {request.status for request in found} == {RFQStatus.ACTIVE}
    assert found[0].expires_at == MADE + timedelta(hours=1)


@responses.activate
def test_no_open_requests_are_none() -> None:
    responses.get(RFQ_LIST, body=NONE_LISTED)

    assert directory().open_requests() == ()


@responses.activate
def test_a_list_that_is_kept_from_a_taker_is_unavailable_and_not_empty() -> None:
    responses.get(RFQ_LIST, status=404)

    with pytest.raises(ExchangeUnavailable, match="404"):
        directory().open_requests()


@responses.activate
@pytest.mark.parametrize(("body", "status"), [(answer(code="10562"), 200), ("<html>blocked</html>", 403)])
def test_a_list_refused_for_the_key_calls_a_person(body: str, status: int) -> None:
    responses.get(RFQ_LIST, body=body, status=status)

    with pytest.raises(AuthenticationRejected):
        directory().open_requests()


@responses.activate
def test_an_open_request_of_an_option_that_is_not_listed_is_told() -> None:
    responses.get(RFQ_LIST, body=a_request_list(a_listed_request(symbol="ETHUSD-28MAR26-3000-C")))

    with pytest.raises(MalformedResponse, match="ETHUSD-28MAR26-3000-C"):
        directory().open_requests()
