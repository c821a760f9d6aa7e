"""Our maker at work on the paper exchange, the real program over real sockets and without streams: a taker asks, and it answers.

The exchange's own ledger is the judge; the maker is killed as by a power cut.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain import Side
from events import BlockQuoted, BlockQuoteEnded, BlockQuoteIntended
from trade_lifecycle import TradeState

from tests.rehearsal.maker_stage import CANCEL, MINE, POLL, QUOTE, Maker, Taker, a_stage, judged
from tests.rehearsal.stage import NAME


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Maker, Taker]]:
    with a_stage(tmp_path, {**POLL, "TRADER_MAX_DATA_AGE_SECONDS": "3"}) as (maker, taker):
        yield maker, taker


def fault(taker: Taker, kind: str, path: str, **details: object) -> None:
    taker.exchange.fault(kind, account=NAME, path=path, **details)


@pytest.mark.parametrize("spread", [False, True], ids=["straddle", "mixed sides"])
def test_ct62_a_taker_asks_our_maker_answers_and_the_block_is_booked_to_the_last_digit(stage: tuple[Maker, Taker], *, spread: bool) -> None:
    maker, taker = stage
    maker.answer()
    request = taker.ask(spread=spread)
    quote = taker.offered(maker, request)
    assert [leg["side"] for leg in quote["legs"]] == (["SELL", "BUY"] if spread else ["SELL", "SELL"])
    assert taker.accept(request, quote) == 0
    trade = maker.reach(TradeState.OPEN)
    assert [leg.side for leg in trade.legs] == [Side.SELL, Side.BUY if spread else Side.SELL]
    judged(maker, taker.exchange)


def test_ct63_a_request_that_is_withdrawn_leaves_a_trade_that_never_was(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    maker.answer()
    request = taker.ask()
    taker.offered(maker, request)
    taker.withdraw(request)
    maker.reach(TradeState.FAILED)
    assert all(each.state is TradeState.FAILED for each in maker.trades())
    judged(maker, taker.exchange)


def test_l23_a_quote_whose_answer_was_lost_is_taken_back_before_another_is_made(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    fault(taker, "lose_answer", QUOTE)
    maker.answer()
    request = taker.ask()
    maker.wait(lambda: len(maker.of(BlockQuoted)) == 2, "it has made another")
    first, second = maker.of(BlockQuoted)
    ended = maker.of(BlockQuoteEnded)[0]
    assert (ended.outcome, first.quote_id != second.quote_id) == ("cancelled", True)
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    judged(maker, taker.exchange)


def test_l23_a_quote_that_is_taken_while_nobody_knows_whether_it_stands_is_a_trade(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    fault(taker, "lose_answer", QUOTE)
    fault(taker, "busy", MINE, count=6)
    maker.answer()
    request = taker.ask()
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    judged(maker, taker.exchange)


def test_a_quote_that_never_arrived_is_made_again(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    fault(taker, "refuse", QUOTE, code=10605)
    maker.answer()
    request = taker.ask()
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    assert [event.outcome for event in maker.of(BlockQuoteEnded)] == ["refused", "filled"]
    judged(maker, taker.exchange)


@pytest.mark.parametrize("lost", ["lose_answer", "lose_request"])
def test_a_taker_who_races_our_cancel_trades_or_does_not_and_the_books_know_which(stage: tuple[Maker, Taker], lost: str) -> None:
    maker, taker = stage
    fault(taker, lost, CANCEL)
    maker.answer()
    request = taker.ask()
    quote = taker.offered(maker, request)
    assert maker.ask("--halt").returncode == 0
    code = taker.accept(request, quote)
    maker.reach(TradeState.OPEN if code == 0 else TradeState.FAILED)
    judged(maker, taker.exchange)


def test_l38_a_quote_is_taken_back_when_the_market_is_not_known_any_more(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    maker.answer()
    request = taker.ask()
    taker.offered(maker, request)
    taker.exchange.fault("busy", path="/open/option/get/v1/*", count=0)
    maker.wait(lambda: not taker.offers(request), "its quote is gone")
    maker.reach(TradeState.FAILED)
    taker.exchange.mend()
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    judged(maker, taker.exchange)


@pytest.mark.parametrize("taken", [True, False], ids=["taken meanwhile", "left standing"])
def test_l28_a_quote_of_a_maker_that_was_killed_is_a_trade_or_is_taken_back(stage: tuple[Maker, Taker], *, taken: bool) -> None:
    maker, taker = stage
    maker.answer()
    request = taker.ask()
    quote = taker.offered(maker, request)
    maker.wait(lambda: maker.of(BlockQuoted), "it knows its quote")
    maker.kill()
    if taken:
        assert taker.accept(request, quote) == 0
        maker.answer()
    else:
        maker.only_watch()
    maker.reach(TradeState.OPEN if taken else TradeState.FAILED, 0)
    assert taken or taker.accept(request, quote) != 0
    judged(maker, taker.exchange)


@pytest.mark.parametrize("taken", [True, False], ids=["taken meanwhile", "left standing"])
def test_l28_a_maker_that_dies_before_the_answer_to_its_quote_finds_it_again(stage: tuple[Maker, Taker], *, taken: bool) -> None:
    maker, taker = stage
    fault(taker, "hang", QUOTE, seconds=2.0, processed=True)
    maker.answer()
    request = taker.ask()
    quote = taker.offered(maker, request)
    maker.kill()
    assert (len(maker.of(BlockQuoteIntended)), len(maker.of(BlockQuoted))) == (1, 0)
    if taken:
        assert taker.accept(request, quote) == 0
    maker.only_watch()
    maker.reach(TradeState.OPEN if taken else TradeState.FAILED, 0)
    assert taker.offers(request) == []
    judged(maker, taker.exchange)


def test_a_maker_whose_journal_was_lost_takes_its_old_quotes_back(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    maker.answer()
    request = taker.ask()
    old = taker.offered(maker, request)
    maker.kill()
    for file in maker.state.glob("journal.*"):
        file.unlink()
    maker.answer()
    maker.wait(lambda: [row["quoteId"] for row in taker.offers(request)] not in ([], [old["quoteId"]]), "it has taken the old one back")
    assert taker.accept(request, old) != 0
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    judged(maker, taker.exchange)
