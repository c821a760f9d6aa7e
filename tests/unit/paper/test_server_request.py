"""Reading a request: parameters from wherever they stand, exact, and the texts its signature may cover."""

from decimal import Decimal

import pytest

from paper.server_request import Params, Refusal, Request, signed_texts


def a_request(body: bytes = b"", query: str = "", content_type: bytes = b"application/json") -> Request:
    request = Request("POST", "/path", query, {b"content-type": content_type})
    request.read(body)
    return request


def accepted(request: Request, *, lenient: bool = True) -> list[str]:
    texts = signed_texts(request, "k", "1", "5000", lenient=lenient)
    return [text.removeprefix("POST/path?").removesuffix("uuid=k&ts=1&x-req-ts-diff=5000").removesuffix("&") for text in texts]


def test_json_form_and_query_read_the_same() -> None:
    by_json = a_request(b'{"price": 15.50, "symbol": "X"}')
    by_form = a_request(b"price=15.50&symbol=X", content_type=b"application/x-www-form-urlencoded")
    by_query = a_request(query="price=15.50&symbol=X")

    for request in (by_json, by_form, by_query):
        assert str(request.params.number("price")) == "15.50"
        assert accepted(request) == ["price=15.50&symbol=X"]


def test_a_body_of_no_known_type_is_told_by_its_first_character() -> None:
    assert a_request(b'{"a": 1}', content_type=b"").params.integer("a") == 1
    assert a_request(b"a=1", content_type=b"text/plain").params.integer("a") == 1


def test_the_query_wins_over_the_body() -> None:
    assert a_request(b'{"a": 1}', query="a=2").params.integer("a") == 2


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as no:
        a_request(body)

    assert no.value.code == 10004


def test_strict_verification_knows_one_text_only() -> None:
    assert accepted(a_request(b'{"mmp": true, "legs": [{"a": null, "b": 1.0}]}'), lenient=False) == ['legs=[{"b":1.0}]&mmp=true']


def test_lenient_verification_knows_what_live_clients_sign() -> None:
    texts = accepted(a_request(b'{"mmp": true, "legs": [{"a": null, "b": 1.0}]}'))

    assert 'legs=[{"b":1.0}]&mmp=True' in texts
    assert 'legs=[{"a":null,"b":1.0}]&mmp=true' in texts


def test_lenient_verification_tries_the_encoded_query() -> None:
    assert accepted(a_request(query="symbol=BTCUSD%2CETHUSD")) == ["symbol=BTCUSD,ETHUSD", "symbol=BTCUSD%2CETHUSD"]


@pytest.mark.parametrize("text", ["x", "NaN", "Infinity", "1e999999", "1" * 31, "0." + "0" * 31 + "1"])
def test_what_is_no_sane_number_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as no:
        Params({"price": text}).number("price")

    assert no.value.code == 10573


@pytest.mark.parametrize("text", ["1.0", "x", "9223372036854775808", "--1", "1_000", "٣"])
def test_what_is_no_whole_number_of_64_bits_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as no:
        Params({"id": text}).integer("id")

    assert no.value.code == 10573


def test_zero_is_a_number_and_an_empty_text_is_none() -> None:
    assert Params({"a": "0"}).maybe_number("a") == Decimal(0)
    assert Params({"a": ""}).maybe_number("a") is None
    assert Params({}).maybe_integer("a") is None


def test_a_required_parameter_that_is_absent_is_named() -> None:
    with pytest.raises(Refusal) as no:
        Params({}).text("symbol")

    assert (no.value.code, no.value.details) == (10570, ("symbol",))


@pytest.mark.parametrize(("given", "meant"), [("1", True), ("0", False), (True, True), (False, False), ("TRUE", True), (None, False)])
def test_a_flag_is_written_in_several_ways(given: str | bool | None, meant: bool) -> None:
    assert Params({"reduceOnly": given}).flag("reduceOnly") is meant


def test_a_moment_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(Refusal) as no:
        Params({"endTime": "9" * 18}).maybe_moment("endTime")

    assert no.value.code == 10573


def test_lists_are_bounded_and_of_one_kind() -> None:
    assert Params({"ids": [1, 2]}).integers("ids", 2) == [1, 2]
    assert Params({}).integers("ids", 2) == []
    for values, code in (({"ids": [1, 2, 3]}, 10572), ({"ids": "5"}, 10573), ({"ids": ["x"]}, 10573)):
        with pytest.raises(Refusal) as no:
            Params(values).integers("ids", 2)
        assert no.value.code == code


def test_objects_of_a_list_are_parameters_themselves() -> None:
    assert [one.integer("a") for one in Params({"orders": [{"a": "1"}, {"a": "2"}]}).objects("orders", 40)] == [1, 2]
    for values, code in (({}, 10570), ({"orders": [1]}, 10573)):
        with pytest.raises(Refusal) as no:
            Params(values).objects("orders", 40)
        assert no.value.code == code


def test_a_page_size_is_cut_and_never_below_one() -> None:
    assert Params({"pageSize": "900"}).bounded("pageSize", 20, 500) == 500
    assert Params({}).bounded("pageSize", 20, 500) == 20
    with pytest.raises(Refusal):
        Params({"pageSize": "0"}).bounded("pageSize", 20, 500)
