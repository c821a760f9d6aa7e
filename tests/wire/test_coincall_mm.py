"""Market makers' calls as documented, what their answers mean, and whose is which row of a batch."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st

from clock import from_ms
from domain import ClientOrderId, NewOrder, Purpose
from errors import (
    AuthenticationRejected,
    CountdownElapsed,
    DuplicateClientOrderId,
    ExchangeRejected,
    MalformedResponse,
    OrderAlreadyFinal,
    OrderNotFound,
    OutcomeUnknown,
    SizeRejected,
    VenueError,
)
from exchanges.coincall.batch_truth import Outcome, attributed
from exchanges.coincall.client import order_params
from exchanges.coincall.client_mm import CoincallMakerClient
from exchanges.coincall.codes import COUNTDOWN_ELAPSED, NO_PROTECTION
from exchanges.coincall.gateway_mm import CoincallBatches, CoincallDeadMan, CoincallProtection
from exchanges.coincall.wire import encode_client_id
from exchanges.coincall.wire_account import BatchAnswer
from exchanges.coincall.wire_mm import Countdown, ProtectionTerms

from tests.wire.coincall_builders import HOST, NOW, a_client_id, a_desk, a_page, an_order, an_order_row, answer, answered, query_of

COUNTDOWN = f"{HOST}/open/futures/countdown/cancel"
MMP = f"{HOST}/open/mmp"
CREATE_MANY, CANCEL_MANY = f"{HOST}/open/option/order/batchCreate/v1", f"{HOST}/open/option/order/batchCancel/v1"
PENDING, HISTORY = f"{HOST}/open/option/order/pending/v1", f"{HOST}/open/option/order/history/v1"
MINUTE = timedelta(minutes=1)
TERMS = ProtectionTerms(window=timedelta(seconds=5), freeze=timedelta(seconds=5), qty_limit=Decimal(10), delta_limit=Decimal(5))
PROTECTION = (
    '{"id":7,"uid":1695000000000009,"indexName":"BTCUSD","intervalTime":5000,"frozenTime":5000,"qtyLimit":10,"deltaLimit":5,'
    '"mmpFrozen":false,"mmpFrozenUntil":"","ctime":"2026-01-01T00:00:00.000+00:00","mtime":"2026-01-01T00:00:00.000+00:00"}'
)


def a_maker() -> CoincallMakerClient:
    return CoincallMakerClient(a_desk().transport)


def batches() -> CoincallBatches:
    desk = a_desk()
    return CoincallBatches(desk.client, CoincallMakerClient(desk.transport), desk.clock)


def orders(number: int) -> list[NewOrder]:
    return [replace(an_order(), client_id=a_client_id(attempt=n)) for n in range(number)]


def sent() -> dict[str, object]:
    """The JSON body of the last request."""
    body = responses.calls[-1].request.body
    found: dict[str, object] = json.loads(body or b"{}")
    return found


# ---- countdowns


@responses.activate
@pytest.mark.parametrize(("span", "ms"), [(MINUTE, 60_000), (timedelta(0), 0)])
def test_a_countdown_is_set_for_the_options_of_an_index(span: timedelta, ms: int) -> None:
    responses.post(f"{COUNTDOWN}/v1", body=answer("true", msg='"success"'))
    CoincallDeadMan(a_maker()).set_countdown("BTC", span)
    assert sent() == {"symbol": "BTCUSD", "type": 1, "countdownTime": ms}


@responses.activate
def test_a_reset_names_all_indexes_at_once_and_tells_which_were_reset() -> None:
    responses.post(f"{COUNTDOWN}/heartbeat/v1", body=answer('["ETHUSD","XYZ"]'))
    assert CoincallDeadMan(a_maker()).reset_countdown(["BTC", "ETH"]) == ("ETH",)
    assert sent() == {"symbols": "BTCUSD,ETHUSD", "type": 1}


@responses.activate
def test_the_documented_list_of_countdowns_is_read() -> None:
    responses.get(f"{COUNTDOWN}/get/v1", body=answer('[{"type":1,"symbol":"BTCUSD","countdownTime":60000}]'))
    assert a_maker().get_countdown() == (Countdown("BTCUSD", MINUTE),)
    assert query_of(responses.calls[0].request) == {"type": "1"}


@responses.activate
@pytest.mark.parametrize("body", ["Not Found", answer(code="404", msg='"Not Found"')])
def test_an_account_without_the_grant_is_told_so_once_and_nothing_is_repeated(body: str) -> None:
    responses.post(f"{COUNTDOWN}/v1", status=404, body=body)
    with pytest.raises(AuthenticationRejected, match="no market maker"):
        CoincallDeadMan(a_maker()).set_countdown("BTC", MINUTE)
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (answer("false"), OutcomeUnknown),
        (answer('{"odd":1}'), OutcomeUnknown),
        (answer(code="10579", msg='"Index does not exist."'), ExchangeRejected),
        (answer(code="10000"), OutcomeUnknown),
    ],
)
def test_only_a_plain_yes_is_a_confirmation(body: str, error: type[VenueError]) -> None:
    responses.post(f"{COUNTDOWN}/v1", body=body)
    with pytest.raises(error) as caught:
        CoincallDeadMan(a_maker()).set_countdown("BTC", MINUTE)
    assert not isinstance(caught.value, AuthenticationRejected)


@responses.activate
def test_a_countdown_below_zero_is_no_answer() -> None:
    responses.get(f"{COUNTDOWN}/get/v1", body=answer('[{"type":1,"symbol":"BTCUSD","countdownTime":-1}]'))
    with pytest.raises(MalformedResponse):
        a_maker().get_countdown()


# ---- protection


@responses.activate
def test_a_protection_is_set_as_documented() -> None:
    responses.post(f"{MMP}/set-mmp-config/v1", body=answer("true"))
    CoincallProtection(a_maker()).protect("BTC", replace(TERMS, delta_limit=None, freeze=None))
    assert sent() == {"indexName": "BTCUSD", "intervalTime": 5000, "frozenTime": 0, "qtyLimit": 10}


@responses.activate
def test_a_protection_is_removed_by_an_interval_of_zero() -> None:
    responses.post(f"{MMP}/set-mmp-config/v1", body=answer("true"))
    CoincallProtection(a_maker()).unprotect("BTC")
    assert sent() == {"indexName": "BTCUSD", "intervalTime": 0, "frozenTime": 0}


@responses.activate
@pytest.mark.parametrize(
    ("change", "frozen", "until"),
    [
        ({}, False, None),
        ({'"mmpFrozen":false,"mmpFrozenUntil":""': '"mmpFrozen":true,"mmpFrozenUntil":1764000000000'}, True, from_ms(1764000000000)),
        ({'"mmpFrozen":false': '"mmpFrozen":true'}, True, None),
    ],
)
def test_the_documented_protection_is_read(change: dict[str, str], frozen: bool, until: object) -> None:
    text = PROTECTION
    for old, new in change.items():
        text = text.replace(old, new)
    responses.get(f"{MMP}/get-mmp-config/v1", body=answer(text))
    found = CoincallProtection(a_maker()).protection("BTC")
    assert found is not None
    assert (found.terms, found.frozen, found.frozen_until) == (TERMS, frozen, until)
    assert query_of(responses.calls[0].request) == {"indexName": "BTCUSD"}


@responses.activate
@pytest.mark.parametrize("data", ["null", PROTECTION.replace('"intervalTime":5000', '"intervalTime":0')])
def test_no_protection_is_none(data: str) -> None:
    responses.get(f"{MMP}/get-mmp-config/v1", body=answer(data))
    assert CoincallProtection(a_maker()).protection("BTC") is None


@responses.activate
def test_a_reset_is_confirmed_by_a_code_that_is_a_text() -> None:
    responses.post(f"{MMP}/reset-mmp/v1", body='{"code":"0","msg":"","data":[{"result":true}]}')
    CoincallProtection(a_maker()).thaw("BTC")
    assert sent() == {"instType": "OPTION", "indexName": "BTCUSD"}


@responses.activate
@pytest.mark.parametrize("data", ["[]", '[{"result":false}]'])
def test_a_reset_without_a_result_is_not_confirmed(data: str) -> None:
    responses.post(f"{MMP}/reset-mmp/v1", body=answer(data, code='"0"'))
    with pytest.raises(OutcomeUnknown):
        CoincallProtection(a_maker()).thaw("BTC")


@responses.activate
def test_not_allow_is_a_matter_of_rights() -> None:
    responses.post(f"{MMP}/set-mmp-config/v1", body=answer(code="10001", msg='"not.allow"'))
    with pytest.raises(AuthenticationRejected):
        CoincallProtection(a_maker()).protect("BTC", TERMS)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c: c.set_mmp("BTCUSD", replace(TERMS, window=timedelta(milliseconds=999))),
        lambda c: c.set_mmp("BTCUSD", replace(TERMS, freeze=timedelta(days=2))),
        lambda c: c.set_mmp("BTCUSD", replace(TERMS, qty_limit=None, delta_limit=None)),
        lambda c: c.set_mmp("BTCUSD", replace(TERMS, qty_limit=Decimal(0))),
        lambda c: c.set_countdown("BTCUSD", -MINUTE),
        lambda c: c.reset_countdown([]),
        lambda c: c.cancel_many([]),
        lambda c: c.cancel_many(range(41)),
    ],
)
def test_what_the_venue_would_not_take_is_not_sent(wrong: Callable[[CoincallMakerClient], object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        wrong(a_maker())


def test_an_order_is_marked_for_protection_only_where_it_asks_for_it() -> None:
    assert "mmp" not in order_params(an_order())
    assert order_params(replace(an_order(), mmp=True))["mmp"] is True


@pytest.mark.parametrize(("code", "kind"), [(COUNTDOWN_ELAPSED, CountdownElapsed), (NO_PROTECTION, ExchangeRejected)])
@responses.activate
def test_what_guards_a_market_maker_refuses_an_order_for_sure(code: int, kind: type[ExchangeRejected]) -> None:
    responses.post(f"{HOST}/open/option/order/create/v1", body=answer(code=str(code)))
    with pytest.raises(ExchangeRejected) as caught:
        a_desk().client.create(an_order())
    assert (type(caught.value), caught.value.code) == (kind, code)


# ---- batches: what happened to each order


def a_row(code: int, order_id: int | None = None, msg: str = "") -> str:
    return f'{{"code":{code},"msg":"{msg}","i18nArgs":null,"data":{"null" if order_id is None else order_id}}}'


def told(outcome: Outcome) -> object:
    return outcome if isinstance(outcome, str) else type(outcome)


@responses.activate
def test_a_batch_of_one_needs_no_question() -> None:
    responses.post(CREATE_MANY, body=answer(f"[{a_row(0, 900)}]"))
    assert answered(batches(), orders(1)) == ("900",)
    assert len(responses.calls) == 1


@responses.activate
def test_rows_in_another_order_are_given_to_their_orders_by_asking_the_venue() -> None:
    responses.post(CREATE_MANY, body=answer(f"[{a_row(10558, msg='less.than.min.amount')},{a_row(0, 902)},{a_row(0, 900)}]"))
    wanted = orders(3)
    rows = [an_order_row(encode_client_id(wanted[0].client_id), order_id=900, state=0)]
    old = [an_order_row(encode_client_id(wanted[2].client_id), order_id=902)]
    responses.get(PENDING, body=a_page(*rows, end='"pageTotal":1,"total":1'))
    responses.get(HISTORY, body=a_page(*old))
    assert [told(one) for one in answered(batches(), wanted)] == ["900", SizeRejected, "902"]
    assert query_of(responses.calls[2].request)["startTime"] == str(int((NOW - MINUTE).timestamp() * 1000))


@responses.activate
def test_what_the_lists_do_not_show_stays_unknown() -> None:
    responses.post(CREATE_MANY, body=answer(f"[{a_row(10558)},{a_row(0, 902)},{a_row(0, 900)}]"))
    wanted = orders(3)
    responses.get(PENDING, body=a_page(an_order_row(encode_client_id(wanted[1].client_id), order_id=902), end='"pageTotal":1,"total":1'))
    responses.get(HISTORY, body=a_page())
    assert [told(one) for one in answered(batches(), wanted)] == [OutcomeUnknown, "902", OutcomeUnknown]


@responses.activate
def test_a_venue_that_does_not_answer_the_question_leaves_all_unknown() -> None:
    responses.post(CREATE_MANY, body=answer(f"[{a_row(0, 902)},{a_row(0, 900)}]"))
    responses.get(PENDING, body=answer(code="10553"))
    assert [told(one) for one in answered(batches(), orders(2))] == [OutcomeUnknown, OutcomeUnknown]


@responses.activate
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([a_row(10534), a_row(10534)], SizeRejected),
        ([a_row(10534), a_row(10529)], ExchangeRejected),
        ([a_row(10534), a_row(10577)], OutcomeUnknown),  # one of the two stands since earlier
        ([a_row(10577), a_row(10577)], DuplicateClientOrderId),
        ([a_row(10000), a_row(10534)], OutcomeUnknown),
        ([a_row(10534)], OutcomeUnknown),
        ([], OutcomeUnknown),
    ],
)
def test_what_holds_for_every_row_holds_for_every_order(rows: list[str], expected: type[VenueError]) -> None:
    responses.post(CREATE_MANY, body=answer(f"[{','.join(rows)}]"))
    responses.get(PENDING, body=a_page(end='"pageTotal":0,"total":0'))
    assert [told(one) for one in answered(batches(), orders(2))] == [expected, expected]


@responses.activate
def test_a_batch_without_the_grant_is_refused_and_nothing_happened() -> None:
    responses.post(CREATE_MANY, status=404, body="Not Found")
    with pytest.raises(AuthenticationRejected):
        answered(batches(), orders(2))
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("lost", [requests.ReadTimeout("slow"), requests.ConnectionError("reset")])
def test_l05_a_batch_whose_answer_is_lost_is_unknown_and_is_not_sent_again(lost: Exception) -> None:
    responses.post(CREATE_MANY, body=lost)
    with pytest.raises(OutcomeUnknown):
        answered(batches(), orders(2))
    assert len(responses.calls) == 1


def test_an_id_given_twice_and_a_batch_too_large_are_not_sent() -> None:
    for wrong in ([an_order(), an_order()], orders(41), []):
        with pytest.raises(ValueError, match=r".+"):
            answered(batches(), wrong)


@responses.activate
def test_the_rows_of_a_batch_cancel_name_their_orders() -> None:
    names = [a_client_id(attempt=n) for n in range(5)]
    ids = [encode_client_id(name) for name in names]
    sentences = ["Cancellation failed, order has been filled", "Order does not exist.", "who knows"]
    rows = [
        f'{{"clOrdId":{n},"ordId":5,"ts":1764000000500,"scode":1,"smsg":"{text}"}}' for n, text in zip(ids[1:], sentences, strict=False)
    ]
    ok = f'{{"clOrdId":{ids[0]},"ordId":4,"ts":1764000000500,"scode":0,"smsg":null}}'
    responses.post(CANCEL_MANY, body=answer(f"[{','.join([*reversed(rows), ok])}]"))
    found = batches().cancel_many(names)
    assert [one if one is None else type(one) for one in found] == [
        None,
        OrderAlreadyFinal,
        OrderNotFound,
        ExchangeRejected,
        OutcomeUnknown,
    ]
    assert sent() == {"clientOrderIdList": ids}


def test_more_rows_than_orders_prove_only_what_the_venue_ties() -> None:
    first, second = orders(2)
    rows = [BatchAnswer("900", 0, ""), BatchAnswer("900", 0, ""), BatchAnswer(None, 10534, "")]
    assert [told(one) for one in attributed([first, second], rows, {"900": first.client_id})] == ["900", OutcomeUnknown]


def test_a_refusal_that_names_a_number_is_a_refusal() -> None:
    first, second = orders(2)
    rows = [BatchAnswer("900", 10534, ""), BatchAnswer("901", 0, "")]
    named: dict[str, ClientOrderId | None] = {"900": first.client_id, "901": second.client_id}
    assert [told(one) for one in attributed([first, second], rows, named)] == [SizeRejected, "901"]


# ---- the law of attribution

CODES = [10534, 10534, 10529, 10577, 10000]


@st.composite
def answered_batches(
    draw: st.DrawFn,
) -> tuple[list[NewOrder], dict[ClientOrderId, str], list[BatchAnswer], dict[str, ClientOrderId | None]]:
    """A batch, which of it the venue took (and under which number), its rows in any order (some missing), and what its lists show."""
    wanted = orders(draw(st.integers(1, 8)))
    codes = [draw(st.sampled_from([0, 0, *CODES])) for _ in wanted]
    took = {order.client_id: str(900 + n) for n, (order, code) in enumerate(zip(wanted, codes, strict=True)) if code == 0}
    # What failed within may have been taken all the same; what has a used id stands since earlier, under another number.
    hidden = {
        order.client_id: str(700 + n)
        for n, (order, code) in enumerate(zip(wanted, codes, strict=True))
        if code == 10577 or (code == 10000 and draw(st.booleans()))
    }
    rows = draw(st.permutations([BatchAnswer(took.get(o.client_id), code, "x") for o, code in zip(wanted, codes, strict=True)]))
    if draw(st.booleans()):
        rows = rows[: draw(st.integers(0, len(rows)))]
    listed = {number: owner for owner, number in (took | hidden).items() if draw(st.booleans())}
    return wanted, took | hidden, rows, {**listed, "5": None, "6": a_client_id(Purpose.UNWIND)}


@given(answered_batches())
def test_no_order_is_said_to_be_taken_that_was_refused_nor_refused_that_was_taken(
    batch: tuple[list[NewOrder], dict[ClientOrderId, str], list[BatchAnswer], dict[str, ClientOrderId | None]],
) -> None:
    wanted, standing, rows, named = batch
    outcomes = attributed(wanted, rows, named)
    assert len(outcomes) == len(wanted)
    for order, outcome in zip(wanted, outcomes, strict=True):
        if isinstance(outcome, str):
            assert standing.get(order.client_id) == outcome
        elif not isinstance(outcome, OutcomeUnknown | DuplicateClientOrderId):
            assert order.client_id not in standing


@given(answered_batches())
def test_once_every_number_is_known_nothing_that_was_answered_stays_open(
    batch: tuple[list[NewOrder], dict[ClientOrderId, str], list[BatchAnswer], dict[str, ClientOrderId | None]],
) -> None:
    wanted, standing, rows, _ = batch
    outcomes = attributed(wanted, rows, {number: owner for owner, number in standing.items()})
    for row in rows:
        assert row.code != 0 or row.order_id in outcomes
