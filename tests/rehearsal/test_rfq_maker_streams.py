"""Our maker where the venue tells it of requests: answered at once, believed only after asking, and no worse off when nothing is told.

With streams the lists are asked for every twenty seconds only; where a test wants to be sure they are not to be had at all.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from events import BlockQuoted
from trade_lifecycle import TradeState

from tests.rehearsal.maker_stage import REQUESTS, Maker, Taker, a_stage, judged
from tests.rehearsal.stage import NAME

SECOND = 1000  # ms
TOLD = {"TRADER_HTTP_TIMEOUT_SECONDS": "3"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Maker, Taker]]:
    with a_stage(tmp_path, TOLD) as (maker, taker):
        maker.answer()
        maker.hear("coincall stream opened name=options")
        yield maker, taker


def without_lists(taker: Taker) -> None:
    taker.exchange.fault("busy", account=NAME, path=REQUESTS, count=0)


def answered_after(maker: Maker, taker: Taker) -> int:
    """Ask once; return how long the answer took by the exchange's clock, which runs with the wall: ms."""
    request = taker.ask()
    quote = taker.offered(maker, request)
    [asked_at] = [row["createTime"] for row in taker.venue.get(REQUESTS, requestId=request)["data"]["rfqList"]]
    taker.withdraw(request)
    return int(quote["createTime"]) - int(asked_at)


def test_ct62_a_request_that_is_told_is_answered_within_a_second_though_no_list_is_to_be_had(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    without_lists(taker)
    took = [answered_after(maker, taker) for _ in range(3)]
    assert min(took) < SECOND, took


def test_a_quote_that_is_taken_is_booked_as_soon_as_that_is_told(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    without_lists(taker)
    request = taker.ask()
    assert taker.accept(request, taker.offered(maker, request)) == 0
    trade = maker.reach(TradeState.OPEN)
    taken_at = max(match.at for match in taker.exchange.ledger().fills)
    assert (trade.phase_at - taken_at).total_seconds() < 5  # by lists alone it were up to twenty
    judged(maker, taker.exchange)


@pytest.mark.parametrize("kind", ["stream_duplicate", "stream_reorder"])
def test_l23_news_that_comes_twice_or_too_late_makes_no_second_quote_and_no_second_trade(stage: tuple[Maker, Taker], kind: str) -> None:
    maker, taker = stage
    taker.exchange.fault(kind, account=NAME, count=0)
    request = taker.ask()
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    assert len(maker.of(BlockQuoted)) == len(maker.trades()) == 1
    judged(maker, taker.exchange)


@pytest.mark.soak
def test_where_streams_are_refused_requests_are_found_in_the_lists(tmp_path: Path) -> None:
    with a_stage(tmp_path, TOLD) as (maker, taker):
        taker.exchange.fault("stream_refuse", account=NAME, seconds=600)
        maker.answer()
        request = taker.ask()
        assert taker.accept(request, taker.offered(maker, request)) == 0
        maker.reach(TradeState.OPEN)
        judged(maker, taker.exchange)


@pytest.mark.soak
def test_news_that_is_lost_is_found_in_the_lists_a_little_later(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    taker.exchange.fault("stream_lose", account=NAME, count=0)
    request = taker.ask()
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    judged(maker, taker.exchange)


def test_an_account_that_may_not_quote_is_told_so_once_and_keeps_its_streams(tmp_path: Path) -> None:
    with a_stage(tmp_path, TOLD, "--no-rfq-list", quotes=False) as (maker, taker):
        maker.answer()
        maker.hear("coincall stream opened name=options")
        maker.hear("requests cannot be listed")
        taker.ask()
        assert len([line for line in maker.lines("stream open") if "name=options" in line]) == 1
        assert maker.lines("coincall stream lost") == []
        assert len(maker.lines("channel rfqMaker refused")) == 1
        assert maker.trades() == ()
