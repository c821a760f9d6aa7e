"""Our maker at work on the paper exchange, over real sockets and without streams: a taker asks, and it answers.

The exchange's own ledger is the judge; the maker is killed as by a power cut.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from domain import Side
from errors import JournalError
from events import AnyEvent, BlockQuoted, BlockQuoteEnded, BlockQuoteIntended, LegFilled, OrderIntended, OrderRefused, OrderSettled
from journal import JournalReader
from paper.rows import MatchRow
from status import status_of
from trade_lifecycle import TradeLifecycle, TradeState

from tests.contract.paper_server import Venue, a_venue
from tests.rehearsal.stage import GOODBYE, LONG, ROOT, Ledger, until

_RECEIVED = "request/getQuotesReceived"
AT = "/open/option/blocktrade"
REQUEST, ACCEPT, RECEIVED, MINE = (
    f"{AT}/{path}/v1" for path in ("request/create", "request/accept", "request/getQuotesReceived", "list-quote")
)
WITHDRAW, QUOTE, CANCEL = f"{AT}/request/cancel/v1", f"{AT}/quote/create/v1", f"{AT}/quote/cancel/v1"
TAKER, MAKER = ("taker", "taker-key-1", "taker-secret-1"), ("maker", "maker-key-1", "maker-secret-1")
ACCOUNTS = [f"--account={':'.join(each)}:1000000" for each in (TAKER, MAKER)]


class Daemon:
    """The maker as a process of its own."""

    def __init__(self, venue: Venue, state: Path) -> None:
        self.venue, self.state = venue, state
        state.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or a new life of it."""
        line = [sys.executable, "-m", "tests.rehearsal.maker_daemon", self.venue.url, *MAKER[1:], str(self.state)]
        with (self.state / "story.txt").open("ab") as story:
            self._process = subprocess.Popen(line, cwd=ROOT, stdout=story, stderr=story)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(GOODBYE)

    def switch(self, name: str, *, on: bool = True) -> None:
        """Set a switch of it."""
        file = self.state / name
        file.touch() if on else file.unlink()

    @property
    def story(self) -> str:
        """What it has told."""
        return (self.state / "story.txt").read_text(encoding="utf-8")

    def events(self) -> tuple[AnyEvent, ...]:
        """What its journal holds."""
        if not (self.state / "journal.db").exists():
            return ()
        try:
            with JournalReader(self.state / "journal.db") as reader:
                return tuple(reader.events())
        except JournalError:  # it is being made
            return ()

    def of(self, kind: type[AnyEvent]) -> list[Any]:
        """What its journal holds of one kind."""
        return [event for event in self.events() if isinstance(event, kind)]

    @property
    def trades(self) -> tuple[TradeLifecycle, ...]:
        """Its trades, as the journal tells them."""
        return status_of(self.events()).trades

    def wait(self, met: Any, what: str) -> None:
        """Wait until something is so."""
        until(lambda: met() or (self._process is not None and self._process.poll() is not None), what, LONG)
        assert met(), self.story


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    options = ("--no-rate-limits", "--control", "--no-makers", "--market-maker=maker", "--rfq-one-quote", *ACCOUNTS)
    with a_venue(tmp_path, *options) as running:
        yield running


@pytest.fixture
def maker(venue: Venue, tmp_path: Path) -> Iterator[Daemon]:
    one = Daemon(venue, tmp_path / "maker")
    yield one
    one.kill()


@pytest.fixture
def taker(venue: Venue) -> Venue:
    return venue.as_user(*TAKER[1:])


# ---- what the taker does


def ask(taker: Venue, *, spread: bool = False) -> str:
    """Ask for a straddle, or for a call against its put."""
    call = taker.an_option()["symbol"]
    sides = ("BUY", "SELL" if spread else "BUY")
    legs = [{"instrumentName": name, "side": side, "qty": "0.75"} for name, side in zip((call, call[:-1] + "P"), sides, strict=True)]
    answer = taker.post(REQUEST, legs=legs)
    assert answer["code"] == 0, answer
    return str(answer["data"]["requestId"])


def offers(taker: Venue, request: str) -> list[dict[str, Any]]:
    return [row for row in taker.get(RECEIVED, requestId=request)["data"] if row["state"] == "OPEN"]


def offered(taker: Venue, maker: Daemon, request: str) -> dict[str, Any]:
    maker.wait(lambda: offers(taker, request), "it answers the request")
    [quote] = offers(taker, request)
    return quote


def accept(taker: Venue, request: str, quote: Mapping[str, Any]) -> int:
    return int(taker.post(ACCEPT, requestId=request, quoteId=quote["quoteId"])["code"])


def fault(venue: Venue, kind: str, path: str, **details: Any) -> None:
    told = requests.post(f"{venue.url}/paper/faults", json={"kind": kind, "account": "maker", "path": path, **details}, timeout=10)
    assert told.status_code == 200, told.text


# ---- the judge


def ledger(venue: Venue) -> Ledger:

    return msgspec.json.decode(requests.get(f"{venue.url}/paper/ledger", timeout=10).content, type=Ledger)


def _mine(match: MatchRow, user: int) -> tuple[str, Decimal, Decimal, Decimal]:
    taking = match.taker_user == user
    sign = match.taker_side.sign if taking else -match.taker_side.sign
    return match.symbol, sign * match.qty, match.price, match.taker_fee if taking else match.maker_fee


def judged(venue: Venue, maker: Daemon) -> None:
    """The journal holds the exchange's own trades to the last digit, each order has an end, and no quote of ours stands alone."""
    books = ledger(venue)
    [user] = [account.user for account in books.cash if account.name == "maker"]
    truth = {str(match.trade_id): _mine(match, user) for match in books.fills if user in (match.taker_user, match.maker_user)}
    fills = [event.fill for event in maker.of(LegFilled)]
    assert {fill.id: (fill.symbol, fill.side.sign * fill.qty, fill.price, fill.fee) for fill in fills} == truth
    assert len(fills) == len(truth)
    ended = {event.order for event in (*maker.of(OrderRefused), *maker.of(OrderSettled))}
    assert {event.order for event in maker.of(OrderIntended)} == ended
    cash = next(account.cash for account in books.cash if account.name == "maker") - Decimal(1000000)
    assert cash == sum((-fill.side.sign * fill.qty * fill.price - fill.fee for fill in fills), Decimal(0))


def state_of(maker: Daemon) -> TradeState | None:
    return maker.trades[-1].state if maker.trades else None


# ---- the rehearsals


@pytest.mark.parametrize("spread", [False, True], ids=["straddle", "mixed sides"])
def test_ct62_a_taker_asks_our_maker_answers_and_the_block_is_booked_to_the_last_digit(
    venue: Venue, maker: Daemon, taker: Venue, *, spread: bool
) -> None:
    maker.start()
    request = ask(taker, spread=spread)
    quote = offered(taker, maker, request)
    assert [leg["side"] for leg in quote["legs"]] == (["SELL", "BUY"] if spread else ["SELL", "SELL"])
    assert accept(taker, request, quote) == 0
    maker.wait(lambda: state_of(maker) is TradeState.OPEN, "the trade is open")
    assert [leg.side for leg in maker.trades[-1].legs] == [Side.SELL, Side.BUY if spread else Side.SELL]
    judged(venue, maker)


def test_ct63_a_request_that_is_withdrawn_leaves_a_trade_that_never_was(venue: Venue, maker: Daemon, taker: Venue) -> None:
    maker.start()
    request = ask(taker)
    offered(taker, maker, request)
    assert taker.post(WITHDRAW, requestId=request)["code"] == 0
    maker.wait(lambda: state_of(maker) is TradeState.FAILED, "the trade is given up")
    assert all(each.state is TradeState.FAILED for each in maker.trades)
    judged(venue, maker)


def test_l23_a_quote_whose_answer_was_lost_is_taken_back_before_another_is_made(venue: Venue, maker: Daemon, taker: Venue) -> None:
    fault(venue, "lose_answer", QUOTE)
    maker.start()
    request = ask(taker)
    maker.wait(lambda: len(maker.of(BlockQuoted)) == 2, "it has made another")
    first, second = maker.of(BlockQuoted)
    ended = maker.of(BlockQuoteEnded)[0]
    assert (ended.outcome, first.quote_id != second.quote_id) == ("cancelled", True)
    assert accept(taker, request, offered(taker, maker, request)) == 0
    maker.wait(lambda: state_of(maker) is TradeState.OPEN, "the trade is open")
    judged(venue, maker)


def test_l23_a_quote_that_is_taken_while_nobody_knows_whether_it_stands_is_a_trade(venue: Venue, maker: Daemon, taker: Venue) -> None:
    fault(venue, "lose_answer", QUOTE)
    fault(venue, "busy", MINE, count=6)
    maker.start()
    request = ask(taker)
    assert accept(taker, request, offered(taker, maker, request)) == 0
    maker.wait(lambda: state_of(maker) is TradeState.OPEN, "the trade is open")
    judged(venue, maker)


def test_a_quote_that_never_arrived_is_made_again(venue: Venue, maker: Daemon, taker: Venue) -> None:
    fault(venue, "refuse", QUOTE, code=10605)
    maker.start()
    request = ask(taker)
    assert accept(taker, request, offered(taker, maker, request)) == 0
    maker.wait(lambda: state_of(maker) is TradeState.OPEN, "the trade is open")
    assert [event.outcome for event in maker.of(BlockQuoteEnded)] == ["refused", "filled"]
    judged(venue, maker)


def test_a_taker_who_races_our_cancel_trades_or_does_not_and_the_books_know_which(venue: Venue, maker: Daemon, taker: Venue) -> None:
    fault(venue, "lose_answer", CANCEL)
    maker.start()
    request = ask(taker)
    quote = offered(taker, maker, request)
    maker.switch("halt")
    code = accept(taker, request, quote)
    over = TradeState.OPEN if code == 0 else TradeState.FAILED
    maker.wait(lambda: state_of(maker) is over, f"the trade is {over}")
    judged(venue, maker)


def test_a_quote_is_taken_back_when_nobody_prices_it_any_more(venue: Venue, maker: Daemon, taker: Venue) -> None:
    maker.start()
    request = ask(taker)
    offered(taker, maker, request)
    maker.switch("blind")
    maker.wait(lambda: not offers(taker, request), "its quote is gone")
    maker.wait(lambda: state_of(maker) is TradeState.FAILED, "the trade is given up")
    assert "nobody has priced it" in maker.trades[-1].reason
    judged(venue, maker)


@pytest.mark.parametrize("taken", [True, False], ids=["taken meanwhile", "left standing"])
def test_l28_a_quote_of_a_maker_that_was_killed_is_a_trade_or_is_taken_back(
    venue: Venue, maker: Daemon, taker: Venue, *, taken: bool
) -> None:
    maker.start()
    request = ask(taker)
    quote = offered(taker, maker, request)
    maker.wait(lambda: maker.of(BlockQuoted), "it knows its quote")
    maker.kill()
    if taken:
        assert accept(taker, request, quote) == 0
    else:
        maker.switch("halt")
    maker.start()
    over = TradeState.OPEN if taken else TradeState.FAILED
    maker.wait(lambda: maker.trades[0].state is over, f"the trade is {over}")
    assert taken or accept(taker, request, quote) != 0
    judged(venue, maker)


@pytest.mark.parametrize("taken", [True, False], ids=["taken meanwhile", "left standing"])
def test_l28_a_maker_that_dies_before_the_answer_to_its_quote_finds_it_again(
    venue: Venue, maker: Daemon, taker: Venue, *, taken: bool
) -> None:
    fault(venue, "hang", QUOTE, seconds=2.0, processed=True)
    maker.start()
    request = ask(taker)
    quote = offered(taker, maker, request)
    maker.kill()
    assert (len(maker.of(BlockQuoteIntended)), len(maker.of(BlockQuoted))) == (1, 0)
    if taken:
        assert accept(taker, request, quote) == 0
    maker.switch("halt")
    maker.start()
    over = TradeState.OPEN if taken else TradeState.FAILED
    maker.wait(lambda: maker.trades[0].state is over, f"the trade is {over}")
    assert offers(taker, request) == []
    judged(venue, maker)


def test_a_maker_whose_journal_was_lost_takes_its_old_quotes_back(venue: Venue, maker: Daemon, taker: Venue) -> None:
    maker.start()
    request = ask(taker)
    old = offered(taker, maker, request)
    maker.kill()
    for file in maker.state.glob("journal.*"):
        file.unlink()
    maker.start()
    maker.wait(lambda: [row["quoteId"] for row in offers(taker, request)] not in ([], [old["quoteId"]]), "it has taken the old one back")
    assert accept(taker, request, old) != 0
    assert accept(taker, request, offered(taker, maker, request)) == 0
    maker.wait(lambda: state_of(maker) is TradeState.OPEN, "the trade is open")
    judged(venue, maker)
