"""What the daemon's post asks of batches on the wire: an answer first, whose is which later, and what a refusal of the whole proves."""

import json
from dataclasses import replace

import pytest
import requests
import responses

from domain import NewOrder, Purpose
from errors import AuthenticationRejected, ExchangeRejected, OutcomeUnknown, TimestampRejected
from exchanges.coincall.client_mm import CoincallMakerClient
from exchanges.coincall.gateway_mm import CoincallBatches
from exchanges.coincall.limits import LIMITS, Group, Lane
from exchanges.coincall.wire import encode_client_id

from tests.wire.coincall_builders import HOST, Desk, a_client_id, a_desk, a_page, an_order, an_order_row, answer

CREATE_MANY, CANCEL_MANY = f"{HOST}/open/option/order/batchCreate/v1", f"{HOST}/open/option/order/batchCancel/v1"
PENDING = f"{HOST}/open/option/order/pending/v1"
TAKEN = [f'{{"code":0,"msg":"Success","i18nArgs":null,"data":{number}}}' for number in (902, 900)]
NOT_MINE = ["Not Found", answer(code="404", msg='"Not Found"')]


def batches(desk: Desk) -> CoincallBatches:
    return CoincallBatches(desk.client, CoincallMakerClient(desk.transport), desk.clock)


def orders(number: int = 2, purpose: Purpose = Purpose.OPEN) -> list[NewOrder]:
    return [replace(an_order(purpose=purpose), client_id=a_client_id(purpose, attempt=n)) for n in range(number)]


@responses.activate
def test_a_batch_is_one_request_and_what_is_left_open_is_asked_only_when_wanted() -> None:
    responses.post(CREATE_MANY, body=answer(f"[{','.join(TAKEN)}]"))
    wanted = orders()
    rows = [an_order_row(encode_client_id(order.client_id), order_id=number) for order, number in zip(wanted, (900, 902), strict=True)]
    responses.get(PENDING, body=a_page(*rows, end='"pageTotal":1,"total":2'))

    sent = batches(a_desk()).send_many(wanted)

    assert [type(outcome) for outcome in sent.outcomes] == [OutcomeUnknown, OutcomeUnknown]
    assert len(responses.calls) == 1
    assert sent.ask is not None
    assert sent.ask() == ("900", "902")


@responses.activate
def test_an_answer_that_leaves_nothing_open_has_nothing_to_ask() -> None:
    row = '{"code":10558,"msg":"less.than.min.amount","i18nArgs":null,"data":null}'
    responses.post(CREATE_MANY, body=answer(f"[{row},{row}]"))

    assert batches(a_desk()).send_many(orders()).ask is None


@responses.activate
@pytest.mark.parametrize("body", NOT_MINE)
@pytest.mark.parametrize("path", [CREATE_MANY, CANCEL_MANY])
def test_a_path_that_is_kept_from_the_account_is_told_as_the_lack_of_a_right(path: str, body: str) -> None:
    responses.post(path, status=404, body=body)
    post = batches(a_desk())

    with pytest.raises(AuthenticationRejected, match="no market maker"):
        post.send_many(orders()) if path == CREATE_MANY else post.cancel_many([order.client_id for order in orders()])


@responses.activate
@pytest.mark.parametrize(
    ("code", "kind"), [(10001, AuthenticationRejected), (10557, TimestampRejected), (10004, ExchangeRejected), (10000, OutcomeUnknown)]
)
def test_only_what_the_venue_has_surely_refused_counts_as_refused(code: int, kind: type[Exception]) -> None:
    responses.post(CREATE_MANY, body=answer(code=str(code), msg='"no"'))
    responses.get(f"{HOST}/time", body=answer('{"serverTime":1772366400000}'))

    with pytest.raises(kind) as caught:
        batches(a_desk()).send_many(orders())

    assert type(caught.value) is kind


@responses.activate
@pytest.mark.parametrize("status", [500, 502, 408, 425, 403, 429])
def test_a_status_from_the_inside_or_from_between_proves_nothing(status: int) -> None:
    responses.post(CREATE_MANY, status=status, body="no")

    with pytest.raises(OutcomeUnknown):
        batches(a_desk()).send_many(orders())


@responses.activate
@pytest.mark.parametrize("path", [CREATE_MANY, CANCEL_MANY])
def test_l05_an_answer_of_success_that_cannot_be_read_is_unknown(path: str) -> None:
    responses.post(path, body='{"code":0,"msg":"Success","data":[{"co')
    post = batches(a_desk())

    with pytest.raises(OutcomeUnknown):
        post.send_many(orders()) if path == CREATE_MANY else post.cancel_many([order.client_id for order in orders()])


@responses.activate
def test_a_budget_that_openings_have_used_up_makes_no_reducing_batch_and_no_cancel_wait() -> None:
    for path in (CREATE_MANY, CANCEL_MANY):
        responses.post(path, body=answer("[]"))
    desk = a_desk()
    limiter, most = desk.transport._limiter, LIMITS[Group.ORDER]
    for _ in range(most.count - most.reserved):
        limiter.acquire(Group.ORDER, Lane.NORMAL)
    before = desk.clock.now()

    batches(desk).send_many(orders(purpose=Purpose.CLOSE))
    batches(desk).cancel_many([order.client_id for order in orders()])
    assert desk.clock.now() == before

    batches(desk).send_many(orders())
    assert desk.clock.now() > before


@responses.activate
def test_a_batch_of_forty_counts_once_in_the_venues_limit_and_all_its_orders_carry_their_names() -> None:
    responses.post(CREATE_MANY, body=answer("[]"))
    desk, wanted = a_desk(), orders(40)

    batches(desk).send_many(wanted)

    body = responses.calls[0].request
    assert isinstance(body, requests.PreparedRequest)
    sent = json.loads(body.body or b"{}")
    assert [row["clientOrderId"] for row in sent["orders"]] == [encode_client_id(order.client_id) for order in wanted]
    assert len(desk.transport._limiter._sent[Group.ORDER]) == 1
