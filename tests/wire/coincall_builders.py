"""What the wire tests share: a client with a quiet pause and a still clock, orders of ours, and answers as the venue writes them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import requests
import responses

from auth import Credentials
from clock import SimulatedClock
from domain import (
    ClientOrderId,
    NewOrder,
    Option,
    OptionLeg,
    OptionType,
    OrderType,
    Purpose,
    QuotedLeg,
    QuoteStatus,
    RFQQuote,
    RFQRequest,
    RFQStatus,
    Side,
)
from errors import VenueError
from exchanges.coincall.client import CoincallClient
from exchanges.coincall.gateway_mm import CoincallBatches
from exchanges.coincall.transport import Transport

HOST = "https://api.coincall.test"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXPIRY = datetime(2026, 3, 28, 8, tzinfo=UTC)
SYMBOL = "BTCUSD-28MAR26-100000-C"
KEY, SECRET = "key+of/ours=", "5ecre7" * 8
ORDERS = f"{HOST}/open/option/order"
SENT_AT = NOW - timedelta(minutes=5)


class TickingClock(SimulatedClock):
    """A simulated clock that a pause moves, as the wall would."""

    def real_seconds(self, span: timedelta) -> float:
        """Return the whole span: here waiting lasts."""
        return max(0.0, span.total_seconds())

    def pause(self, seconds: float) -> None:
        """Let time pass instead of waiting."""
        self.advance(timedelta(seconds=seconds))


@dataclass
class Desk:
    """A client under test with all that a test turns or reads."""

    clock: TickingClock
    transport: Transport
    client: CoincallClient
    pauses: list[float] = field(default_factory=list)


def a_desk(base_url: str = HOST, *, key: str | None = KEY, window: timedelta = timedelta(seconds=5)) -> Desk:
    """Return a client that never really waits."""
    clock = TickingClock(NOW)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.pause(seconds)

    credentials = None if key is None else Credentials(key, SECRET)
    transport = Transport(base_url, clock, credentials=credentials, window=window, rng=random.Random(7), pause=pause)
    return Desk(clock, transport, CoincallClient(transport), pauses)


def an_option(symbol: str = SYMBOL) -> Option:
    """Return a listed call."""
    return Option(
        symbol=symbol,
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal("0.01"),
        option_type=OptionType.CALL,
        strike=Decimal(100000),
        expiry=EXPIRY,
    )


def a_client_id(purpose: Purpose = Purpose.OPEN, attempt: int = 3) -> ClientOrderId:
    """Return an id of ours."""
    return ClientOrderId(desk=42, trade=17, leg=1, purpose=purpose, attempt=attempt)


OUR_NUMBER = 7004200000170110003


def an_order(
    *, purpose: Purpose = Purpose.OPEN, side: Side = Side.BUY, order_type: OrderType = OrderType.LIMIT, price: str = "1510.0"
) -> NewOrder:
    """Return an order for 0.5 coins of the option."""
    return NewOrder(
        client_id=a_client_id(purpose),
        instrument=an_option(),
        side=side,
        qty=Decimal("0.50"),
        price=Decimal(price),
        order_type=order_type,
    )


def answer(data: str = "null", code: str = "0", msg: str = '"Success"') -> str:
    """Return an envelope around data, all written literally."""
    return f'{{"code":{code},"msg":{msg},"i18nArgs":null,"data":{data}}}'


def an_order_row(number: int = OUR_NUMBER, *, order_id: int = 1900000000000000123, state: int | None = 1, filled: str = "0.5") -> str:
    """Return one order as the venue writes it."""
    said = "" if state is None else f',"state":{state}'
    return (
        f'{{"orderId":{order_id},"clientOrderId":{number},"symbol":"{SYMBOL}","displayName":"x","qty":0.5,"remainQty":0,'
        f'"fillQty":{filled},"price":1510.0,"avgPrice":1508.0,"tradeSide":1,"tradeType":1,"createTime":1772366400000,'
        f'"reduceOnly":0,"fee":14.25,"mmp":false{said}}}'
    )


def a_fill_row(trade_id: int, *, time: int = 1772366400000) -> str:
    """Return one fill as the venue writes it."""
    return (
        f'{{"id":{trade_id + 1},"optionId":null,"symbol":"{SYMBOL}","tradeSide":2,"tradeType":1,"price":1508.0,"qty":0.5,"iv":0.514,'
        f'"orderId":1900000000000000123,"tradeId":{trade_id},"fee":14.25,"time":{time},"reduceOnly":0,"isTaker":1,"mmp":false}}'
    )


def a_page(*rows: str, end: str = '"hasNext":false,"hasPre":false') -> str:
    """Return an answer that holds a list."""
    return answer(f'{{"list":[{",".join(rows)}],{end}}}')


def query_of(request: requests.PreparedRequest) -> dict[str, str]:
    """Return the decoded query that a request carries."""
    return dict(parse_qsl(urlsplit(request.url or "").query))


Answered = tuple[int, dict[str, str], str]


def pages(url: str, by: str, rows: dict[str, str]) -> None:
    """Answer each value of a query parameter with its own page."""

    def reply(request: requests.PreparedRequest) -> Answered:
        return 200, {}, rows[query_of(request).get(by, "")]

    responses.add_callback(responses.GET, url, reply)


Step = Callable[[CoincallClient], object]


# ---- block trades, the samples of API 8

PUT = "BTCUSD-28MAR26-90000-P"
REQUEST_ID, QUOTE_ID = "1990000000000000001", "1990000000000000501"
BLOCKTRADE = f"{HOST}/open/option/blocktrade"


def a_leg(side: Side = Side.BUY, symbol: str = SYMBOL, qty: str = "0.50") -> OptionLeg:
    """Return a leg of 0.5 coins."""
    return OptionLeg(instrument=an_option(symbol), side=side, qty=Decimal(qty))


def a_request(*legs: OptionLeg) -> RFQRequest:
    """Return a request for quotes as the venue took it."""
    return RFQRequest(
        request_id=REQUEST_ID,
        status=RFQStatus.ACTIVE,
        legs=legs or (a_leg(),),
        created_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )


def a_quote(*legs: QuotedLeg) -> RFQQuote:
    """Return a maker's offer to sell the leg for 1525."""
    return RFQQuote(
        quote_id=QUOTE_ID,
        request_id=REQUEST_ID,
        status=QuoteStatus.OPEN,
        legs=legs or (QuotedLeg(symbol=SYMBOL, side=Side.SELL, price=Decimal(1525), qty=Decimal("0.5")),),
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=5),
        stated=(a_leg(),),
    )


def a_created_answer(*legs: str, state: str = "ACTIVE") -> str:
    """Return the answer to a new request, its legs as written."""
    stated = legs or (f'{{"instrumentName":"{SYMBOL}","qty":"0.5","side":"BUY"}}',)
    return answer(
        f'{{"requestId":"{REQUEST_ID}","createTime":1764000000000,"expiryTime":1764003600000,"legs":[{",".join(stated)}],"state":"{state}"}}'
    )


def a_quote_row(
    quote_id: str = f'"{QUOTE_ID}"', *, state: str = '"OPEN"', side: str = '"side":"SELL"', price: str = '"1525"', qty: str = '"0.5"'
) -> str:
    """Return one quote as the venue writes it; the parts that vary are JSON."""
    return (
        f'{{"quoteId":{quote_id},"requestId":"{REQUEST_ID}","userId":"1695000000000009","state":{state},"createTime":1764000010000,'
        f'"updateTime":1764000010400,"expiryTime":1764000310000,"legs":[{{"instrumentName":"{SYMBOL}",{side},"price":{price},"quantity":{qty}}}]}}'
    )


A_TRADED_LEG = (
    f'{{"instrumentName":"{SYMBOL}","baseToken":"BTC","quoteToken":"USDT","side":"BUY","price":"1525","quantity":"0.5","iv":"6.0E-4",'
    '"markPrice":"1512.40000000","indexPrice":"94990.5","orderId":"1990000000000000601","tradeId":"1990000000000000602","fee":"14.248575",'
    '"createTime":1764000020000,"profit":"0"}'
)


def an_accepted_answer(legs: str = f"[{A_TRADED_LEG}]", quote_id: str = f'"{QUOTE_ID}"') -> str:
    """Return the answer to an accept; its ids and legs are JSON."""
    return answer(
        f'{{"userId":null,"blockTradeId":{quote_id},"requestId":"{REQUEST_ID}","quoteId":{quote_id},"role":"TAKER","legs":{legs}}}'
    )


def a_block_row(
    block_id: str = QUOTE_ID,
    *,
    request_id: str = REQUEST_ID,
    role: str = "TAKER",
    legs: str = f"[{A_TRADED_LEG}]",
    time: int = 1764000019500,
) -> str:
    """Return one of our blocks as the venue lists it."""
    return (
        f'{{"requestId":"{request_id}","tradeSide":"BUY","strategyPrice":"1525.00000000","strategyQuantity":"0.50000000",'
        f'"strategyName":"Call","description":"BTC Call 28 Mar 26 100000","legs":{legs},"createTime":{time},"userId":"1695000000000001",'
        f'"blockTradeId":"{block_id}","quoteId":"{block_id}","role":"{role}"}}'
    )


def form_of(request: requests.PreparedRequest) -> dict[str, str]:
    """Return the decoded fields of a form that a request carries."""
    body = request.body or b""
    return dict(parse_qsl(body if isinstance(body, str) else bytes(body).decode(), strict_parsing=bool(body)))


def answered(batches: CoincallBatches, orders: Sequence[NewOrder]) -> Sequence[str | VenueError]:
    """Send a batch, and ask at once what its answer leaves open."""
    sent = batches.send_many(orders)
    return sent.outcomes if sent.ask is None else sent.ask()
