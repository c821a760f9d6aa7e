"""The paper exchange's streams of the block board and of the market, over real sockets: each tells its own at its own pace.

Source: Coincall API 11, 15 (39, 40, 46 to 61).
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.contract.paper_server import ACCOUNTS, AT, CREATE, MAKERS, OTHERS, Stream, Venue, a_venue, an_order


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with a_venue(tmp_path_factory.mktemp("venue"), "--no-rate-limits", "--control", *ACCOUNTS, *OTHERS, *MAKERS) as running:
        yield running


@pytest.fixture
def maker(venue: Venue) -> Venue:
    return venue.as_user("mm-key", "mm-secret")


# ---- the block board


class Board:
    """A taker, two makers and somebody else, each with all channels of the block board."""

    def __init__(self, venue: Venue) -> None:
        self.venue, self.maker, self.loser = venue, venue.as_user("mm-key", "mm-secret"), venue.as_user("mm2-key", "mm2-secret")
        self.taking, self.winning, self.losing = Stream(venue), Stream(self.maker), Stream(self.loser)
        self.outside = Stream(venue.as_user("idle-key", "idle-secret"))
        self.streams = (self.taking, self.winning, self.losing, self.outside)
        for stream in self.streams:
            stream.subscribe("rfqTaker", "rfqQuote", "quoteReceived", "blockTradeDetail", "blockTradePublic")
        self.winning.subscribe("rfqMaker")
        self.losing.subscribe("rfqMaker")
        self.symbol = venue.an_option()["symbol"]
        legs = [{"instrumentName": self.symbol, "side": "BUY", "qty": "1"}]
        self.number = venue.post(f"{AT}/request/create/v1", legs=legs)["data"]["requestId"]

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self.streams:
            stream.socket.close()

    def quote(self, maker: Venue, price: str) -> int:
        legs = [{"instrumentName": self.symbol, "price": price}]
        return int(maker.post(f"{AT}/quote/create/v1", requestId=self.number, legs=legs)["data"]["quoteId"])


def test_a_request_and_its_quotes_reach_whom_they_concern(venue: Venue) -> None:
    with Board(venue) as board:
        asked = board.winning.push(28, requestId=board.number)
        assert board.taking.push(129, requestId=board.number)["legs"] == board.losing.push(28)["legs"] == asked["legs"]
        assert (asked["state"], asked["legs"][0]["side"], asked["legs"][0]["quantity"]) == ("ACTIVE", "BUY", "1")
        assert Decimal(asked["legs"][0]["price"]) > 0

        quotes = (board.quote(board.maker, "1500"), board.quote(board.loser, "1600"))

        assert [board.taking.push(131, quoteId=str(quote))["quoteSide"] for quote in quotes] == ["SELL", "SELL"]
        assert (board.winning.push(130)["quoteId"], board.losing.push(130)["quoteId"]) == quotes
        assert board.outside.ask(action="subscribe", dataType="rfqMaker")["result"] != "success"
        assert venue.post(f"{AT}/request/cancel/v1", requestId=board.number)["code"] == 0
        assert board.losing.push(28, requestId=board.number)["state"] == "CANCELLED" == board.losing.push(130)["state"]
        assert board.outside.listen(0.2) == []


def test_a_block_is_told_to_its_parties_in_full_and_to_the_others_as_traded_away(venue: Venue) -> None:
    with Board(venue) as board:
        won, lost = board.quote(board.maker, "1500"), board.quote(board.loser, "1600")

        assert venue.post(f"{AT}/request/accept/v1", requestId=board.number, quoteId=won)["code"] == 0

        assert [board.winning.push(130, state="FILLED")["quoteId"], board.losing.push(130, state="CANCELLED")["quoteId"]] == [won, lost]
        board.winning.push(28, requestId=board.number, state="FILLED")
        board.losing.push(28, requestId=board.number, state="TRADED_AWAY")
        board.taking.push(129, requestId=board.number, state="FILLED")
        board.taking.push(131, quoteId=str(won), state="FILLED")
        board.taking.push(131, quoteId=str(lost), state="CANCELLED")
        bought, sold = board.taking.push(22), board.winning.push(22)
        assert (bought["role"], bought["tradeSide"], bought["legs"][0]["side"]) == ("TAKER", "BUY", "BUY")
        assert (sold["role"], sold["tradeSide"], sold["legs"][0]["side"]) == ("MAKER", "SELL", "SELL")
        assert bought["blockTradeId"] == sold["blockTradeId"] == won and bought["userId"] != sold["userId"]
        assert board.outside.push(23, requestId=int(board.number))["strategyPrice"] == "1500.00000000"
        assert board.outside.listen(0.2) == [] and not [frame for frame in board.losing.listen(0.1) if frame["dt"] == 22]


# ---- the market


def test_every_market_channel_tells_at_once_how_it_stands(venue: Venue) -> None:
    option = venue.an_option()
    venue.post(CREATE, **an_order(option["symbol"], str(option["ask"] + 50)))
    with Stream(venue) as stream, Stream(venue, "/futures") as futures:
        stream.subscribe("orderBook", "lastTrade", "lastTradeV2", "bsInfo", symbol=[option["symbol"]])
        stream.subscribe("tOption", symbol="BTCUSD", end=option["endTime"])
        futures.subscribe("spotPrice", symbol="BTCUSD")

        book, ticker, chain = stream.push(5), stream.push(3), stream.push(4)
        short, long = stream.push(6), stream.push(24)
        index = futures.next(lambda frame: frame.get("dt") == 30)

    assert book["s"] == ticker["s"] == option["symbol"] == short[0]["s"] == long[0]["symbol"]
    assert [Decimal(level["pr"]) for level in book["asks"]] == sorted(Decimal(level["pr"]) for level in book["asks"])
    assert option["symbol"] in [row["s"] for row in chain] and {row["ts"] for row in chain} == {chain[0]["ts"]}
    assert abs(index["d"]["ip"] - ticker["ip"]) < 2000 and abs(index["d"]["ts"] - index["ts"]) < 5000
    assert futures.socket is not stream.socket


def test_a_book_is_told_as_the_market_moves_but_ten_times_a_second_at_most(tmp_path: Path) -> None:
    speed = 600
    with a_venue(tmp_path, f"--speed={speed}", *ACCOUNTS) as venue, Stream(venue) as stream:
        stream.subscribe("orderBook", symbol=venue.an_option()["symbol"])
        stamps = [stream.push(5)["ts"] for _ in range(6)]

    assert all(later - earlier > 75 * speed for earlier, later in pairwise(stamps))  # milliseconds of market time


def test_a_public_trade_reaches_who_watches_the_option(venue: Venue, maker: Venue) -> None:
    option = venue.an_option()
    with Stream(maker) as stream:
        stream.subscribe("lastTradeV2", symbol=option["symbol"])
        stream.listen(0.3)
        stream.seen.clear()
        venue.post(CREATE, **an_order(option["symbol"], str(option["ask"] + 50), qty="0.17"))

        row = stream.next(lambda frame: frame.get("dt") == 24 and frame["d"][0]["matchQty"] == "0.17")["d"][0]

    assert row["tradeSide"] == "1"
