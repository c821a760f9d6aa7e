"""Each code and status of the venue becomes the error that says what its catcher must do."""

import pytest
import responses

from errors import (
    AuthenticationRejected,
    CountdownElapsed,
    DuplicateClientOrderId,
    ExchangeRejected,
    ExchangeUnavailable,
    InsufficientMargin,
    MalformedResponse,
    OrderAlreadyFinal,
    OrderExpired,
    OrderNotFound,
    OutcomeUnknown,
    PriceRejected,
    RateLimited,
    ReduceOnlyRejected,
    SizeRejected,
    TimestampRejected,
    VenueError,
)
from exchanges.coincall.codes import ERRORS, UNDECIDED, error_of_code

from tests.wire.coincall_builders import HOST, KEY, SECRET, a_desk, an_order, answer

CREATE = f"{HOST}/open/option/order/create/v1"
POSITIONS = f"{HOST}/open/option/position/get/v1"
TIME = f"{HOST}/time"

# Every situation of API 13.1, and the neighbours that a trader meets: code, on a read, on a write.
MEANINGS: list[tuple[int, type[VenueError], type[VenueError]]] = [
    (500, ExchangeUnavailable, OutcomeUnknown),
    (4005, ExchangeUnavailable, OutcomeUnknown),
    (7001, AuthenticationRejected, AuthenticationRejected),
    (10000, ExchangeUnavailable, OutcomeUnknown),
    (10001, AuthenticationRejected, AuthenticationRejected),
    (10002, ExchangeUnavailable, OutcomeUnknown),
    (10004, ExchangeRejected, ExchangeRejected),
    (10005, ExchangeRejected, ExchangeRejected),
    (10006, AuthenticationRejected, AuthenticationRejected),
    (10009, ExchangeRejected, ExchangeRejected),
    (10101, ExchangeUnavailable, OutcomeUnknown),
    (10102, ExchangeUnavailable, OutcomeUnknown),
    (10103, ExchangeUnavailable, OutcomeUnknown),
    (10529, InsufficientMargin, InsufficientMargin),
    (10531, PriceRejected, PriceRejected),
    (10532, PriceRejected, PriceRejected),
    (10534, SizeRejected, SizeRejected),
    (10535, ExchangeRejected, ExchangeRejected),
    (10536, ReduceOnlyRejected, ReduceOnlyRejected),
    (10537, ExchangeRejected, ExchangeRejected),
    (10538, PriceRejected, PriceRejected),
    (10539, PriceRejected, PriceRejected),
    (10540, OrderExpired, OrderExpired),
    (10541, ExchangeRejected, ExchangeRejected),
    (10551, AuthenticationRejected, AuthenticationRejected),
    (10553, ExchangeUnavailable, ExchangeUnavailable),
    (10554, AuthenticationRejected, AuthenticationRejected),
    (10557, TimestampRejected, TimestampRejected),
    (10558, SizeRejected, SizeRejected),
    (10560, AuthenticationRejected, AuthenticationRejected),
    (10561, AuthenticationRejected, AuthenticationRejected),
    (10562, AuthenticationRejected, AuthenticationRejected),
    (10564, ExchangeRejected, ExchangeRejected),
    (10565, ExchangeUnavailable, OutcomeUnknown),
    (10566, ExchangeUnavailable, ExchangeUnavailable),
    (10567, ExchangeRejected, ExchangeRejected),
    (10570, ExchangeRejected, ExchangeRejected),
    (10573, ExchangeRejected, ExchangeRejected),
    (10574, ExchangeRejected, ExchangeRejected),
    (10575, ExchangeRejected, ExchangeRejected),
    (10576, DuplicateClientOrderId, DuplicateClientOrderId),
    (10577, DuplicateClientOrderId, DuplicateClientOrderId),
    (10581, ReduceOnlyRejected, ReduceOnlyRejected),
    (10582, ExchangeUnavailable, OutcomeUnknown),
    (10583, ExchangeUnavailable, OutcomeUnknown),
    (10584, OrderNotFound, OrderNotFound),
    (10596, ExchangeUnavailable, OutcomeUnknown),
    (10605, RateLimited, RateLimited),
    (10609, OrderExpired, OrderExpired),
    (10619, CountdownElapsed, CountdownElapsed),
    (10620, OrderExpired, OrderExpired),
    (11101, OrderAlreadyFinal, OrderAlreadyFinal),
    (11102, OrderAlreadyFinal, OrderAlreadyFinal),
    (12011, ExchangeRejected, ExchangeRejected),
    (12012, ExchangeRejected, ExchangeRejected),
    (12013, ExchangeRejected, ExchangeRejected),
    (20010, ExchangeRejected, ExchangeRejected),
    (40001, AuthenticationRejected, AuthenticationRejected),
    (40034, ExchangeRejected, ExchangeRejected),
    (40037, InsufficientMargin, InsufficientMargin),
    (40038, ExchangeRejected, ExchangeRejected),
    (40039, PriceRejected, PriceRejected),
    (50012, ExchangeRejected, ExchangeRejected),
    (50014, ExchangeRejected, ExchangeRejected),
    (60001, ExchangeRejected, ExchangeRejected),
    (60008, ExchangeRejected, ExchangeRejected),
    (-40004, ExchangeRejected, ExchangeRejected),
    (987654, ExchangeRejected, ExchangeRejected),
]


@pytest.mark.parametrize(("code", "on_read", "on_write"), MEANINGS)
def test_ct11_each_code_says_what_to_do(code: int, on_read: type[VenueError], on_write: type[VenueError]) -> None:
    read, write = (error_of_code("call", code, "text", changes_state=writes) for writes in (False, True))

    assert (type(read), type(write)) == (on_read, on_write)
    assert read.code == code
    assert "text" in str(read)


def test_no_code_has_two_meanings() -> None:
    assert not UNDECIDED & ERRORS.keys()
    assert 0 not in ERRORS


@responses.activate
@pytest.mark.parametrize("code", ["10529", '"10529"'])
def test_a_refusal_comes_with_http_200_and_its_own_words(code: str) -> None:
    responses.post(CREATE, body=answer(code=code, msg='"Insufficient available balance."'))

    with pytest.raises(InsufficientMargin, match=r"coincall create: Insufficient available balance\. \(code 10529\)") as caught:
        a_desk().client.create(an_order())

    assert caught.value.code == 10529


STATUSES: list[tuple[int, str, type[VenueError], type[VenueError]]] = [
    (301, "", ExchangeUnavailable, OutcomeUnknown),
    (400, "<html>bad</html>", ExchangeRejected, ExchangeRejected),
    (401, "", AuthenticationRejected, AuthenticationRejected),
    (403, "<html>blocked</html>", AuthenticationRejected, AuthenticationRejected),
    (404, "<html>no such page</html>", ExchangeRejected, ExchangeRejected),
    (408, "", ExchangeUnavailable, OutcomeUnknown),
    (425, "", ExchangeUnavailable, OutcomeUnknown),
    (429, "<html>slow down</html>", RateLimited, RateLimited),
    (429, answer(code="10000"), RateLimited, RateLimited),
    (500, "", ExchangeUnavailable, OutcomeUnknown),
    (502, "<html>bad gateway</html>", ExchangeUnavailable, OutcomeUnknown),
    (503, answer(code="10562"), ExchangeUnavailable, OutcomeUnknown),
    (400, answer(code="10558", msg='"less.than.min.amount"'), SizeRejected, SizeRejected),
    (401, answer(code="10562"), AuthenticationRejected, AuthenticationRejected),
    (403, answer(code="0"), AuthenticationRejected, AuthenticationRejected),
    (404, answer(code="10584"), OrderNotFound, OrderNotFound),
    (200, "<html>maintenance</html>", MalformedResponse, OutcomeUnknown),
    (200, '{"code":0,"data":[{"sym', MalformedResponse, OutcomeUnknown),
    (200, "", MalformedResponse, OutcomeUnknown),
    (200, "{}", MalformedResponse, OutcomeUnknown),
    (200, answer('{"neither":"id nor list"}'), MalformedResponse, OutcomeUnknown),
]


@responses.activate
@pytest.mark.parametrize(("status", "body", "on_read", "on_write"), STATUSES)
def test_each_status_and_shape_says_what_to_do(status: int, body: str, on_read: type[VenueError], on_write: type[VenueError]) -> None:
    responses.get(POSITIONS, body=body, status=status)
    responses.post(CREATE, body=body, status=status)
    desk = a_desk()

    with pytest.raises(VenueError) as read:
        desk.client.positions()
    with pytest.raises(VenueError) as written:
        desk.client.create(an_order())

    assert (type(read.value), type(written.value)) == (on_read, on_write)


@responses.activate
def test_a_404_says_what_it_may_mean() -> None:
    responses.get(POSITIONS, body="<html>", status=404)

    with pytest.raises(ExchangeRejected, match="the path is unknown, or the account has no access"):
        a_desk().client.positions()


@responses.activate
@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500])
def test_l53_no_secret_and_no_key_stands_in_an_error(status: int) -> None:
    echo = f"you sent {KEY} and {SECRET}"
    responses.get(POSITIONS, body=echo, status=status)
    responses.post(CREATE, body=answer(code="10562", msg=f'"{echo}"'), status=status)
    desk = a_desk()

    for act in (desk.client.positions, lambda: desk.client.create(an_order())):
        with pytest.raises(VenueError) as caught:
            act()
        assert SECRET not in f"{caught.value!r} {caught.value}"
        assert KEY not in f"{caught.value!r} {caught.value}"
