"""The stage of a rehearsal in which our maker answers: the program with a quoting policy, a taker who asks, and who judges both.

Whoever asks is a plain client of the exchange's REST interface. The exchange's own ledger is the truth.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from events import AnyEvent, LegFilled, OrderIntended
from paper.rows import MatchRow
from trade_lifecycle import TradeLifecycle, TradeState

from tests.contract.paper_server import Venue
from tests.rehearsal.stage import LONG, NAME, Exchange, Trader, cast, ended, until

AT = "/open/option/blocktrade"
REQUEST, ACCEPT, RECEIVED, MINE = (
    f"{AT}/{path}/v1" for path in ("request/create", "request/accept", "request/getQuotesReceived", "list-quote")
)
WITHDRAW, QUOTE, CANCEL, REQUESTS = f"{AT}/request/cancel/v1", f"{AT}/quote/create/v1", f"{AT}/quote/cancel/v1", f"{AT}/rfqList/v1"
TAKER = ("taker", "taker-key-1", "taker-secret-1")
POLL = {"TRADER_STREAMS": "off", "TRADER_HTTP_TIMEOUT_SECONDS": "3"}
MAKERS = """
from decimal import Decimal

from domain.quoting import QuoteLimits, QuotingPolicy, Width

def maker():
    return QuotingPolicy(
        name="maker",
        width=Width(vol_points=1.0, per_coin=Decimal(5)),
        limits=QuoteLimits(max_quantity=Decimal(2), per_underlying=Decimal(20)),
        requote_share=1.0,
        {more}
    )

STRATEGIES = []
MAKERS = [maker]
"""


class Maker(Trader):
    """The program as a user starts it to answer requests, with a strategies file of its own."""

    def __init__(self, home: Path, exchange: Exchange, settings: Mapping[str, str], more: str = "exclusive=True,") -> None:
        super().__init__(home, exchange=exchange, settings=settings)
        self.exchange = exchange
        self.file = home / "makers.py"
        self.file.write_text(MAKERS.format(more=more), encoding="utf-8")

    def answer(self) -> None:
        """Start it, or a new life of it, with its maker."""
        self.start("--strategies-file", str(self.file), "--maker", "maker")

    def only_watch(self) -> None:
        """Start a life of it that quotes nothing."""
        self.start("--strategies-file", str(self.file))

    def of(self, kind: type[AnyEvent]) -> list[Any]:
        """Return what its journal holds of one kind."""
        return [event for event in self.events() if isinstance(event, kind)]

    def wait(self, met: Callable[[], object], what: str) -> None:
        """Wait until something is so; fail with its story."""
        until(lambda: met() or not self.alive, what, LONG)
        assert met(), self.story

    def reach(self, state: TradeState, trade: int = -1) -> TradeLifecycle:
        """Wait until one of its trades is in a state; return that."""
        self.wait(lambda: self.trades() and self.trades()[trade].state is state, f"the trade is {state}")
        return self.trades()[trade]


@contextmanager
def a_stage(
    folder: Path, settings: Mapping[str, str], *options: str, more: str = "exclusive=True,", quotes: bool = True
) -> Iterator[tuple[Maker, "Taker"]]:
    """Raise the curtain: an exchange whose only maker is the program, which does not run yet, and a taker.

    `quotes` tells whether the exchange lets the program quote.
    """
    allowed = (f"--market-maker={NAME}",) if quotes else ()
    usual = ("--no-rate-limits", "--no-makers", "--rfq-one-quote", f"--account={':'.join(TAKER)}:1000000")
    exchange = Exchange(folder / "venue", *usual, *allowed, *options)
    with cast(exchange):
        maker = Maker(folder / "trader", exchange, settings, more)
        with cast(maker):
            yield maker, Taker(exchange)


class Taker:
    """Who asks for quotes on the exchange, and takes them."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.venue = Venue(exchange.url, exchange._process, *TAKER[1:])

    def ask(self, *, spread: bool = False, qty: str = "0.75") -> str:
        """Ask for a straddle, or for a call against its put; return the request's id."""
        call = self.venue.an_option()["symbol"]
        sides = ("BUY", "SELL" if spread else "BUY")
        legs = [{"instrumentName": name, "side": side, "qty": qty} for name, side in zip((call, call[:-1] + "P"), sides, strict=True)]
        answer = self.venue.post(REQUEST, legs=legs)
        assert answer["code"] == 0, answer
        return str(answer["data"]["requestId"])

    def offers(self, request: str) -> list[dict[str, Any]]:
        """Return the open quotes on a request."""
        return [row for row in self.venue.get(RECEIVED, requestId=request)["data"] if row["state"] == "OPEN"]

    def offered(self, maker: Maker, request: str) -> dict[str, Any]:
        """Wait for the quote on a request."""
        maker.wait(lambda: self.offers(request), "it answers the request")
        [quote] = self.offers(request)
        return quote

    def accept(self, request: str, quote: Mapping[str, Any]) -> int:
        """Take a quote; return the exchange's code."""
        return int(self.venue.post(ACCEPT, requestId=request, quoteId=quote["quoteId"])["code"])

    def withdraw(self, request: str) -> None:
        """Take a request back."""
        assert self.venue.post(WITHDRAW, requestId=request)["code"] == 0


def _mine(match: MatchRow, user: int) -> tuple[str, Decimal, Decimal, Decimal]:
    taking = match.taker_user == user
    sign = match.taker_side.sign if taking else -match.taker_side.sign
    return match.symbol, sign * match.qty, match.price, match.taker_fee if taking else match.maker_fee


def judged(trader: Trader, exchange: Exchange) -> None:
    """The journal holds the exchange's own trades to the last digit, each order has an end, and the books agree on every holding."""
    books, events = exchange.ledger(), trader.events()
    [user] = [account.user for account in books.cash if account.name == NAME]
    truth = {str(match.trade_id): _mine(match, user) for match in books.fills if user in (match.taker_user, match.maker_user)}
    fills = [event.fill for event in events if isinstance(event, LegFilled)]
    assert {fill.id: (fill.symbol, fill.side.sign * fill.qty, fill.price, fill.fee) for fill in fills} == truth
    assert len(fills) == len(truth)
    assert {event.order for event in events if isinstance(event, OrderIntended)} == ended(events)
    assert books.earned == sum((-fill.side.sign * fill.qty * fill.price - fill.fee for fill in fills), Decimal(0))
    held = {leg.option.symbol for trade in trader.trades() for leg in trade.legs if leg.held != 0}
    assert held == set(books.holdings)
