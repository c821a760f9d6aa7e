"""What the ports promise holds on the wire: whole lists, found orders, and no silence taken for an answer."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import requests
import responses

from clock import from_ms, to_ms
from domain import Chain, Greeks, OptionType, OrderStatus, Side
from errors import (
    DataNotFresh,
    DuplicateClientOrderId,
    ExchangeUnavailable,
    MalformedResponse,
    OrderAlreadyFinal,
    OutcomeUnknown,
    TurnedAway,
    VenueError,
)
from exchanges.coincall.gateway import LONGEST_WINDOW, CoincallAccount, CoincallMarket, CoincallOrders
from ports import AccountReader, MarketReader, OrderGateway

from tests.wire.coincall_builders import (
    EXPIRY,
    HOST,
    NOW,
    OUR_NUMBER,
    SYMBOL,
    Desk,
    a_client_id,
    a_desk,
    a_fill_row,
    a_page,
    an_option,
    an_order,
    an_order_row,
    answer,
    query_of,
)

ORDERS = f"{HOST}/open/option/order"
SINGLE, PENDING, HISTORY = f"{ORDERS}/singleQuery/v1", f"{ORDERS}/pending/v1", f"{ORDERS}/history/v1"
FILLS = f"{HOST}/open/option/trade/history/v1"
EXERCISES = f"{HOST}/open/settle/exercise/history/v1"
SUMMARY = f"{HOST}/open/account/summary/v1"
POSITIONS = f"{HOST}/open/option/position/get/v1"
CHAIN, INDEX = f"{HOST}/open/option/get/v1/BTCUSD", f"{HOST}/open/futures/market/symbol/v1"
SENT_AT = NOW - timedelta(minutes=5)
NOT_KNOWN = answer(code="10584", msg='"Order does not exist."')
NOBODY = 123123123

Answered = tuple[int, dict[str, str], str]


def orders(desk: Desk) -> OrderGateway:
    return CoincallOrders(desk.client, desk.clock)


def account(desk: Desk) -> AccountReader:
    return CoincallAccount(desk.client, desk.clock)


def market(desk: Desk) -> MarketReader:
    return CoincallMarket(desk.client)


def pages(url: str, by: str, rows: dict[str, str]) -> None:
    """Answer each value of a query parameter with its own page."""

    def reply(request: requests.PreparedRequest) -> Answered:
        return 200, {}, rows[query_of(request).get(by, "")]

    responses.add_callback(responses.GET, url, reply)


# ---- orders


@responses.activate
def test_submitting_returns_the_venues_id() -> None:
    responses.post(f"{ORDERS}/create/v1", body=answer("1900000000000000123"))

    assert orders(a_desk()).submit(an_order()) == "1900000000000000123"


@responses.activate
def test_an_id_that_the_venue_has_seen_is_told_as_such() -> None:
    responses.post(f"{ORDERS}/create/v1", body=answer(code="10577", msg='"Duplicated client order ID."'))

    with pytest.raises(DuplicateClientOrderId):
        orders(a_desk()).submit(an_order())


@responses.activate
@pytest.mark.parametrize("status", [403, 404, 429])
def test_l05_a_status_alone_does_not_say_that_an_order_was_not_taken(status: int) -> None:
    responses.post(f"{ORDERS}/create/v1", status=status, body="<html>said by whoever stands in between</html>")

    with pytest.raises(TurnedAway):
        orders(a_desk()).submit(an_order())


@responses.activate
def test_cancelling_names_our_own_id_as_a_number() -> None:
    responses.post(f"{ORDERS}/cancel/v1", body=answer('"success"'))

    orders(a_desk()).cancel(a_client_id())

    assert json.loads(responses.calls[0].request.body or "") == {"clientOrderId": OUR_NUMBER}


@responses.activate
def test_cancelling_what_has_filled_says_that_it_is_final() -> None:
    responses.post(f"{ORDERS}/cancel/v1", body=answer(code="11102"))

    with pytest.raises(OrderAlreadyFinal):
        orders(a_desk()).cancel(a_client_id())


@responses.activate
def test_an_order_is_found_by_our_id() -> None:
    responses.get(SINGLE, body=answer(an_order_row()))

    found = orders(a_desk()).find(a_client_id(), SENT_AT)

    assert found is not None
    assert (found.client_id, found.status, found.filled) == (a_client_id(), OrderStatus.FILLED, Decimal("0.5"))


@responses.activate
def test_l5_an_order_that_the_query_does_not_know_is_sought_among_the_open_ones_on_every_page() -> None:
    responses.get(SINGLE, body=NOT_KNOWN)
    first = a_page(an_order_row(NOBODY, order_id=1), end='"pageTotal":2,"total":2')
    second = a_page(an_order_row(state=0, filled="0"), end='"pageTotal":2,"total":2')
    pages(PENDING, "page", {"1": first, "2": second})

    found = orders(a_desk()).find(a_client_id(), SENT_AT)

    assert found is not None
    assert found.status is OrderStatus.NEW


@responses.activate
def test_l5_then_in_the_history_since_just_before_it_was_sent() -> None:
    responses.get(SINGLE, body=NOT_KNOWN)
    responses.get(PENDING, body=a_page(end='"pageTotal":0,"total":0'))
    older = a_page(an_order_row(state=3, filled="0.2", order_id=80))
    pages(HISTORY, "fromId", {"": a_page(an_order_row(NOBODY, order_id=90), end='"hasNext":true,"hasPre":false'), "90": older})

    found = orders(a_desk()).find(a_client_id(), SENT_AT)

    assert found is not None
    assert (found.status, found.filled) == (OrderStatus.CANCELED, Decimal("0.2"))
    asked = query_of(responses.calls[2].request)
    assert asked["startTime"] == str(to_ms(SENT_AT - timedelta(minutes=1)))
    assert "endTime" not in asked


@responses.activate
def test_none_is_said_only_when_it_is_in_none_of_the_three() -> None:
    responses.get(SINGLE, body=NOT_KNOWN)
    responses.get(PENDING, body=a_page(an_order_row(NOBODY), end='"pageTotal":1,"total":1'))
    responses.get(HISTORY, body=a_page(an_order_row(NOBODY)))

    assert orders(a_desk()).find(a_client_id(), SENT_AT) is None
    assert [call.request.url.partition("?")[0] for call in responses.calls if call.request.url] == [SINGLE, PENDING, HISTORY]


@responses.activate
@pytest.mark.parametrize("broken", [SINGLE, PENDING, HISTORY])
def test_l39_a_search_that_could_not_be_finished_is_not_a_no(broken: str) -> None:
    answers = {SINGLE: NOT_KNOWN, PENDING: a_page(end='"pageTotal":0'), HISTORY: a_page()}
    for url, body in answers.items():
        responses.get(url, body=body, status=503 if url == broken else 200)

    with pytest.raises(ExchangeUnavailable):
        orders(a_desk()).find(a_client_id(), SENT_AT)


@responses.activate
def test_an_answer_about_another_order_is_not_taken_for_ours() -> None:
    responses.get(SINGLE, body=answer(an_order_row(NOBODY)))

    with pytest.raises(MalformedResponse, match="asked for ct-0042-17-1-o-3"):
        orders(a_desk()).find(a_client_id(), SENT_AT)


@responses.activate
def test_open_orders_are_read_to_the_last_page_and_told_once() -> None:
    first = a_page(an_order_row(order_id=1, state=None), an_order_row(NOBODY, order_id=2), end='"pageTotal":"2","total":3')
    pages(PENDING, "page", {"1": first, "2": a_page(an_order_row(NOBODY, order_id=2), an_order_row(order_id=3), end='"pageTotal":2')})

    found = orders(a_desk()).open_orders()

    assert [order.order_id for order in found] == ["1", "2", "3"]
    assert [order.client_id is None for order in found] == [False, True, False]


@responses.activate
def test_fills_come_oldest_first_from_every_page() -> None:
    newest = a_page(a_fill_row(30, time=300), a_fill_row(20, time=200), end='"hasNext":true,"hasPre":false')
    oldest = a_page(a_fill_row(11, time=100), a_fill_row(9, time=100))
    pages(FILLS, "fromId", {"": newest, "20": oldest})

    found = orders(a_desk()).fills(SENT_AT)

    assert [fill.id for fill in found] == ["9", "11", "20", "30"]


@responses.activate
def test_a_cursor_that_stands_still_is_an_error_and_not_a_loop() -> None:
    pages(FILLS, "fromId", dict.fromkeys(("", "20"), a_page(a_fill_row(20), end='"hasNext":true,"hasPre":false')))

    with pytest.raises(MalformedResponse, match="none are older"):
        orders(a_desk()).fills(SENT_AT)


@responses.activate
def test_more_rows_promised_and_none_given_is_an_error() -> None:
    responses.get(FILLS, body=a_page(end='"hasNext":true,"hasPre":false'))

    with pytest.raises(MalformedResponse):
        orders(a_desk()).fills(SENT_AT)


@responses.activate
def test_a_long_absence_is_asked_in_windows_that_the_venue_takes() -> None:
    since = NOW - timedelta(days=200)
    responses.get(FILLS, body=a_page(a_fill_row(20)))

    found = orders(a_desk()).fills(since)

    asked = [query_of(call.request) for call in responses.calls]
    assert [from_ms(int(each["startTime"])) for each in asked] == [since, since + LONGEST_WINDOW, since + 2 * LONGEST_WINDOW]
    assert [each.get("endTime") for each in asked][2] is None
    assert len(found) == 1


# ---- the account


MONEY = answer('{"equity":"52000.50","availableMargin":"50100.00","marginBalance":"51300.50","imAmount":"1200.50","mmAmount":"800.25"}')
HOLDING = answer(
    f'[{{"symbol":"{SYMBOL}","qty":0.10000000,"avgPrice":1510.0,"markPrice":0,"upnl":9.0,"upnlByMarkPrice":0.24,"tradeSide":2,'
    '"delta":-0.033,"gamma":0.000002,"vega":9.5,"theta":-4.0,"rho":2.0}]'
)


@responses.activate
@pytest.mark.parametrize("slow", [SUMMARY, POSITIONS])
def test_l39_the_account_is_as_old_as_the_first_question_however_late_the_answer_comes(slow: str) -> None:
    desk = a_desk()

    def slowly(_: requests.PreparedRequest) -> Answered:
        desk.clock.advance(timedelta(seconds=3))
        return 200, {}, MONEY if slow == SUMMARY else HOLDING

    responses.add_callback(responses.GET, slow, slowly)
    for url, body in ((SUMMARY, MONEY), (POSITIONS, HOLDING)):
        if url != slow:
            responses.get(url, body=body)

    found = account(desk).read()

    assert (found.valid, found.at, found.age) == (True, NOW, timedelta(seconds=3))
    assert (found.equity, found.available_margin, found.unrealized) == (Decimal("52000.50"), Decimal("50100.00"), None)
    assert (found.initial_margin, found.maintenance_margin, found.margin_balance) == tuple(map(Decimal, ("1200.50", "800.25", "51300.50")))
    (position,) = found.positions
    assert (position.signed_qty, position.mark, position.upnl) == (Decimal("-0.1"), Decimal(0), Decimal("0.24"))
    assert found.greeks == Greeks(-0.033, 0.000002, 9.5, -4.0, 2.0)


@responses.activate
@pytest.mark.parametrize("broken", [SUMMARY, POSITIONS])
@pytest.mark.parametrize("body", ["", answer("null"), answer(code="10000"), "<html>"])
def test_l39_half_an_account_is_no_account(broken: str, body: str) -> None:
    for url, good in ((SUMMARY, MONEY), (POSITIONS, answer("[]"))):
        responses.get(url, body=body if url == broken else good)

    with pytest.raises(VenueError):
        account(a_desk()).read()


def an_exercise(symbol: str, time: int) -> str:
    return (
        f'{{"symbol":"{symbol}","time":{time},"qty":0.10000000,"tradeSide":1,"strike":90000.0,"exercisePrice":95123.456,'
        '"openCashFlow":-150.0,"settlementCashFlow":512.3456,"netCashFlow":362.3456,"fees":1.42685}'
    )


@responses.activate
def test_l33_settlements_come_oldest_first_from_every_page() -> None:
    first = a_page(an_exercise("B", 200), an_exercise("A", 100), end='"hasNext":true,"hasPrev":false')
    second = a_page(an_exercise("A", 100), an_exercise("C", 50), end='"hasNext":false,"hasPrev":true')
    pages(EXERCISES, "page", {"1": first, "2": second})

    found = account(a_desk()).settlements(SENT_AT)

    assert [settlement.symbol for settlement in found] == ["C", "A", "B"]
    assert (found[0].price, found[0].cash, found[0].fee, found[0].side) == (
        Decimal("95123.456"),
        Decimal("512.3456"),
        Decimal("1.42685"),
        Side.BUY,
    )


# ---- the market


def a_strike(symbol: str = SYMBOL, bid: str = "1500.0") -> str:
    return f'{{"strike":100000.0,"callOption":{{"symbol":"{symbol}","bid":{bid},"ask":1520.0,"bidSize":1,"askSize":1,"markPrice":1512.4}}}}'


def an_index(price: str = "94990.5", ts: str = "0") -> str:
    return answer(f'{{"symbol":"BTCUSD","indexPrice":{price},"ts":{ts}}}')


def the_chain(desk: Desk, expiry: datetime | None = None) -> Chain:
    return market(desk).chain("BTC", [an_option(), an_option("not quoted")], expiry)


@responses.activate
def test_a_chain_holds_the_quotes_of_what_is_listed_and_the_index() -> None:
    responses.get(CHAIN, body=answer(f"[{a_strike()},{a_strike('unlisted')}]"))
    responses.get(INDEX, body=an_index())

    found = the_chain(a_desk(), EXPIRY)

    assert list(found.by_symbol) == [SYMBOL]
    assert (found.index, found.at, found.quotes[0].mid) == (Decimal("94990.5"), NOW, Decimal(1510))
    assert query_of(responses.calls[0].request) == {"endTime": str(to_ms(EXPIRY))}


@responses.activate
def test_a_chain_of_another_expiry_leaves_the_rest_out() -> None:
    responses.get(CHAIN, body=answer(f"[{a_strike()}]"))
    responses.get(INDEX, body=an_index())

    assert the_chain(a_desk(), EXPIRY + timedelta(days=7)).quotes == ()


@responses.activate
def test_l40_without_an_index_the_chain_says_unknown_and_keeps_its_quotes() -> None:
    responses.get(CHAIN, body=answer(f"[{a_strike(bid='0')}]"))
    responses.get(INDEX, status=404)

    found = the_chain(a_desk())

    assert found.index is None
    assert (found.quotes[0].bid, found.quotes[0].ask) == (None, Decimal(1520))


@responses.activate
def test_l39_a_chain_that_failed_is_not_an_empty_one() -> None:
    responses.get(CHAIN, status=502)

    with pytest.raises(ExchangeUnavailable):
        the_chain(a_desk())


@responses.activate
@pytest.mark.parametrize(
    ("ts", "at"),
    [
        (lambda: str(to_ms(NOW - timedelta(hours=7))), NOW - timedelta(hours=7)),
        (lambda: str(to_ms(NOW + timedelta(seconds=20))), NOW),
        (lambda: str(to_ms(NOW + timedelta(hours=1))), NOW),
        (lambda: "20260301115900", NOW),
        (lambda: "99999999999999999999", NOW),
        (lambda: "0", NOW),
        (lambda: "null", NOW),
    ],
)
def test_l38_the_index_is_as_old_as_the_venue_says_where_that_is_a_time(ts: Callable[[], str], at: datetime) -> None:
    responses.get(INDEX, body=an_index(ts=ts()))

    assert market(a_desk()).index("BTC") == (Decimal("94990.5"), at)


@responses.activate
@pytest.mark.parametrize("body", [an_index("0"), an_index("null"), answer("[]"), answer('[{"symbol":"ETHUSD","indexPrice":3000}]')])
def test_l40_an_index_that_is_not_there_is_not_replaced(body: str) -> None:
    responses.get(INDEX, body=body)

    with pytest.raises(DataNotFresh, match="no index price of BTCUSD"):
        market(a_desk()).index("BTC")


@responses.activate
def test_the_market_lists_and_books_without_a_key() -> None:
    listed = (
        '[{"baseCurrency":"BTC","expirationTimestamp":1774684800000,"strike":100000.0,"symbolName":"BTCUSD-28MAR26-100000-P","isActive":true,'
        '"minQty":0.01,"tickSize":0.1}]'
    )
    responses.get(f"{HOST}/open/option/getInstruments/BTC", body=answer(listed))
    responses.get(f"{ORDERS}/orderbook/v1/{SYMBOL}", body=answer('{"bids":[{"size":"0.8","price":"1500"}],"asks":[]}'))
    reader = market(a_desk(key=None))

    (option,) = reader.instruments("BTC")
    book = reader.book(SYMBOL)

    assert (option.option_type, option.strike, option.underlying) == (OptionType.PUT, Decimal(100000), "BTC")
    assert (book.symbol, book.at, book.bids[0].price, book.asks) == (SYMBOL, NOW, Decimal(1500), ())


def test_a_lost_write_is_not_hidden_by_the_gateway() -> None:
    with responses.RequestsMock() as venue:
        venue.post(f"{ORDERS}/create/v1", body=requests.ReadTimeout("silence"))

        with pytest.raises(OutcomeUnknown):
            orders(a_desk()).submit(an_order())

        assert len(venue.calls) == 1
