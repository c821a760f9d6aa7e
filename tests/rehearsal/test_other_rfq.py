"""The other exchange's desk for block trades and its judge: asked, quoted and traded as documented, each wrong is seen."""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from tests.rehearsal.abroad import CALL, PUT, QTY, Emigrant, World, breaches, left_over, legs
from tests.rehearsal.other_books import BLOCK, BUY, FILLED, SELL, Refused
from tests.rehearsal.other_client import Body, an_order, sent
from tests.rehearsal.other_exchange import OtherExchange
from tests.rehearsal.other_judge import naked_breaches
from tests.rehearsal.other_rfq import CANCELLED, EXPIRED, MadeQuote, Oddity, Offer, Request
from tests.rehearsal.other_rfq_wire import ACCEPT, ROOT
from tests.rehearsal.other_server import lost_answer, served
from tests.rehearsal.other_wire import KEY, SECRET, prehash


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose daemon never starts: the test is the client."""
    exchange = OtherExchange()
    with served(exchange) as server:
        yield World(exchange, server, Emigrant(tmp_path, server))


# ---- block trades

BIG = Decimal("0.3")  # of both legs, with strikes of 90,000 and 110,000: 60,000 USD
STRANGLE = {CALL: BIG, PUT: BIG}
Answer = dict[str, object]


def called(world: World, method: str, name: str, body: Body | None = None, *, form: bool = False) -> requests.Response:
    """Call a path of the desk for block trades as a client does, signed."""
    path, params, ts = f"{ROOT}{name}/v1", body or {}, str(world.exchange.now())
    text = prehash(method, path, params, ts, "5000")
    sign = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest().upper()
    headers = {"X-CC-APIKEY": KEY, "sign": sign, "ts": ts, "X-REQ-TS-DIFF": "5000"}
    given = {"params": params} if method == "GET" else {"data": params} if form else {"json": params}
    return requests.request(method, world.server.url + path, headers=headers, timeout=5, **given)  # type: ignore[arg-type]


def told(world: World, method: str, name: str, body: Body | None = None, *, form: bool = False) -> Answer:
    """Return the whole answer to a call."""
    answer = called(world, method, name, body, form=form).json()
    assert isinstance(answer, dict)
    return answer


def data(world: World, method: str, name: str, body: Body | None = None, *, form: bool = False) -> Answer:
    """Return the data of an answer that must be a success and an object."""
    answer = told(world, method, name, body, form=form)
    assert answer["code"] == 0, answer
    found = answer["data"]
    assert isinstance(found, dict)
    return found


def rows(*given: tuple[str, int, Decimal]) -> Body:
    """Return the body of a request for quotes."""
    return {"legs": [{"instrumentName": s, "side": "BUY" if side == BUY else "SELL", "qty": str(qty)} for s, side, qty in given]}


def requested(world: World, *given: tuple[str, int, Decimal]) -> Request:
    """Ask for quotes on the desk itself; for the big strangle if nothing else is said."""
    return world.desk.create(rows(*(given or ((CALL, BUY, BIG), (PUT, BUY, BIG)))))


def quoted(world: World, request: Request, side: str = "SELL") -> MadeQuote:
    """Return the first quote of a request on one side of the makers."""
    return next(q for q in world.desk.received(request.request_id) if q.maker_side == side)


def no_of(act: Callable[[], object]) -> int:
    """Return the code of a refusal."""
    with pytest.raises(Refused) as no:
        act()
    return no.value.code


def test_a_block_is_asked_for_quoted_and_traded_over_the_wire_as_documented(world: World) -> None:
    made = data(world, "POST", "request/create", rows((CALL, BUY, BIG), (PUT, BUY, BIG)))
    received = told(world, "GET", "request/getQuotesReceived", {"requestId": made["requestId"]})["data"]
    assert isinstance(received, list)
    assert [{leg["side"] for leg in quote["legs"]} for quote in received] == [{"SELL"}, {"BUY"}]
    assert received[0]["legs"][0] == {"instrumentName": CALL, "side": "SELL", "price": "1005", "quantity": "0.30000000"}

    taken = {"requestId": made["requestId"], "quoteId": received[0]["quoteId"]}
    block = data(world, "POST", "request/accept", taken, form=True)

    assert made["state"] == "ACTIVE"
    assert block["blockTradeId"] == received[0]["quoteId"]
    assert isinstance(block["legs"], list)
    assert [(leg["instrumentName"], leg["side"], leg["iv"]) for leg in block["legs"]] == [(CALL, "BUY", "6.0E-4"), (PUT, "BUY", "0.5201")]
    assert [world.exchange.net(symbol) for symbol in (CALL, PUT)] == [BIG, BIG]
    assert breaches(world, structure=STRANGLE) == []
    again = data(world, "GET", "rfqList", {"requestId": made["requestId"]})["rfqList"]
    assert isinstance(again, list)
    assert [row["state"] for row in again] == ["FILLED"]


def test_a_block_shows_in_every_history(world: World) -> None:
    request = requested(world)
    quote = quoted(world, request)
    world.desk.accept(request.request_id, quote.quote_id)

    details = data(world, "GET", "trade-detail/private", {"blocktradeId": str(quote.quote_id)})["list"]
    flat = data(world, "GET", "orderList")["list"]

    assert isinstance(details, list)
    assert isinstance(flat, list)
    assert [(row["requestId"], row["role"], len(row["legs"])) for row in details] == [(str(request.request_id), "TAKER", 2)]
    assert sorted(row["tradeId"] for row in flat) == sorted(str(trade.trade_id) for trade in world.exchange.visible_trades())
    assert [(order.kind, order.state) for order in world.exchange.visible()] == [(BLOCK, FILLED)] * 2


def test_encodings_are_those_seen_live_and_can_be_set(world: World) -> None:
    request = requested(world)
    body: Body = {"requestId": str(request.request_id)}

    assert told(world, "POST", "request/cancel", body)["code"] == 10004
    assert told(world, "POST", "request/create", {"legs": "x"}, form=True)["code"] == 10004
    world.desk.encoding = "json"
    assert told(world, "POST", "request/cancel", body, form=True)["code"] == 10004
    assert told(world, "POST", "request/cancel", body)["data"] is True
    assert request.state == CANCELLED
    assert breaches(world) == []  # a wrong encoding is how one learns


def test_ids_may_be_numbers_and_a_quote_may_not_name_its_request(world: World) -> None:
    world.desk.makers = [Offer(integers=True, nameless=True, sides=("SELL",))]
    request = requested(world)

    received = told(world, "GET", "request/getQuotesReceived")["data"]

    assert isinstance(received, list)
    assert isinstance(received[0]["quoteId"], int)
    assert "requestId" not in received[0]
    taken: Body = {"requestId": request.request_id, "quoteId": received[0]["quoteId"]}
    assert isinstance(data(world, "POST", "request/accept", taken, form=True)["blockTradeId"], int)


def test_a_taker_may_be_forbidden_to_list_its_requests(world: World) -> None:
    world.desk.listed = False

    assert called(world, "GET", "rfqList").status_code == 404
    assert called(world, "GET", "no-such-thing").status_code == 404


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (((CALL, BUY, QTY), (PUT, BUY, QTY)), 10558),
        (((CALL, SELL, Decimal("0.5")),), 10004),
        (((CALL, SELL, BIG), (PUT, SELL, BIG)), 10004),
        (((CALL, BUY, Decimal("0.305")), (PUT, BUY, BIG)), 10558),
        ((("BTCUSD-1JAN20-1-C", BUY, BIG),), 10574),
    ],
)
def test_a_request_that_cannot_be_is_refused_and_seen(world: World, given: tuple[tuple[str, int, Decimal], ...], code: int) -> None:
    assert no_of(lambda: requested(world, *given)) == code
    assert any("nonsense asked of makers" in line for line in breaches(world))


def test_a_single_leg_is_bought_or_sold_by_the_makers_side(world: World) -> None:
    request = requested(world, (CALL, BUY, Decimal("0.5")))

    world.desk.accept(request.request_id, quoted(world, request, "BUY").quote_id)

    assert world.exchange.net(CALL) == Decimal("-0.5")


def test_what_is_taken_back_gone_or_late_cannot_be_traded(world: World) -> None:
    world.desk.turns = [[Offer()], [Offer(gone=True)], [Offer(life=0)]]
    withdrawn, gone, late = (requested(world) for _ in range(3))
    quotes = [quoted(world, request) for request in (withdrawn, gone, late)]
    world.desk.cancel(withdrawn.request_id)

    for quote in quotes:
        assert no_of(lambda q=quote: world.desk.accept(q.request.request_id, q.quote_id)) == 50014  # type: ignore[misc]

    assert [quote.state for quote in quotes] == [CANCELLED, CANCELLED, EXPIRED]
    assert no_of(lambda: world.desk.cancel(withdrawn.request_id)) == 11101
    assert no_of(lambda: world.desk.cancel(1)) == 10584
    assert world.exchange.ledger.trades == []
    assert left_over(world) == [f"left request {request.request_id} open" for request in (gone, late)]


def test_a_request_ends_by_itself(world: World) -> None:
    world.desk.life_seconds = 0

    assert requested(world) not in world.desk.open_requests
    assert world.desk.requests[0].state == EXPIRED


def test_an_answer_to_an_accept_that_is_lost_has_traded(world: World) -> None:
    request = requested(world)
    world.server.plan(lost_answer(ACCEPT))
    taken: Body = {"requestId": str(request.request_id), "quoteId": str(quoted(world, request).quote_id)}

    with pytest.raises(requests.ConnectionError):
        called(world, "POST", "request/accept", taken, form=True)

    assert world.exchange.net(CALL) == BIG


# ---- the judge of block trades


def accepted(world: World, request: Request, side: str = "SELL") -> MadeQuote:
    """Accept the first quote of a request."""
    quote = quoted(world, request, side)
    world.desk.accept(request.request_id, quote.quote_id)
    return quote


def test_l21_a_quote_that_the_book_beats_is_seen(world: World) -> None:
    world.desk.makers = [Offer(better=-1)]

    accepted(world, requested(world))

    assert breaches(world, structure=STRANGLE) == ["accepted at 612.06, the book took 606.0, wanted 0 % better"]
    assert breaches(world, structure=STRANGLE, gate=None) == []


def test_a_quote_is_judged_by_the_kindest_book_of_the_last_seconds(world: World) -> None:
    world.exchange.quote(CALL, 1100, 1120)
    world.exchange.quote(CALL, 990, 1010)
    world.desk.makers = [Offer(better=-1)]

    accepted(world, requested(world))

    assert breaches(world, structure=STRANGLE) == []


def test_an_odd_quote_is_seen(world: World) -> None:
    for oddity in Oddity:
        world.desk.makers = [Offer(oddity=oddity)]
        accepted(world, requested(world))

        assert f"accepted a quote in which {oddity}" in breaches(world, structure=STRANGLE)


def test_l23_a_second_accept_is_seen(world: World) -> None:
    world.desk.makers = [Offer(), Offer()]
    request = requested(world)
    accepted(world, request)
    first, *_, other = world.desk.received(request.request_id)

    for quote in (first, other):
        assert no_of(lambda q=quote: world.desk.accept(request.request_id, q.quote_id)) == 50014  # type: ignore[misc]

    seen = breaches(world, structure=STRANGLE)
    assert f"quote {first.quote_id} was accepted 2 times" in seen
    assert f"accepted on request {request.request_id} after it was traded" in seen


def test_the_wrong_way_round_is_seen(world: World) -> None:
    accepted(world, requested(world), "BUY")

    assert f"{CALL}: flipped to -0.3" in breaches(world, structure=STRANGLE)


def test_a_sold_leg_without_its_cover_is_seen_and_the_legs_of_a_block_are_one_trade(world: World) -> None:
    sold, cover = legs(("C", 90_000, "-0.3"), ("C", 110_000, "0.3"))
    wanted = {leg.symbol: leg.qty for leg in (sold, cover)}

    accepted(world, requested(world, (sold.symbol, SELL, BIG), (cover.symbol, BUY, BIG)))
    assert naked_breaches(world.exchange, wanted) == []

    sent(world, an_order(1, SELL, BIG, 990, cover.symbol))
    assert naked_breaches(world.exchange, wanted) == [f"{sold.symbol}: naked, 1.00 of it sold and 0.00 of its cover bought"]


def test_what_was_never_wanted_is_seen(world: World) -> None:
    stranger = legs(("C", 100_000, "0.3"))[0].symbol
    sent(world, an_order(1, symbol=stranger))

    assert f"{stranger}: held 0.03, never wanted" in breaches(world, structure=STRANGLE)
