"""The public SDK python-coincall, written by others, trades on the paper exchange. Source: Coincall API 18.1."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.paper_server import KEY, SECRET, Venue, a_venue

coincall = pytest.importorskip("coincall", reason="python-coincall is not installed")
from coincall import Options, Public, User  # noqa: E402


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with a_venue(tmp_path_factory.mktemp("venue"), "--no-rate-limits") as running:
        yield running


@pytest.fixture
def sdk(venue: Venue) -> Iterator[Any]:
    api = Options.OptionsAPI(KEY, SECRET, domain=venue.url, debug=False)
    yield api
    api.client.close()


def test_it_lists_instruments_and_chains(sdk: Any) -> None:
    listed = sdk.get_instruments("BTC")
    chain = sdk.get_options_by_endtime("BTCUSD", listed["data"][0]["expirationTimestamp"])

    assert listed["code"] == 0
    assert {row["callOption"]["symbol"] for row in chain["data"]} <= {row["symbolName"] for row in listed["data"]}


def test_it_reads_book_detail_and_trades(sdk: Any, venue: Venue) -> None:
    symbol = venue.an_option()["symbol"]

    assert sdk.get_depth(symbol)["data"]["bids"]
    assert sdk.get_option_by_name(symbol)["data"]["markPrice"] > 0
    assert sdk.get_lasttrade(symbol)["code"] == 0


def test_it_places_queries_lists_and_cancels(sdk: Any, venue: Venue) -> None:
    option = venue.an_option()

    placed = sdk.place_order(option["symbol"], 0.1, 1, 1, clientOrderId=4711, price=float(option["bid"] - 50))
    asked = sdk.get_order_by_id(orderId=placed["data"])
    listed = sdk.get_open_orders()
    cancelled = sdk.cancel_order(orderId=placed["data"])

    assert (asked["data"]["clientOrderId"], asked["data"]["state"]) == (4711, 0)
    assert placed["data"] in [row["orderId"] for row in listed["data"]["list"]]
    assert (cancelled["data"], sdk.get_order_by_id(clientOrderId=4711)["data"]["state"]) == ("success", 3)


def test_what_it_placed_can_be_amended(sdk: Any, venue: Venue) -> None:
    option = venue.an_option()
    placed = sdk.place_order(option["symbol"], 0.1, 1, 1, price=float(option["bid"] - 50))

    amended = venue.post("/open/option/order/modify/v1", symbol=option["symbol"], orderId=placed["data"], qty="0.2")

    assert (amended["code"], amended["data"]) == (0, placed["data"])
    assert sdk.get_order_by_id(orderId=placed["data"])["data"]["qty"] == 0.2
    assert sdk.cancel_orders("BTCUSD")["code"] == 0


def test_a_fill_shows_in_positions_and_histories(sdk: Any, venue: Venue) -> None:
    option = venue.an_option()

    placed = sdk.place_order(option["symbol"], 0.1, 1, 1, price=float(option["ask"] + 20))

    assert option["symbol"] in [row["symbol"] for row in sdk.get_positions()["data"]]
    assert placed["data"] in [row["orderId"] for row in sdk.get_trade_history()["data"]["list"]]
    assert placed["data"] in [row["orderId"] for row in sdk.get_order_history()["data"]["list"]]


def test_it_knows_who_it_is_and_what_it_has(venue: Venue) -> None:
    user = User.UserAPI(KEY, SECRET, domain=venue.url, debug=False)

    assert user.get_user_info()["data"]["name"] == "demo"
    user.client.close()


def test_it_can_go_by_the_venues_clock(venue: Venue) -> None:
    public = Public.PublicAPI(KEY, SECRET, use_server_time=True, domain=venue.url, debug=False)

    assert public.client.get("/time").json()["data"]["serverTime"] > 0
    public.client.close()
