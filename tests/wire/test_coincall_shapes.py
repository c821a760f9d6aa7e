"""Whatever way Coincall writes a value, it is read exactly; whatever cannot be read is said, never guessed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ClientOrderId, OrderStatus, Purpose, Side
from errors import MalformedResponse
from exchanges.coincall import wire, wire_account

from tests.wire.coincall_builders import OUR_NUMBER, SYMBOL, a_client_id, a_fill_row, an_order_row

# ---- the envelope


@pytest.mark.parametrize("code", ["0", '"0"'])
@pytest.mark.parametrize("msg", ['"Success"', '""', "null", "17"])
def test_every_way_of_saying_success_is_understood(code: str, msg: str) -> None:
    assert wire.parse_envelope(f'{{"code":{code},"msg":{msg},"data":[]}}'.encode()).code == 0


def test_an_envelope_without_data_has_none() -> None:
    assert bytes(wire.parse_envelope(b'{"code":0}').data) == b"null"


def test_the_words_of_a_refusal_hold_their_arguments() -> None:
    found = wire.parse_envelope(b'{"code":10531,"msg":"higher than the maximum limit {0} of {1}.","i18nArgs":["1520.5",7],"data":null}')

    assert found.text == "higher than the maximum limit 1520.5 of 7."


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"code":0,"data":{"a":1', b'{"msg":"x"}', b"[]", b'{"code":"many"}', b"\xff\xfe"])
def test_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponse, match="envelope"):
        wire.parse_envelope(body)


# ---- ids


@given(
    desk=st.integers(0, 9999),
    trade=st.integers(0, 9_999_999),
    leg=st.integers(0, 99),
    purpose=st.sampled_from(Purpose),
    attempt=st.integers(0, 9999),
)
def test_d11_a_client_order_id_comes_back_and_is_a_positive_int64(desk: int, trade: int, leg: int, purpose: Purpose, attempt: int) -> None:
    client_id = ClientOrderId(desk=desk, trade=trade, leg=leg, purpose=purpose, attempt=attempt)

    number = wire.encode_client_id(client_id)

    assert len(str(number)) == 19
    assert number < 2**63
    assert wire.decode_client_id(number) == client_id


def test_a_client_order_id_is_written_digit_by_digit() -> None:
    assert wire.encode_client_id(a_client_id()) == OUR_NUMBER


@pytest.mark.parametrize("part", [{"desk": 10000}, {"trade": 10**7}, {"leg": 100}, {"attempt": 10000}, {"attempt": -1}])
def test_an_id_that_does_not_fit_is_refused_before_sending(part: dict[str, int]) -> None:
    parts = {"desk": 1, "trade": 1, "leg": 1, "attempt": 1} | part
    with pytest.raises(ValueError, match="does not fit"):
        wire.encode_client_id(ClientOrderId(purpose=Purpose.OPEN, **parts))


@pytest.mark.parametrize("number", [None, 0, 123123123, -OUR_NUMBER, 1900000000000000123, OUR_NUMBER * 10, 7004200000170190003])
def test_l20_an_id_that_is_not_ours_is_nobodys(number: int | None) -> None:
    assert wire.decode_client_id(number) is None


def test_an_id_that_the_venue_made_up_from_its_own_is_not_ours() -> None:
    assert wire.decode_client_id(OUR_NUMBER, order_id=OUR_NUMBER) is None


@given(st.integers())
def test_reading_any_number_as_an_id_never_fails(number: int) -> None:
    found = wire.decode_client_id(number)

    assert found is None or wire.encode_client_id(found) == number


# ---- orders

STATES = [
    (-10, OrderStatus.ILLEGAL, False),
    (-1, OrderStatus.PRE, False),
    (-2, OrderStatus.WAITING_EFFECT, False),
    (0, OrderStatus.NEW, False),
    (1, OrderStatus.FILLED, True),
    (2, OrderStatus.PARTIALLY_FILLED, False),
    (3, OrderStatus.CANCELED, True),
    (4, OrderStatus.PRE_CANCEL, False),
    (5, OrderStatus.CANCELING, False),
    (6, OrderStatus.INVALID, True),
    (10, OrderStatus.CANCEL_BY_EXERCISE, True),
    (7, OrderStatus.UNKNOWN, False),
    (99, OrderStatus.UNKNOWN, False),
]


@pytest.mark.parametrize(("state", "status", "final"), STATES)
def test_l6_only_four_states_are_final_and_an_unknown_one_is_not(state: int, status: OrderStatus, final: bool) -> None:
    found = wire.parse_order(an_order_row(state=state).encode())

    assert (found.status, found.status.final) == (status, final)


def test_an_order_without_a_state_is_unknown_unless_it_stands_among_the_open_ones() -> None:
    row = an_order_row(state=None)
    page = f'{{"list":[{row},{an_order_row(state=None, filled="0E-8")},{an_order_row(state=4)}],"pageTotal":1,"total":3}}'

    assert wire.parse_order(row.encode()).status is OrderStatus.UNKNOWN
    statuses = [order.status for order in wire.parse_open_orders(page.encode(), 1, 500).rows]
    assert statuses == [OrderStatus.PARTIALLY_FILLED, OrderStatus.NEW, OrderStatus.PRE_CANCEL]


def test_l7_an_order_is_read_the_same_from_strings_and_from_numbers() -> None:
    strings = (
        '{"orderId":"1900000000000000123","clientOrderId":"7004200000170110003","symbol":"' + SYMBOL + '","qty":"0.5","fillQty":"0.50",'
        '"price":"1510.0","avgPrice":"1508.0","tradeSide":"1","createTime":"1772366400000","fee":"14.25","state":"1","soon":{"a":[1]}}'
    )

    assert wire.parse_order(strings.encode()) == wire.parse_order(an_order_row().encode())
    assert wire.parse_order(strings.encode()).client_id == a_client_id()


def test_an_order_keeps_every_digit() -> None:
    row = f'{{"orderId":1,"symbol":"{SYMBOL}","qty":0.1234567890123456789,"fillQty":6.0E-4,"tradeSide":2,"price":1E+3,"state":2}}'

    found = wire.parse_order(row.encode())

    assert (found.qty, found.filled, found.price) == (Decimal("0.1234567890123456789"), Decimal("0.0006"), Decimal(1000))


@pytest.mark.parametrize("nothing", ["null", '""', ' ""'])
def test_null_and_an_empty_string_both_mean_absent(nothing: str) -> None:
    row = (
        f'{{"orderId":1,"clientOrderId":{nothing},"symbol":"a\\"","qty":1,"fillQty":0E-8,"tradeSide":2,"price":0,"avgPrice":{nothing},'
        f'"fee":{nothing},"createTime":{nothing},"state":0}}'
    )

    found = wire.parse_order(row.encode())

    assert (found.client_id, found.avg_price, found.fee, found.created_at) == (None, None, None, None)
    assert found.price == 0


def test_a_foreign_order_with_a_free_text_id_is_read() -> None:
    row = f'{{"orderId":1,"clientOrderId":"abc","symbol":"{SYMBOL}","qty":1,"remainQty":0.25,"tradeSide":2,"state":2}}'

    found = wire.parse_order(row.encode())

    assert (found.client_id, found.filled) == (None, Decimal("0.75"))


def test_an_average_price_without_a_fill_is_none() -> None:
    assert wire.parse_order(an_order_row(state=0, filled="0").encode()).avg_price is None


@pytest.mark.parametrize(
    "row",
    [
        f'{{"orderId":1,"symbol":"{SYMBOL}","qty":1,"tradeSide":1,"state":0}}',  # filled by how much?
        f'{{"orderId":1,"symbol":"{SYMBOL}","qty":1,"fillQty":-1,"tradeSide":1,"state":0}}',
        f'{{"orderId":1,"symbol":"{SYMBOL}","qty":1,"fillQty":0,"tradeSide":3,"state":0}}',
        f'{{"orderId":1,"symbol":"{SYMBOL}","qty":"NaN","fillQty":0,"tradeSide":1,"state":0}}',
        f'{{"orderId":1,"symbol":"{SYMBOL}","qty":"Infinity","fillQty":0,"tradeSide":1,"state":0}}',
        f'{{"orderId":1,"symbol":"{SYMBOL}","qty":1,"fillQty":0,"tradeSide":1,"createTime":99999999999999999}}',
        '{"orderId":1,"qty":1,"fillQty":0,"tradeSide":1,"state":0}',
        f'{{"orderId":"x1","symbol":"{SYMBOL}","qty":1,"fillQty":0,"tradeSide":1,"state":0}}',
        "null",
        "[]",
    ],
)
def test_an_order_that_makes_no_sense_is_malformed(row: str) -> None:
    with pytest.raises(MalformedResponse, match="order"):
        wire.parse_order(row.encode())


@pytest.mark.parametrize(
    ("rows", "pages", "page", "size", "more"),
    [(2, 1, 1, 500, False), (2, 2, 1, 500, True), (2, 0, 1, 2, True), (0, 9, 3, 2, False), (1, 2, 2, 2, False)],
)
def test_a_full_page_is_never_taken_for_the_last(rows: int, pages: int, page: int, size: int, more: bool) -> None:
    listed = ",".join(an_order_row(order_id=number + 1) for number in range(rows))

    found = wire.parse_open_orders(f'{{"list":[{listed}],"pageTotal":{pages},"total":0}}'.encode(), page, size)

    assert found.has_more is more


@pytest.mark.parametrize("page", ["null", "{}", '{"list":null,"hasNext":false}', '{"list":[]}', '{"list":[],"hasNext":null}'])
def test_l39_a_list_that_is_not_there_is_not_an_empty_one(page: str) -> None:
    for parse in (wire.parse_fills, wire.parse_order_history, wire_account.parse_settlements):
        with pytest.raises(MalformedResponse):
            parse(page.encode())


def test_a_fill_keeps_the_sign_of_its_fee() -> None:
    page = f'{{"list":[{a_fill_row(7)},{a_fill_row(5).replace("14.25", "-1.5")}],"hasNext":true,"hasPre":false}}'

    found = wire.parse_fills(page.encode())

    assert [fill.fee for fill in found.rows] == [Decimal("14.25"), Decimal("-1.5")]
    assert (found.cursor, found.has_more) == (5, True)
    assert (found.rows[0].id, found.rows[0].side, found.rows[0].is_taker) == ("7", Side.SELL, True)


@pytest.mark.parametrize("qty", ["0", "-0.5"])
def test_a_fill_of_nothing_is_malformed(qty: str) -> None:
    row = a_fill_row(7).replace('"qty":0.5', f'"qty":{qty}')

    with pytest.raises(MalformedResponse, match="fill 7 is of"):
        wire.parse_fills(f'{{"list":[{row}],"hasNext":false}}'.encode())
