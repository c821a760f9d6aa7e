"""The small parts of the server: limits, faults, answers, candles, routes, the store."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from domain import Side
from errors import ConfigError, JournalError
from paper.answers import num, num_or_zero, ok, refusal
from paper.limits import QUERIES, RateLimits
from paper.opening import ExchangeOptions, open_exchange
from paper.routes_candles import candles, daily, start_of
from paper.rows import TapeRow
from paper.server_faults import Fault, FaultBoard, FaultKind
from paper.server_request import NoSuchPath
from paper.server_routes import Route, Routes
from paper.store import Store

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_trade(price: str, at: datetime, qty: str = "1") -> TapeRow:
    return TapeRow(trade_id=1, symbol="X", price=Decimal(price), qty=Decimal(qty), side=Side.BUY, at=at)


# ---- limits


def test_a_window_slides() -> None:
    limits = RateLimits()

    assert [limits.allows("me", "x", QUERIES, NOON) for _ in range(6)] == [True] * 5 + [False]
    assert not limits.allows("me", "x", QUERIES, NOON + SECOND * 0.9)
    assert limits.allows("me", "x", QUERIES, NOON + SECOND)


def test_users_and_endpoints_are_counted_apart() -> None:
    limits = RateLimits()
    for _ in range(5):
        limits.allows("me", "x", QUERIES, NOON)

    assert limits.allows("you", "x", QUERIES, NOON)
    assert limits.allows("me", "y", QUERIES, NOON)


# ---- faults


def test_a_fault_meets_its_account_and_path_as_often_as_it_says() -> None:
    board = FaultBoard()
    board.post(Fault(kind=FaultKind.BUSY, account="desk", path="/open/*/create/*", count=2, after=1))

    struck = [board.strike("desk", "/open/option/order/create/v1") is not None for _ in range(4)]

    assert board.strike("other", "/open/option/order/create/v1") is None
    assert struck == [False, True, True, False]
    assert board.waiting == ()


@pytest.mark.parametrize(
    ("kind", "processed", "acts"),
    [
        (FaultKind.LOSE_ANSWER, False, True),
        (FaultKind.LOSE_REQUEST, True, False),
        (FaultKind.DELAY, False, True),
        (FaultKind.HTML, False, False),
        (FaultKind.HTML, True, True),
    ],
)
def test_each_fault_says_whether_the_exchange_acts(kind: FaultKind, processed: bool, acts: bool) -> None:
    assert Fault(kind=kind, processed=processed).acts is acts


# ---- answers


@pytest.mark.parametrize(("number", "text"), [("0E-8", b"0.00000000"), ("1E+3", b"1000"), ("1E-10", b"0.0000000001"), ("-2.50", b"-2.50")])
def test_numbers_are_plain_and_lose_nothing(number: str, text: bytes) -> None:
    assert ok(num(Decimal(number))) == b'{"code":0,"msg":"Success","i18nArgs":null,"data":' + text + b"}"


def test_no_number_is_null_or_the_venues_zero() -> None:
    assert ok([num(None), num_or_zero(None)]).endswith(b'"data":[null,0]}')


def test_a_refusal_fills_its_text_and_tells_what_it_filled() -> None:
    assert refusal(10570, ("qty",)) == {"code": 10570, "msg": "Parameter qty cannot be empty.", "i18nArgs": ["qty"], "data": None}
    assert refusal(10534, message="order.size")["msg"] == "order.size"


# ---- candles


@pytest.mark.parametrize(
    ("period", "start"),
    [
        ("M5", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        ("H4", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        ("D1", datetime(2026, 11, 21, tzinfo=UTC)),
        ("W1", datetime(2026, 11, 16, tzinfo=UTC)),
        ("MN1", datetime(2026, 11, 1, tzinfo=UTC)),
        ("QUARTER", datetime(2026, 10, 1, tzinfo=UTC)),
    ],
)
def test_a_candle_begins_where_calendars_say(period: str, start: datetime) -> None:
    assert start_of(period, NOON + timedelta(minutes=4)) == start


def test_candles_hold_their_trades_and_gaps_stay_gaps() -> None:
    tape = [a_trade("10", NOON), a_trade("14", NOON + SECOND), a_trade("9", NOON + 30 * SECOND), a_trade("11", NOON + timedelta(minutes=3))]

    first, second = candles(tape, "M1")

    assert [first.open, first.high, first.low, first.close, first.volume] == [Decimal(n) for n in (10, 14, 9, 9, 3)]
    assert (second.start, second.open) == (NOON + timedelta(minutes=3), Decimal(11))


def test_a_day_without_trades_has_no_prices() -> None:
    day = daily([a_trade("10", NOON - timedelta(hours=25))], NOON)

    assert (day.volume, day.high, day.open) == (Decimal(0), None, None)


def test_a_day_opens_at_its_first_trade_since_midnight() -> None:
    tape = [a_trade("12", NOON), a_trade("11", NOON - timedelta(hours=1)), a_trade("30", NOON - timedelta(hours=13))]

    day = daily(tape, NOON)

    assert [day.open, day.high, day.low, day.turnover] == [Decimal(n) for n in (11, 30, 11, 53)]
    assert daily(tape[2:], NOON).open is None


# ---- routes


def test_a_route_may_end_in_an_argument() -> None:
    routes = Routes.of(
        [Route(method="GET", path="/a/v1/", handler=lambda _, __: None), Route(method="GET", path="/b", handler=lambda _, __: 1)]
    )

    assert routes.find("/a/v1/X-1")[1] == "X-1"
    assert routes.find("/b")[1] == ""
    for path in ("/a/v1/", "/a/v1", "/a/v1/x/y", "/b/"):
        with pytest.raises(NoSuchPath):
            routes.find(path)


# ---- store


def test_rows_are_replaced_by_key_and_read_by_kind(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write([("order", "1", "old"), ("order", "2", "b"), ("account", "1", "a")])
    store.write([("order", "1", "new")])

    assert sorted(store.read()["order"]) == [("1", "new"), ("2", "b")]
    store.close()


def test_a_store_is_held_by_one(tmp_path: Path) -> None:
    store = Store(tmp_path)

    with pytest.raises(ConfigError, match="cannot be used"):
        Store(tmp_path)
    store.close()


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "exchange.sqlite3").write_bytes(b"\0" * 5000)

    with pytest.raises(
        ConfigError, match=r"exchange\.sqlite3 cannot be used, it is damaged .*move it away or choose another state directory"
    ):
        Store(tmp_path)


def test_a_row_that_cannot_be_read_back_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write([("market", "market", "{")])
    store.close()

    with pytest.raises(ConfigError, match=r"row market .*is damaged .*move it away"):
        open_exchange(ExchangeOptions(state_dir=tmp_path))


def test_a_write_that_fails_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.close()

    with pytest.raises(JournalError):
        store.write([("order", "1", "x")])


def test_a_fault_with_an_unknown_field_is_none() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"kind": "busy", "cuont": 2}', type=Fault)
