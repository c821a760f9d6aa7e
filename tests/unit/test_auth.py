"""Signatures are what the venue documents, down to the last recorded vector, and give no secret away."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import auth
from auth import Dialect, NumberText, Value

OFFICIAL_KEY = "xdtHWn32rsuDQConutzl9JDZB+Y1leitFl356YHrmts="
OFFICIAL_SECRET = "fce1102b2a0dea92957fa7d2e981df826295cd85696e40f0d521a6b8707b94c8"
OPTION = "BTCUSD-27JUN25-105000-C"
ORDER = "/open/option/order"
BLOCK = "/open/option/blocktrade"


def an_official_order(**more: Value) -> dict[str, Value]:
    head: dict[str, Value] = {"clientOrderId": 212112212112, "symbol": "BTCUSD-10JAN25-89000-C", "tradeSide": 1, "price": 1}
    return {**head, "qty": Decimal("0.1"), **more, "tradeType": 1}


# Source: Coincall API 2.5
OFFICIAL = [
    (
        "POST",
        "/open/futures/leverage/set/v1",
        {"symbol": "BTCUSD", "leverage": 1},
        "POST/open/futures/leverage/set/v1?leverage=1&symbol=BTCUSD",
        "B6D7D7853A096258782A270FCAEE810DD520CDB51B76E48DC787D2E982D9AB0A",
    ),
    (
        "GET",
        "/get/userInfo/v1",
        {"name": "Mike", "age": 18},
        "GET/get/userInfo/v1?age=18&name=Mike",
        "4A17D8318638A49C486A041513E4756DF20FCD8C2CF6FC437C6BBDC5C9EB58C7",
    ),
    (
        "POST",
        "/open/options/create/v1",
        {"name": "mike", "num": 2, "orders": [an_official_order(stp=None), an_official_order(stp=1)]},
        "POST/open/options/create/v1?name=mike&num=2&orders=["
        '{"clientOrderId":212112212112,"symbol":"BTCUSD-10JAN25-89000-C","tradeSide":1,"price":1,"qty":0.1,"tradeType":1},'
        '{"clientOrderId":212112212112,"symbol":"BTCUSD-10JAN25-89000-C","tradeSide":1,"price":1,"qty":0.1,"stp":1,"tradeType":1}]',
        "A32855D60620D3B948DD48B62FB6E4D3D3980C6B664C7C5EB25927A9B7626BF6",
    ),
]


def a_batch_order(number: int, side: int, price: str, **more: Value) -> dict[str, Value]:
    head: dict[str, Value] = {"clientOrderId": number, "symbol": OPTION, "tradeSide": side, "price": Decimal(price)}
    return {**head, "qty": Decimal("0.1"), "timeInForce": "GTC", **more, "tradeType": 1}


# Source: Coincall API 2.6, rows 1 to 9, then the vectors of a maker proven live
COMPUTED: list[tuple[str, str, dict[str, Value], str]] = [
    ("GET", "/open/user/info/v1", {}, "C77DFF7E5F25FA27CB0DC0D0D2E5892A2AED2FE1C48C45A75C4045156E8D038F"),
    (
        "GET",
        f"{ORDER}/history/v1",
        {"pageSize": 20, "startTime": 1749900000000, "endTime": 1749999999999},
        "270C5281B73967A9F89D3ABB6D22976352E8BB95E2CB54CC2C185CD5B07CD1A4",
    ),
    (
        "POST",
        f"{ORDER}/create/v1",
        {
            "symbol": OPTION,
            "qty": Decimal("0.5"),
            "tradeSide": 1,
            "tradeType": 1,
            "price": Decimal(2550),
            "clientOrderId": 123123123,
            "timeInForce": "GTC",
        },
        "3E12E9379B956C670B9C8DFEFBFBE69065634F7A5A06145EC57340403BFA7B04",
    ),
    (
        "POST",
        f"{BLOCK}/request/create/v1",
        {
            "legs": [
                {"instrumentName": OPTION, "side": "BUY", "qty": "0.5"},
                {"instrumentName": "BTCUSD-27JUN25-95000-P", "side": "SELL", "qty": "0.5"},
            ]
        },
        "93237811BA6A902F748D2E774530C09675F210D6C2578F314F6E09DB4A785796",
    ),
    (
        "POST",
        f"{BLOCK}/request/accept/v1",
        {"requestId": "1983130719395909632", "quoteId": "1983131007357546497"},
        "43E3947B2CB60E82ED8F8BA4D5A34035DB7F1D51C5737441DB9AE906A495F3B9",
    ),
    (
        "POST",
        f"{ORDER}/batchCreate/v1",
        {"orders": [a_batch_order(11, 1, "2550", stp=None), a_batch_order(12, 2, "2600.5", stp=1)]},
        "ECBAFC9575692FFC5D4F12685B4EE1502DE6677BD9671A0562111D4FDF5DFBBC",
    ),
    (
        "POST",
        f"{ORDER}/create/v1",
        {"symbol": OPTION, "qty": 1, "tradeSide": 1, "tradeType": 3, "price": Decimal("2550.5"), "mmp": True},
        "0B386042500BB2B6873EDD2A00A771FD88E36D690EA67B3598DE33C5FC1D8114",
    ),
    ("POST", f"{BLOCK}/quote/cancel-all/v1", {}, "F55694FBDCCC1CE64E4521FBE4A1EEADE39D45D67006F22052130EDF99A3EDBC"),
    ("GET", "/open/public/fundingRate/v1", {"symbol": "BTCUSD,ETHUSD"}, "07FCA21EE084C78E84681296B59E4E2CE4A7F4D54D5471F85D7F06C163234129"),
    ("GET", f"{BLOCK}/rfqList/v1", {"role": "MAKER", "state": "OPEN"}, "1677ADD7A27535F275539A17891025E3F0E8BEED9E2F780375E04A770E29656C"),
    ("GET", f"{BLOCK}/list-quote/v1", {}, "EDB261BC0E9367939F77E4434202F03AB9C72C56D540C90BEFEF08367D7699FC"),
    (
        "POST",
        f"{BLOCK}/quote/create/v1",
        {"requestId": "rfq-123", "legs": [{"instrumentName": "BTCUSD-29AUG25-125000-C", "price": "22"}]},
        "2950EEF8E210F5FD45E0E72323589739001DABDFB2C8EC6901583C525DAF15FC",
    ),
    ("POST", f"{BLOCK}/quote/cancel/v1", {"quoteId": "q-999"}, "9ED0FB5E03EEBCDFA6200D78EA54D51DB5BA58CB659E5B5C723AC25D90D98C6E"),
]


@pytest.mark.parametrize(("method", "path", "params", "text", "sign"), OFFICIAL)
def test_the_official_worked_examples_are_reproduced(method: str, path: str, params: dict[str, Value], text: str, sign: str) -> None:
    assert auth.prehash(method, path, params, OFFICIAL_KEY, 1688436087184, 3000).startswith(f"{text}&uuid=")

    headers = auth.sign_request(method, path, params, OFFICIAL_KEY, OFFICIAL_SECRET, 1688436087184, diff_ms=3000)

    assert headers == {"X-CC-APIKEY": OFFICIAL_KEY, "sign": sign, "ts": "1688436087184", "X-REQ-TS-DIFF": "3000"}


@pytest.mark.parametrize(("method", "path", "params", "sign"), COMPUTED)
def test_the_computed_vectors_are_reproduced(method: str, path: str, params: dict[str, Value], sign: str) -> None:
    assert auth.sign_request(method, path, params, "test-key", "test-secret", 1750000000000)["sign"] == sign


@pytest.mark.parametrize(("method", "path", "params", "sign"), COMPUTED)
def test_a_verifier_that_reads_the_body_comes_to_the_same_signature(method: str, path: str, params: dict[str, Value], sign: str) -> None:
    body = auth.json_text(params)

    text = auth.prehash(method, path, auth.params_of_json(body), "test-key", "1750000000000", "5000")

    assert auth.verify(text, "test-secret", sign)


def test_a_websocket_opens_with_the_documented_signature() -> None:
    query = auth.websocket_query("test-key", "test-secret", 1750000000000)

    sign = "E85F652D7C94C15A42D39EF486AEC13619D035CFE233728BAD6CABEE61D0AB65"
    assert query == f"code=10&uuid=test-key&ts=1750000000000&sign={sign}&apiKey=test-key"


def test_a_verifier_knows_the_older_websocket_form() -> None:
    text = auth.websocket_prehash("test-key", 1750000000000, key_name="uuid")

    assert auth.signature(text, "test-secret") == "49FA01D7DFD3BCEA5DF28F8079848D90683E8C999539F122EB1DC4DAE47AD734"


def test_the_case_of_the_hex_does_not_matter_and_its_digits_do() -> None:
    sign = auth.signature("text", "secret")

    assert auth.verify("text", "secret", sign.lower())
    assert not auth.verify("text", "secret", "0" + sign[1:])
    assert not auth.verify("text", "secret", "ä")


def test_l5_the_moment_is_part_of_the_signature() -> None:
    one, next_one = (auth.sign_request("POST", "/p", {}, "k", "s", ts)["sign"] for ts in (1, 2))

    assert one != next_one


def test_a_number_is_signed_as_it_stands_in_the_body() -> None:
    params = auth.params_of_json('{"qty": 2550.0, "n": [1E-7], "id": 1900000000000000123}')

    text = auth.prehash("POST", "/p", params, "k", 1)

    assert text.startswith("POST/p?id=1900000000000000123&n=[1E-7]&qty=2550.0&uuid=k")


@pytest.mark.parametrize(
    ("number", "text"),
    [("2550.0", "2550"), ("1E-7", "0.0000001"), ("0E-8", "0"), ("-0.50", "-0.5"), ("1.2E+3", "1200"), ("100", "100"), ("-0", "0")],
)
def test_a_decimal_is_written_in_plain_digits(number: str, text: str) -> None:
    assert auth.number_text(Decimal(number)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_a_decimal_comes_back_exactly(number: Decimal) -> None:
    assert Decimal(auth.number_text(number)) == number


@given(st.dictionaries(st.text(min_size=1), st.text() | st.booleans() | st.integers() | st.lists(st.text()), max_size=5))
def test_the_text_that_is_sent_is_json_that_says_the_same(params: dict[str, Value]) -> None:
    assert json.loads(auth.json_text(params)) == params


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_number_is_not_signed(number: Decimal) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        auth.json_text({"price": number})


def test_a_float_is_refused_because_its_digits_are_not_those_meant() -> None:
    with pytest.raises(TypeError, match="float"):
        auth.sign_request("POST", "/p", {"price": 0.1}, "k", "s", 1)  # type: ignore[dict-item]


@pytest.mark.parametrize("body", ["[1]", '{"a":NaN}', "{", "7"])
def test_a_body_that_is_no_object_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        auth.params_of_json(body)


def test_an_empty_body_has_no_parameters() -> None:
    assert auth.params_of_json(b" ") == {}


def test_dialects_write_what_other_clients_sign() -> None:
    params: dict[str, Value] = {"mmp": True, "off": False, "orders": [{"stp": None, "ok": True}], "gone": None}
    texts = [auth.prehash("POST", "/p", params, "k", 1, dialect=dialect).partition("&uuid")[0] for dialect in auth.DIALECTS]

    assert texts == [
        'POST/p?mmp=true&off=false&orders=[{"ok":true}]',
        'POST/p?mmp=True&off=False&orders=[{"ok":true}]',
        'POST/p?mmp=true&off=false&orders=[{"stp":null,"ok":true}]',
        'POST/p?mmp=True&off=False&orders=[{"stp":null,"ok":true}]',
    ]
    assert Dialect() == auth.DOCUMENTED


def test_nothing_is_encoded_in_what_is_signed() -> None:
    assert auth.prehash("get", "/p", {"s": "a+b/c=ü"}, "k+/=", 1) == "GET/p?s=a+b/c=ü&uuid=k+/=&ts=1&x-req-ts-diff=5000"


def test_a_literal_number_stays_unquoted_and_a_text_does_not() -> None:
    assert auth.json_text([NumberText("1.50"), "1.50", None, 3]) == '[1.50,"1.50",null,3]'


def test_l53_credentials_do_not_show_themselves() -> None:
    assert "hush" not in repr(auth.Credentials("hush-key", "hush-secret"))
