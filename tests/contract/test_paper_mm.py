"""Market makers at the paper exchange over sockets: the client's calls, its ports and the dead man's switch against the real server."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from auth import Credentials, sign_request
from clock import SystemClock
from dead_man import DeadManSwitch, OnStop
from domain import ClientOrderId, NewOrder, Option, OrderType, Purpose, Side, TimeInForce
from errors import AuthenticationRejected, ExchangeRejected, OrderAlreadyFinal, SizeRejected
from exchanges.coincall.client import CoincallClient
from exchanges.coincall.client_mm import CoincallMakerClient
from exchanges.coincall.gateway import CoincallOrders
from exchanges.coincall.gateway_mm import CoincallBatches, CoincallDeadMan, CoincallProtection
from exchanges.coincall.transport import Transport
from exchanges.coincall.wire_mm import Countdown, ProtectionTerms
from workers import InlinePool

from tests.contract.paper_server import CREATE, Venue, a_venue, an_order, far_below
from tests.fakes import FakeAlerts
from tests.wire.coincall_builders import answered

COUNTDOWN, MMP = "/open/futures/countdown/cancel", "/open/mmp"
ACCOUNTS = (
    "--account=demo:paper-demo-key:paper-demo-secret",
    "--account=desk:desk-key:desk-secret:5000000",
    "--read-only-account=desk:desk-reader:reader-secret",
    "--market-maker=desk",
    "--no-rate-limits",
    "--seed=3",
)
ATTEMPTS = count()
SHORT, LONG = timedelta(milliseconds=300), timedelta(seconds=60)
TERMS = ProtectionTerms(window=timedelta(seconds=60), qty_limit=Decimal("0.2"))


class Maker:
    """A market maker with the program's own client."""

    def __init__(self, venue: Venue, key: str = "desk-key", secret: str = "desk-secret") -> None:
        self.venue, self.clock = venue.as_user(key, secret), SystemClock()
        transport = Transport(venue.url, self.clock, credentials=Credentials(key, secret))
        transport.measure_skew()
        self.client, self.maker = CoincallClient(transport), CoincallMakerClient(transport)
        self.orders = CoincallOrders(self.client, self.clock)
        self.batches = CoincallBatches(self.client, self.maker, self.clock)
        self.countdown, self.protection = CoincallDeadMan(self.maker), CoincallProtection(self.maker)
        near = venue.an_option()
        self.option = next(one for one in self.client.instruments("BTC") if one.symbol == near["symbol"])
        self.low, self.bid, self.ask = Decimal(far_below(near["bid"])), near["bid"], near["ask"]

    def order(self, qty: str = "0.1", price: Decimal | None = None, side: Side = Side.BUY, option: Option | None = None) -> NewOrder:
        """An order that does not trade at once."""
        name = ClientOrderId(desk=1, trade=1, leg=0, purpose=Purpose.OPEN, attempt=next(ATTEMPTS))
        return NewOrder(
            client_id=name,
            instrument=option or self.option,
            side=side,
            qty=Decimal(qty),
            price=self.low if price is None else price,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
        )

    def open_ids(self) -> set[str]:
        return {order.order_id for order in self.orders.open_orders()}

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not met():
            assert time.monotonic() < deadline, "it never came to be"
            time.sleep(0.02)

    def code(self, act: Callable[[], object]) -> int | None:
        with pytest.raises(ExchangeRejected) as caught:
            act()
        return caught.value.code


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with a_venue(tmp_path_factory.mktemp("venue"), *ACCOUNTS) as found:
        yield found


@pytest.fixture
def desk(venue: Venue) -> Iterator[Maker]:
    maker = Maker(venue)
    yield maker
    maker.countdown.set_countdown("BTC", timedelta(0))
    maker.protection.unprotect("BTC")
    maker.client.cancel_all_of_index("BTCUSD")


# ---- countdowns


def form(venue: Venue, path: str, **fields: str) -> Any:
    headers = sign_request("POST", path, fields, venue.key, venue.secret, venue.time_ms())
    return requests.post(venue.url + path, data=fields, headers=headers, timeout=10).json()


def test_the_three_calls_answer_as_documented_in_json_and_as_forms(desk: Maker) -> None:
    venue, setting = desk.venue, {"type": 1, "symbol": "BTCUSD", "countdownTime": 60000}
    assert venue.post(f"{COUNTDOWN}/v1", **setting) == {"code": 0, "msg": "Success", "i18nArgs": None, "data": True}
    assert venue.get(f"{COUNTDOWN}/get/v1", type=1)["data"] == [setting]
    assert venue.get(f"{COUNTDOWN}/get/v1", type=2)["data"] == []
    assert venue.post(f"{COUNTDOWN}/heartbeat/v1", symbols="BTCUSD,ETHUSD", type=1)["data"] == ["BTCUSD"]
    assert form(venue, f"{COUNTDOWN}/v1", type="1", symbol="BTCUSD", countdownTime="30000")["data"] is True
    assert form(venue, f"{COUNTDOWN}/heartbeat/v1", symbols="BTCUSD", type="1")["data"] == ["BTCUSD"]
    assert desk.maker.get_countdown() == (Countdown("BTCUSD", timedelta(seconds=30)),)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": 4}, 10573),
        ({"type": None}, 10570),
        ({"symbol": "XYZUSD"}, 10579),
        ({"symbol": "BTC"}, 10579),
        ({"symbol": None}, 10570),
        ({"countdownTime": -1}, 10573),
        ({"countdownTime": 2**40}, 10573),
        ({"countdownTime": None}, 10570),
    ],
)
def test_a_setting_that_is_none_is_refused(desk: Maker, fields: dict[str, object], code: int) -> None:
    setting = {"type": 1, "symbol": "BTCUSD", "countdownTime": 60000} | fields
    given = {name: value for name, value in setting.items() if value is not None}
    assert desk.venue.post(f"{COUNTDOWN}/v1", **given)["code"] == code


def test_who_is_no_market_maker_finds_no_countdown_and_no_batch_and_may_not_be_protected(venue: Venue) -> None:
    demo = Maker(venue, venue.key, venue.secret)
    assert venue.send("POST", f"{COUNTDOWN}/v1", {"type": 1, "symbol": "BTCUSD", "countdownTime": 1000}).status_code == 404
    for path in (f"{COUNTDOWN}/get/v1?type=1", f"{COUNTDOWN}/get/v1"):
        assert venue.send("GET", path.partition("?")[0], {"type": 1}).status_code == 404
    with pytest.raises(AuthenticationRejected, match="no market maker"):
        demo.countdown.set_countdown("BTC", LONG)
    with pytest.raises(AuthenticationRejected, match="no market maker"):
        answered(demo.batches, [demo.order()])
    assert demo.open_ids() == set()
    assert venue.get(f"{MMP}/get-mmp-config/v1", indexName="BTCUSD")["msg"] == "not.allow"
    assert demo.code(lambda: demo.protection.protect("BTC", TERMS)) == 10001


def test_a_key_that_may_only_read_sets_nothing(venue: Venue) -> None:
    reader = Maker(venue, "desk-reader", "reader-secret")
    assert reader.code(lambda: reader.countdown.set_countdown("BTC", LONG)) == 10554
    assert reader.maker.get_countdown() == ()
    assert (reader.client.key().read_only, reader.client.key().is_master) == (True, True)


def test_an_elapsed_countdown_cancels_all_and_bars_orders_until_it_is_set_anew(desk: Maker) -> None:
    order = desk.client.create(desk.order())
    desk.countdown.set_countdown("BTC", SHORT)
    desk.until(lambda: order not in desk.open_ids())
    assert desk.code(lambda: desk.client.create(desk.order())) == 10619
    (refused,) = answered(desk.batches, [desk.order()])
    assert isinstance(refused, ExchangeRejected) and refused.code == 10619
    assert desk.countdown.reset_countdown(["BTC"]) == ()
    assert desk.code(lambda: desk.client.create(desk.order())) == 10619
    desk.countdown.set_countdown("BTC", LONG)
    assert desk.client.create(desk.order()) in desk.open_ids()


def test_the_orders_of_others_stay(desk: Maker, venue: Venue) -> None:
    theirs = venue.a_resting_order()
    order = desk.client.create(desk.order())
    desk.countdown.set_countdown("BTC", SHORT)
    desk.until(lambda: order not in desk.open_ids())
    assert str(theirs) in Maker(venue, venue.key, venue.secret).open_ids()


def test_the_switch_arms_resets_arms_again_and_disarms_over_the_wire(desk: Maker) -> None:
    alerts, now = FakeAlerts(), desk.clock.now()
    switch = DeadManSwitch(desk.countdown, InlinePool(), desk.clock, alerts, LONG, lambda: {"BTC"})
    switch.step(now)
    assert desk.maker.get_countdown() == (Countdown("BTCUSD", LONG),)
    switch.step(now + LONG / 2)
    assert alerts.raised == []
    desk.maker.set_countdown("BTCUSD", SHORT)
    order = desk.client.create(desk.order())
    desk.until(lambda: order not in desk.open_ids())
    switch.step(now + LONG)
    assert [alert.cause for alert in alerts.raised] == ["countdown elapsed BTC"]
    switch.step(now + LONG)
    assert desk.client.create(desk.order()) in desk.open_ids()
    switch.stop(OnStop.DISARM)
    assert desk.maker.get_countdown() == ()
    assert len(desk.open_ids()) == 1


def test_the_switch_of_an_account_without_the_grant_is_off_and_says_so(venue: Venue) -> None:
    demo, alerts = Maker(venue, venue.key, venue.secret), FakeAlerts()
    switch = DeadManSwitch(demo.countdown, InlinePool(), demo.clock, alerts, LONG, lambda: {"BTC", "ETH"})
    switch.step(demo.clock.now())
    switch.step(demo.clock.now())
    assert switch.off
    assert [alert.cause for alert in alerts.raised] == ["countdown not allowed"]


def test_countdowns_and_protections_live_on_across_a_restart_of_the_exchange(tmp_path: Path) -> None:
    arguments = (*ACCOUNTS, f"--state-dir={tmp_path}")
    with a_venue(tmp_path, *arguments) as venue:
        desk = Maker(venue)
        order = desk.client.create(desk.order())
        desk.countdown.set_countdown("BTC", LONG)
        desk.protection.protect("BTC", TERMS)
        desk.protection.protect("ETH", TERMS)
        desk.protection.unprotect("ETH")
    with a_venue(tmp_path, *arguments) as venue:
        desk = Maker(venue)
        assert desk.maker.get_countdown() == (Countdown("BTCUSD", LONG),)
        assert desk.protection.protection("ETH") is None
        standing = desk.protection.protection("BTC")
        assert standing is not None and standing.terms == TERMS
        assert desk.open_ids() == {order}
        desk.maker.set_countdown("BTCUSD", SHORT)
        desk.until(lambda: desk.open_ids() == set())
    with a_venue(tmp_path, *arguments) as venue:
        desk = Maker(venue)
        assert desk.code(lambda: desk.client.create(desk.order())) == 10619


# ---- protection


def test_a_protection_is_set_told_changed_and_removed(desk: Maker) -> None:
    assert desk.protection.protection("BTC") is None
    desk.protection.protect("BTC", TERMS)
    first = desk.venue.get(f"{MMP}/get-mmp-config/v1", indexName="BTCUSD")["data"]
    desk.protection.protect("BTC", replace(TERMS, freeze=timedelta(seconds=5), delta_limit=Decimal("1.5")))
    second = desk.venue.get(f"{MMP}/get-mmp-config/v1", indexName="BTCUSD")["data"]
    assert (first["id"], first["uid"], first["ctime"]) == (second["id"], second["uid"], second["ctime"])
    assert (first["deltaLimit"], first["frozenTime"], first["mmpFrozen"], first["mmpFrozenUntil"]) == (None, 0, False, "")
    assert (second["deltaLimit"], second["frozenTime"], second["qtyLimit"], second["intervalTime"]) == (1.5, 5000, 0.2, 60000)
    desk.protection.unprotect("BTC")
    assert desk.protection.protection("BTC") is None
    assert desk.code(lambda: desk.protection.thaw("BTC")) == 60008


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"indexName": "XYZUSD"}, 10579),
        ({"intervalTime": 999}, 10573),
        ({"intervalTime": 100_000_001}, 10573),
        ({"frozenTime": 1}, 10573),
        ({"qtyLimit": "0.001"}, 10573),
        ({"deltaLimit": "none"}, 10573),
    ],
)
def test_a_protection_out_of_range_is_refused(desk: Maker, fields: dict[str, object], code: int) -> None:
    setting = {"indexName": "BTCUSD", "intervalTime": "5000", "frozenTime": 5000, "qtyLimit": 10} | fields
    assert desk.venue.post(f"{MMP}/set-mmp-config/v1", **setting)["code"] == code


def test_a_marked_order_without_a_protection_is_refused(desk: Maker) -> None:
    assert desk.code(lambda: desk.client.create(replace(desk.order(), mmp=True))) == 60008


def test_a_protection_that_strikes_takes_marked_orders_back_until_it_is_reset(desk: Maker, venue: Venue) -> None:
    desk.protection.protect("BTC", TERMS)
    best = desk.bid + (desk.ask - desk.bid) // 2
    quoted, spare, plain = (replace(desk.order("0.2", best), mmp=True), replace(desk.order(), mmp=True), desk.order())
    ids = [desk.client.create(order) for order in (quoted, spare, plain)]
    row = venue.as_user("desk-key", "desk-secret").get("/open/option/order/singleQuery/v1", orderId=int(ids[1]))["data"]
    assert row["mmp"] is True
    venue.post(CREATE, **an_order(desk.option.symbol, str(best), qty="0.2", tradeSide=2, timeInForce="IOC"))
    desk.until(lambda: ids[1] not in desk.open_ids())
    assert desk.open_ids() == {ids[2]}
    standing = desk.protection.protection("BTC")
    assert standing is not None and standing.frozen and standing.frozen_until is None
    assert desk.code(lambda: desk.client.create(replace(desk.order(), mmp=True))) == 60008
    assert desk.venue.post(f"{MMP}/reset-mmp/v1", instType="OPTION", indexName="BTCUSD") == {
        "code": "0",
        "msg": "",
        "i18nArgs": None,
        "data": [{"result": True}],
    }
    assert desk.client.create(replace(desk.order(), mmp=True)) in desk.open_ids()


# ---- batches


def test_a_batch_of_forty_with_refusals_is_told_apart_and_cancelled_whole(desk: Maker) -> None:
    orders = [desk.order("0.001" if number % 5 == 4 else "0.1") for number in range(40)]
    outcomes = answered(desk.batches, orders)
    listed = {report.client_id: report.order_id for report in desk.orders.open_orders()}
    for order, outcome in zip(orders, outcomes, strict=True):
        if order.qty < Decimal("0.1"):
            assert isinstance(outcome, SizeRejected) and order.client_id not in listed
        else:
            assert listed[order.client_id] == outcome
    names = [order.client_id for order in orders if order.qty >= Decimal("0.1")]
    assert desk.batches.cancel_many(names) == (None,) * 32
    assert desk.open_ids() == set()
    assert {type(one) for one in desk.batches.cancel_many(names)} == {OrderAlreadyFinal}


def test_orders_that_filled_at_once_are_told_apart_too(desk: Maker) -> None:
    orders = [desk.order("0.1"), desk.order("0.1", desk.ask + 100), desk.order("0.001")]
    first, second, third = answered(desk.batches, orders)
    assert desk.open_ids() == {first}
    assert isinstance(second, str) and desk.client.order_history().rows[0].order_id == second
    assert isinstance(third, SizeRejected)


def test_forty_are_cancelled_in_one_request(desk: Maker) -> None:
    orders = [desk.order() for _ in range(40)]
    assert all(isinstance(one, str) for one in answered(desk.batches, orders))
    assert desk.batches.cancel_many([order.client_id for order in orders]) == (None,) * 40
    assert desk.open_ids() == set()


# ---- who we are and what we have


def test_user_key_and_wallet_are_told(desk: Maker) -> None:
    assert desk.client.user().name == "desk"
    assert (desk.client.key().read_only, desk.client.key().is_master) == (False, True)
    (coin,), _ = desk.client.wallet()
    assert (coin.coin, coin.equity is not None and coin.equity > 0) == ("USDT", True)
