"""Programs that know only the venue's interface, against ours: one quotes and our taker takes, one asks and our maker answers.

They sign, ask and quote as Coincall API 2.2, 8, 11.1 and 18.2 tell. The exchange's own ledger judges both sides.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clock import monotonic, pause
from events import BlockIntended, ExecutionStarted, LegFilled
from trade_lifecycle import TradeState

from tests.contract.test_paper_independent_maker import AT, IndependentMaker
from tests.rehearsal.maker_stage import TAKER, a_stage, judged
from tests.rehearsal.stage import LONG, Exchange, Trader, cast, until

OTHERS = ("mm", "maker+key=", "maker-secret")
GENEROUS = Decimal("0.98")  # of the mark: no book sells so low
ASKED = """
from strategy import *

def asked():
    return StrategyConfig(
        name="asked",
        legs=strangle(0.5, 0.25, -0.25, dte=14, side=1),
        exit_conditions=[max_hold_hours(10)],
        execution_mode="rfq",
        execution=ExecutionParams(rfq=RFQParams(timeout_seconds=30, poll_seconds=0.5, gather_seconds=0, fallback="none")),
        max_concurrent_trades=1,
        max_trades_per_day=1,
        check_interval_seconds=1,
    )

STRATEGIES = [asked]
"""


class QuotingProgram(IndependentMaker):
    """The maker, run as a program: it answers every request that it is told of, at a price that takers like."""

    quoted: list[dict[str, Any]]

    @contextmanager
    def running(self) -> Iterator["QuotingProgram"]:
        """Quote on a thread of its own until the end; what goes wrong there is raised here."""
        self.quoted, failed, over = [], list[BaseException](), threading.Event()

        def serve() -> None:
            try:
                while not over.is_set():
                    self.answer_next()
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the thread
                failed.append(error)

        self.start()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield self
            assert failed == []
        finally:
            over.set()
            self.socket.close()
            thread.join(5)

    def answer_next(self) -> dict[str, Any]:
        """Quote on the next request that is pushed."""
        request = self.push(28, lambda d: d["state"] == "ACTIVE")
        legs = [{"instrumentName": leg["instrumentName"], "price": self.price_of(leg)} for leg in request["legs"]]
        told: dict[str, Any] = self.ask("POST", f"{AT}/quote/create/v1", requestId=request["requestId"], legs=legs)
        self.quoted.append(told)
        return told

    def price_of(self, leg: Mapping[str, Any]) -> str:
        """Return a price on the tick."""
        tick = Decimal(str(self.instruments[leg["instrumentName"]]["tickSize"]))
        return str(Decimal(leg["price"]) * GENEROUS // tick * tick)


class AskingProgram(IndependentMaker):
    """The taker: create-rfq, quotes, execute; it pays up to a cap of gross premium."""

    CAP = Decimal(50_000)

    def start(self) -> None:
        """Learn what is listed; a taker needs no stream."""
        self.price()

    def structure(self, *sides: str, qty: str) -> list[dict[str, str]]:
        """Return calls of the latest expiry around the index, one for each side, higher and higher."""
        calls = [row for name, row in self.instruments.items() if name.endswith("-C") and row["isActive"]]
        latest = max(int(row["expirationTimestamp"]) for row in calls)
        rows = sorted((row for row in calls if int(row["expirationTimestamp"]) == latest), key=lambda row: Decimal(str(row["strike"])))
        near = [row for row in rows if Decimal(str(row["strike"])) >= self.index]
        return [{"instrumentName": row["symbolName"], "side": side, "qty": qty} for row, side in zip(near, sides, strict=False)]

    def trade(self, legs: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """Ask, wait for the cheapest quote, and take it; return what the exchange reports."""
        request = self.ask("POST", f"{AT}/request/create/v1", legs=legs)["requestId"]
        deadline = monotonic() + LONG
        while not (quotes := self.open_quotes(request)):
            assert monotonic() < deadline, f"nobody quotes on {legs}"
            pause(0.2)
        best = min(quotes, key=self.cost)
        assert sum(Decimal(leg["price"]) * Decimal(leg["quantity"]) for leg in best["legs"]) <= self.CAP
        done: dict[str, Any] = self.ask("POST", f"{AT}/request/accept/v1", form=True, requestId=request, quoteId=best["quoteId"])
        return done

    def open_quotes(self, request: str) -> list[dict[str, Any]]:
        """Return what may be executed now."""
        rows = self.ask("GET", f"{AT}/request/getQuotesReceived/v1", requestId=request)
        return [row for row in rows if row["state"] == "OPEN" and int(row["expiryTime"]) > self.server_ms()]

    @staticmethod
    def cost(quote: Mapping[str, Any]) -> Decimal:
        """Return what a quote costs its taker, USD."""
        signs = {"SELL": 1, "BUY": -1}
        return sum((signs[leg["side"]] * Decimal(leg["price"]) * Decimal(leg["quantity"]) for leg in quote["legs"]), Decimal(0))


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    one = Exchange(tmp_path / "venue", "--no-makers", f"--account={':'.join(OTHERS)}:1000000", "--market-maker=mm")
    with cast(one):
        yield one


@pytest.mark.parametrize("streams", ["on", pytest.param("off", marks=pytest.mark.soak)])
def test_an_independent_makers_quote_reaches_our_taker_and_is_accepted(tmp_path: Path, exchange: Exchange, streams: str) -> None:
    trader = Trader(tmp_path / "trader", exchange=exchange, settings={"TRADER_STREAMS": streams})
    file = tmp_path / "asked.py"
    file.write_text(ASKED, encoding="utf-8")
    with cast(trader), QuotingProgram(exchange.url, *OTHERS[1:]).running() as maker:
        trader.start("--strategies-file", str(file))
        until(lambda: trader.trades() and trader.trades()[0].state is TradeState.OPEN, "the trade is open", LONG)
        [quote] = maker.quoted
        events = trader.events()
        assert [event.mode for event in events if isinstance(event, ExecutionStarted)] == ["rfq"]
        [intended] = [event for event in events if isinstance(event, BlockIntended)]
        assert intended.quote_id == str(quote["quoteId"])
        paid = {event.fill.symbol: event.fill.price for event in events if isinstance(event, LegFilled)}
        assert paid == {leg["instrumentName"]: Decimal(leg["price"]) for leg in quote["legs"]}
        judged(trader, exchange)
        block = maker.push(22)
        assert (block["role"], block["quoteId"]) == ("MAKER", quote["quoteId"])


@pytest.mark.parametrize("streams", ["on", pytest.param("off", marks=pytest.mark.soak)])
def test_an_independent_taker_is_answered_by_our_maker_and_trades(tmp_path: Path, streams: str) -> None:
    with a_stage(tmp_path, {"TRADER_STREAMS": streams}) as (ours, _):
        ours.answer()
        program = AskingProgram(ours.exchange.url, *TAKER[1:])
        program.start()
        outcomes = [program.trade(program.structure(*sides, qty="1")) for sides in (("BUY",), ("BUY", "SELL"))]
        for number, outcome in enumerate(outcomes):
            trade = ours.reach(TradeState.OPEN, number)
            told = {leg["instrumentName"]: (leg["side"], Decimal(leg["price"]), Decimal(leg["quantity"])) for leg in outcome["legs"]}
            mine = {leg.option.symbol: (leg.side.opposite.name, leg.open_value / leg.target, leg.target) for leg in trade.legs}
            assert (outcome["role"], mine) == ("TAKER", told)
        judged(ours, ours.exchange)
