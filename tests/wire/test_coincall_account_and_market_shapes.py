"""Whatever way Coincall writes an account and a market, they are read exactly; what cannot be read is said, never guessed."""

import math
from decimal import Decimal

import pytest

from clock import from_ms
from domain import Greeks, Option, Side
from errors import MalformedResponse
from exchanges.coincall import wire_account, wire_market

from tests.wire.coincall_builders import EXPIRY, NOW, SYMBOL, an_option

# ---- the account


def a_position(**changes: str) -> bytes:
    fields = {
        "symbol": f'"{SYMBOL}"',
        "qty": "0.10000000",
        "avgPrice": "1510.00000000",
        "markPrice": "1512.4",
        "upnl": "9.9",
        "upnlByMarkPrice": "-0.24",
        "roi": "9.9",
        "roiByMarkPrice": "0.00158",
        "tradeSide": "2",
        "rspl": "0E-8",
        "delta": "-0.033",
        "gamma": "0.000002",
        "vega": "9.5",
        "theta": "-4.0",
        "rho": "2.0",
    } | changes
    return ("[{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value) + "}]").encode()


def test_a_position_is_valued_by_mark_and_its_greeks_are_of_the_whole_holding() -> None:
    (found,) = wire_account.parse_positions(a_position())

    assert (found.signed_qty, found.upnl, found.roi) == (Decimal("-0.1"), Decimal("-0.24"), Decimal("0.00158"))
    assert found.greeks == Greeks(-0.033, 0.000002, 9.5, -4.0, 2.0)


def test_without_the_profit_by_mark_the_other_is_taken() -> None:
    (found,) = wire_account.parse_positions(a_position(upnlByMarkPrice="", roiByMarkPrice="null"))

    assert (found.upnl, found.roi) == (Decimal("9.9"), Decimal("9.9"))


def test_a_mark_of_zero_on_a_position_stays_zero() -> None:
    (found,) = wire_account.parse_positions(a_position(markPrice="0", upnlByMarkPrice="0E-8"))

    assert (found.mark, found.upnl) == (Decimal(0), Decimal(0))


def test_a_greek_that_is_missing_passes_no_limit() -> None:
    (found,) = wire_account.parse_positions(a_position(delta="null"))

    assert math.isnan(found.greeks.delta)
    assert not found.greeks.delta < 10


def test_a_flat_row_is_no_position() -> None:
    assert wire_account.parse_positions(a_position(qty="0E-8")) == ()
    assert wire_account.parse_positions(b"[]") == ()


@pytest.mark.parametrize("body", [b"null", b"{}", a_position(qty="-0.1"), a_position(tradeSide="0"), a_position(avgPrice='"nan"')])
def test_l39_positions_that_cannot_be_read_are_not_no_positions(body: bytes) -> None:
    with pytest.raises(MalformedResponse, match="positions"):
        wire_account.parse_positions(body)


@pytest.mark.parametrize("body", [b"null", b"{}", b'{"equity":""}', b'{"equity":null}'])
def test_l39_an_account_without_equity_is_not_a_poor_one(body: bytes) -> None:
    with pytest.raises(MalformedResponse, match="account summary"):
        wire_account.parse_summary(body)


def test_a_short_calls_settlement_is_money_paid() -> None:
    page = (
        '{"list":[{"symbol":"BTCUSD-27MAR26-90000-C","time":1774598452785,"qty":0.1,"tradeSide":2,"strike":90000.0,'
        '"exercisePrice":"95123.456","openCashFlow":150.0,"settlementCashFlow":-512.3456,"netCashFlow":-362.3456,"fees":1.42685}],'
        '"hasNext":false,"hasPrev":false}'
    )

    (found,) = wire_account.parse_settlements(page.encode()).rows

    assert (found.side, found.cash, found.fee, found.price) == (Side.SELL, Decimal("-512.3456"), Decimal("1.42685"), Decimal("95123.456"))


@pytest.mark.parametrize("parent", ['"0"', "0"])
def test_a_read_only_key_says_so(parent: str) -> None:
    found = wire_account.parse_key(f'{{"userId":1,"apiKey":"k","readOnly":1,"isMaster":true,"parentUid":{parent}}}'.encode())

    assert found.read_only
    assert str(found.parent_uid) == "0"


# ---- the market


def a_quoted(**changes: str) -> bytes:
    fields = {
        "symbol": f'"{SYMBOL}"',
        "type": "1",
        "markPrice": "1512.4",
        "bid": "1500.0",
        "ask": "1520.0",
        "bidSize": "0.8",
        "askSize": "1.2",
        "markIv": "0.515",
        "underlyingPrice": "95000.1",
        "delta": "0.33",
        "gamma": "0.00002",
        "vega": "95.1",
        "theta": "-40.2",
        "rho": "20.1",
    } | changes
    quoted = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value) + "}"
    return f'[{{"strike":100000.0,"callOption":{quoted},"putOption":null}}]'.encode()


def the_line(**changes: str) -> wire_market.QuoteLine:
    (found,) = wire_market.parse_chain(a_quoted(**changes))
    return found


def test_a_quote_of_the_chain_is_read_whole() -> None:
    quote = the_line().on(an_option(), NOW)

    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == tuple(map(Decimal, ("1500.0", "1520.0", "0.8", "1.2")))
    assert (quote.mark, quote.mark_iv, quote.underlying_price) == (Decimal("1512.4"), 0.515, Decimal("95000.1"))
    assert quote.greeks == Greeks(0.33, 0.00002, 95.1, -40.2, 20.1)


@pytest.mark.parametrize("none", ["0", "0E-8", '"0"', "null", '""', ""])
def test_l40_a_side_that_is_not_there_is_none_and_never_zero(none: str) -> None:
    line = the_line(bid=none, ask=none)

    assert (line.bid, line.bid_size, line.ask, line.ask_size) == (None, None, None, None)


def test_a_mark_of_zero_is_real_where_a_volatility_stands_behind_it() -> None:
    assert the_line(markPrice="0").mark == 0
    assert the_line(markPrice="0", markIv="0").mark is None
    assert the_line(markPrice="0", markIv="1.7976931348623157E308").mark is None
    assert the_line(markPrice="null").mark is None


@pytest.mark.parametrize("iv", ["1.7976931348623157E308", '"NaN"', "0", "null"])
def test_a_volatility_that_means_none_is_none(iv: str) -> None:
    assert the_line(markIv=iv).mark_iv is None


@pytest.mark.parametrize("name", ["delta", "gamma", "vega", "theta", "rho"])
def test_greeks_are_known_together_or_not_at_all(name: str) -> None:
    assert the_line(**{name: "null"}).greeks is None
    assert the_line(**{name: "0"}).greeks is not None


def test_a_put_that_only_has_a_name_is_a_quote_without_numbers() -> None:
    (found,) = wire_market.parse_chain(b'[{"strike":1,"putOption":{"optionId":2,"underlying":"BTCUSD","symbol":"P","type":2}}]')

    assert (found.bid, found.ask, found.mark, found.greeks, found.underlying_price) == (None, None, None, None, None)


def a_listed(symbol: str = SYMBOL, tick: str = "0.1", lot: str = "0.01", active: str = "true") -> str:
    return (
        f'{{"baseCurrency":"BTC","expirationTimestamp":1774684800000,"strike":100000.0,"symbolName":"{symbol}","isActive":{active},'
        f'"minQty":{lot},"tickSize":{tick}}}'
    )


def listed(*rows: str) -> tuple[Option, ...]:
    return wire_market.parse_instruments(f"[{','.join(rows)}]".encode())


def test_an_instrument_brings_its_own_grid_and_expiry() -> None:
    (found,) = listed(a_listed(tick="1", active="false"))

    assert (found.tick, found.lot, found.expiry, found.active) == (Decimal(1), Decimal("0.01"), EXPIRY, False)


def test_what_is_neither_call_nor_put_or_has_no_grid_is_left_out() -> None:
    found = listed(
        a_listed(), a_listed("BTCUSD-28MAR26-100000-X"), a_listed("B-P", tick="0"), a_listed("B-P", lot="0"), a_listed("SOL-81.0-P")
    )

    assert [option.symbol for option in found] == [SYMBOL, "SOL-81.0-P"]


def test_a_book_is_best_first_and_holds_no_empty_level() -> None:
    body = (
        b'{"optionName":"x","displayName":null,"bids":[{"size":"1","price":"9"},{"size":"0","price":"11"},{"size":"2","price":"10"}],'
        b'"asks":[{"size":1,"price":12},{"size":"1","price":"0"}]}'
    )

    book = wire_market.parse_book(body).of("x", NOW)

    assert [level.price for level in book.bids] == [10, 9]
    assert [level.price for level in book.asks] == [0, 12]


@pytest.mark.parametrize("body", [b'{"bids":[]}', b'{"bids":null,"asks":[]}', b"null"])
def test_a_book_with_half_its_sides_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponse, match="order book"):
        wire_market.parse_book(body)


@pytest.mark.parametrize("body", ['{"symbol":"BTCUSD","indexPrice":%s,"ts":5}', ' [{"symbol":"BTCUSD","indexPrice":%s,"ts":"5"}]'])
def test_the_index_comes_alone_or_in_a_list_and_zero_means_none(body: str) -> None:
    (found,) = wire_market.parse_index((body % "94990.5").encode())
    (none,) = wire_market.parse_index((body % "0").encode())

    assert (found.price, found.ts, none.price) == (Decimal("94990.5"), 5, None)


def test_the_servers_time_is_in_milliseconds() -> None:
    assert wire_market.parse_time(b'{"serverTime":1764000000123}') == from_ms(1764000000123)
