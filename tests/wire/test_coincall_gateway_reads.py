"""What the ports of the account and the market promise holds on the wire: all of it with its age, or none."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import requests
import responses

from clock import to_ms
from domain import Chain, Greeks, OptionType, Side
from errors import DataNotFresh, ExchangeUnavailable, VenueError
from exchanges.coincall.gateway import CoincallAccount, CoincallMarket
from ports import AccountReader, MarketReader

from tests.wire.coincall_builders import (
    EXPIRY,
    HOST,
    NOW,
    ORDERS,
    SENT_AT,
    SYMBOL,
    Answered,
    Desk,
    a_desk,
    a_page,
    an_option,
    answer,
    pages,
    query_of,
)

EXERCISES = f"{HOST}/open/settle/exercise/history/v1"
SUMMARY = f"{HOST}/open/account/summary/v1"
POSITIONS = f"{HOST}/open/option/position/get/v1"
CHAIN, INDEX = f"{HOST}/open/option/get/v1/BTCUSD", f"{HOST}/open/futures/market/symbol/v1"


def account(desk: Desk) -> AccountReader:
    return CoincallAccount(desk.client, desk.clock)


def market(desk: Desk) -> MarketReader:
    return CoincallMarket(desk.client)


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
