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
from tests.rehearsal.stage import NAME, Trader

WRONG = """
from domain.quoting import *

def wide():
    return QuotingPolicy(name="wide", width=Width(vol_points=-1))

def odd():
    return QuotingPolicy(name="x y", requote_share=-1)

def none():
    return 7

def good():
    return QuotingPolicy(name="good")

STRATEGIES, MAKERS = [], [wide, odd, none, good]
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Maker, Taker]]:
    with a_stage(tmp_path, {**POLL, "TRADER_MAX_DATA_AGE_SECONDS": "3"}) as (maker, taker):
        yield maker, taker


def fault(taker: Taker, kind: str, path: str, **details: object) -> None:
    taker.exchange.fault(kind, account=NAME, path=path, **details)


@pytest.mark.parametrize("spread", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["straddle", "mixed sides"])
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


@pytest.mark.soak
def test_ct63_a_request_that_is_withdrawn_leaves_a_trade_that_never_was(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    maker.answer()
    request = taker.ask()
    taker.offered(maker, request)
    taker.withdraw(request)
    maker.reach(TradeState.FAILED)
    assert all(each.state is TradeState.FAILED for each in maker.trades())
    judged(maker, taker.exchange)


@pytest.mark.soak
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


@pytest.mark.soak
def test_l23_a_quote_that_is_taken_while_nobody_knows_whether_it_stands_is_a_trade(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    fault(taker, "lose_answer", QUOTE)
    fault(taker, "busy", MINE, count=6)
    maker.answer()
    request = taker.ask()
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    judged(maker, taker.exchange)


@pytest.mark.soak
def test_a_quote_that_never_arrived_is_made_again(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    fault(taker, "refuse", QUOTE, code=10605)
    maker.answer()
    request = taker.ask()
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    assert [event.outcome for event in maker.of(BlockQuoteEnded)] == ["refused", "filled"]
    judged(maker, taker.exchange)


@pytest.mark.soak
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


@pytest.mark.soak
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


@pytest.mark.parametrize("taken", [pytest.param(True, marks=pytest.mark.soak), False], ids=["taken meanwhile", "left standing"])
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


@pytest.mark.soak
@pytest.mark.parametrize("taken", [pytest.param(True, marks=pytest.mark.soak), False], ids=["taken meanwhile", "left standing"])
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


@pytest.mark.soak
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


# ---- what a person says


@pytest.mark.soak
@pytest.mark.parametrize("word", ["reduce", "halt", "kill"])
def test_ct62_an_account_that_is_not_active_quotes_nothing_until_it_is(stage: tuple[Maker, Taker], word: str) -> None:
    maker, taker = stage
    maker.answer()
    first = taker.ask()
    taker.offered(maker, first)
    for line in [["--kill"], ["--kill", "--yes"]] if word == "kill" else [[f"--{word}"]]:
        assert maker.ask(*line).returncode == 0
    maker.wait(lambda: not taker.offers(first), "its quote is taken back")
    second = taker.ask(spread=True)
    maker.hear(f"request not answered id={second}")
    assert taker.offers(second) == []
    assert maker.ask("--withdraw-kill" if word == "kill" else "--activate").returncode == 0
    taker.offered(maker, second)


@pytest.mark.soak
def test_a_maker_that_is_paused_quotes_nothing_also_after_a_restart_and_says_so_until_it_is_resumed(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    maker.answer()
    request = taker.ask()
    taker.offered(maker, request)
    assert maker.ask("--pause", "maker").returncode == 0
    maker.wait(lambda: not taker.offers(request), "its quote is taken back")
    maker.kill()
    maker.answer()
    maker.hear("maker maker is paused")
    maker.hear(f"request not answered id={request}")
    assert "maker (paused)" in maker.ask("--status").stdout
    assert taker.offers(request) == []
    assert maker.ask("--resume", "maker").returncode == 0
    assert taker.accept(request, taker.offered(maker, request)) == 0
    maker.reach(TradeState.OPEN)
    judged(maker, taker.exchange)


def test_a_dry_run_tells_what_it_would_offer_and_sends_nothing(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    maker.start("--strategies-file", str(maker.file), "--maker", "maker", "--dry-run")
    request = taker.ask()
    maker.hear("DRY RUN: it would be answered with sell")
    assert (taker.offers(request), maker.trades()) == ([], ())


def test_a_maker_on_the_embedded_exchange_may_quote_there(trader: Trader) -> None:
    trader.start("--maker", "block_maker")
    [ready] = trader.lines("daemon ready")
    assert "strategies=none makers=block_maker" in ready
    trader.hear("DRY RUN")
    trader.hear("coincall stream opened name=options")
    assert trader.lines("refused") == []


def test_a_maker_that_is_unknown_or_wrong_starts_nothing_and_every_mistake_is_told(tmp_path: Path) -> None:
    trader = Trader(tmp_path)
    file = tmp_path / "wrong.py"
    file.write_text(WRONG, encoding="utf-8")
    told = trader.ask("--maker", "nobody")
    assert (told.returncode, "there are block_maker" in told.stderr) == (2, True)
    for more in ([], ["--check"]):
        told = trader.ask("--strategies-file", str(file), "--maker", "good", *more)
        assert told.returncode == 2
        mistakes = ("wide: Width: vol_points", "odd: QuotingPolicy: name", "odd: QuotingPolicy: requote_share", "none: returned 7")
        assert [each for each in mistakes if each not in told.stderr] == []
