"""One shape for every way to execute: an executor begins executions, an execution is stepped until it is done, exhausted or cancelled.

An execution decides on each step from one scene and never sleeps. Its fills are the trade's own; whatever else it must know after a
restart it writes as events through the log it was begun with, and finds there again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeVar

from domain import (
    ZERO,
    AccountSnapshot,
    ClientOrderId,
    ExecutionMode,
    ExecutionParams,
    Fill,
    OptionLeg,
    OrderBook,
    Purpose,
    Quote,
    Side,
    Verdict,
    strike_notional,
)
from events import ExecutionEvent, ExecutionStarted, LegBook, LegFilled
from trade_lifecycle import TradeLeg, TradeLifecycle

E = TypeVar("E", bound=ExecutionEvent)


class Progress(StrEnum):
    """How far an execution is: at work; done; or exhausted, having done what it could (its orders may still be out)."""

    WORKING = "working"
    DONE = "done"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What one step says: how far the execution is, why it waits or gave up, and the legs (by index) that cannot be left, each with why."""

    progress: Progress
    reason: str = ""
    stuck: Mapping[int, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that a step sees, as of `now`: the trade as its fills have made it, and the market.

    `quotes` (by symbol) hold each leg's best prices, from its own book where that is fresh; `books` the fresh books in depth; our own
    resting orders are in neither. What is not fresh is absent. `clamps` bounds what is closed of each symbol by what the venue says is
    held, coins; None if not known. `urgent` says that time is worth more than spread.
    """

    account: AccountSnapshot
    trade: TradeLifecycle
    purpose: Purpose
    books: Mapping[str, OrderBook]
    clamps: Mapping[str, Decimal] | None = None
    urgent: bool = False

    @property
    def now(self) -> datetime:
        """Return the moment of the step, market time."""
        return self.account.now

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """Return the fresh quotes by symbol."""
        return self.account.quotes

    def side(self, leg: TradeLeg) -> Side:
        """Return the direction in which a leg is traded now."""
        return leg.side.opposite if self.purpose.reduces else leg.side

    def missing(self, leg: TradeLeg) -> Decimal:
        """Return how many coins of a leg are still to be traded, as far as booked fills tell; never below zero."""
        if not self.purpose.reduces:
            return max(leg.target - leg.opened, ZERO)
        held = max(leg.outstanding, ZERO)
        return held if self.clamps is None else min(held, self.clamps.get(leg.option.symbol, ZERO))

    @property
    def wanted(self) -> tuple[OptionLeg, ...]:
        """Return what is still to be traded, from our view; legs that miss nothing are left out."""
        rest = ((leg, self.missing(leg)) for leg in self.trade.legs)
        return tuple(OptionLeg(instrument=leg.option, side=self.side(leg), qty=qty) for leg, qty in rest if qty > 0)

    @property
    def notional(self) -> Decimal:
        """Return strike x coins summed over what is still to be traded, USD."""
        return strike_notional(self.wanted)

    def executable(self, leg: OptionLeg, *, beyond: bool = False) -> Decimal | None:
        """Return what a leg would trade at now on average, USD per coin, on the side that takes; None if the book cannot fill it.

        Without a fresh book in depth the quote's best price stands in, as long as its size, where told, is enough. `beyond` takes
        what is not shown at the last price that is.
        """
        symbol = leg.instrument.symbol
        if (book := self.books.get(symbol)) is not None:
            return book.average_price(leg.side, leg.qty, beyond=beyond)
        quote = self.quotes.get(symbol)
        if quote is None:
            return None
        size = quote.ask_size if leg.side is Side.BUY else quote.bid_size
        return None if size is not None and size < leg.qty and not beyond else quote.executable(leg.side)

    def pictures(self, coins: Sequence[Decimal] | None = None) -> tuple[LegBook, ...]:
        """Return the market of every leg that is still to be traded, as events keep it; of the coins given where they are."""
        missing = [self.missing(leg) for leg in self.trade.legs] if coins is None else coins
        rest = ((index, leg, missing[index]) for index, leg in enumerate(self.trade.legs))
        return tuple(
            self._picture(index, OptionLeg(instrument=leg.option, side=self.side(leg), qty=qty)) for index, leg, qty in rest if qty > 0
        )

    def _picture(self, index: int, leg: OptionLeg) -> LegBook:
        quote = self.quotes.get(leg.instrument.symbol)
        return LegBook(
            leg=index,
            symbol=leg.instrument.symbol,
            side=leg.side,
            wanted=leg.qty,
            bid=None if quote is None else quote.bid,
            bid_size=None if quote is None else quote.bid_size,
            ask=None if quote is None else quote.ask,
            ask_size=None if quote is None else quote.ask_size,
            mark=None if quote is None else quote.mark,
            index=None if quote is None else quote.underlying_price,
            executable=self.executable(leg),
        )


def book_cost(scene: Scene, legs: Sequence[OptionLeg], *, beyond: bool = False) -> Decimal | None:
    """Return what trading all legs on the order book would cost now, USD, negative for what it would bring; None if it cannot be done.

    The one signed cost function: each leg on its own side of its book, through the depth, buys counted up and sells down. `beyond`
    takes coins that the book does not show at its last price: whoever beats that beats any book that could stand behind it.
    """
    total = ZERO
    for leg in legs:
        price = scene.executable(leg, beyond=beyond)
        if price is None:
            return None
        total += leg.side.sign * leg.qty * price
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class LegResult:
    """What an execution did for one leg, from fills: coins wanted and traded, their value (sum of price x coins) and fees, USD."""

    symbol: str
    side: Side
    wanted: Decimal
    filled: Decimal
    value: Decimal
    fees: Decimal

    @property
    def average_price(self) -> Decimal | None:
        """Return the average price, USD per coin; None if nothing was traded."""
        return None if self.filled == 0 else self.value / self.filled


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResult:
    """What an execution did, from its fills alone. `total_cost` is USD, positive paid, negative received, fees not counted."""

    mode: ExecutionMode
    success: bool
    reason: str
    legs: tuple[LegResult, ...]

    @property
    def total_cost(self) -> Decimal:
        """Return the signed premium of all fills, USD."""
        return sum((leg.side.sign * leg.value for leg in self.legs), ZERO)

    @property
    def fees(self) -> Decimal:
        """Return the fees of all fills, USD."""
        return sum((leg.fees for leg in self.legs), ZERO)


def leg_results(log: "RunLog") -> tuple[LegResult, ...]:
    """Return what an execution traded of each leg it set out to trade, from its own fills."""
    mine = [event for event in log.fills if ClientOrderId.parse(event.order).purpose is log.started.purpose]
    return tuple(_leg_result(leg, [event.fill for event in mine if event.leg == leg.leg]) for leg in log.started.legs)


def _leg_result(leg: LegBook, fills: Sequence[Fill]) -> LegResult:
    filled = sum((fill.qty for fill in fills), ZERO)
    value = sum((fill.qty * fill.price for fill in fills), ZERO)
    return LegResult(
        symbol=leg.symbol,
        side=leg.side,
        wanted=leg.wanted,
        filled=filled,
        value=value,
        fees=sum((fill.fee for fill in fills), ZERO),
    )


class RunLog(Protocol):
    """The record of one execution: what it wrote, in this life of the program or an earlier one."""

    @property
    def started(self) -> ExecutionStarted:
        """Return how it began."""
        ...

    @property
    def fills(self) -> Sequence[LegFilled]:
        """Return every fill booked since it began, oldest first."""
        ...

    def written(self, kind: type[E], /) -> Sequence[E]:
        """Return what it wrote of one kind, oldest first."""
        ...

    def write(self, kind: type[ExecutionEvent], /, **fields: object) -> None:
        """Journal an event of this execution, then believe it. Raises JournalError, nothing believed."""
        ...


class Execution(Protocol):
    """One execution of one trade's opening or close."""

    def step(self, scene: Scene, /) -> Advance:
        """Look once, ask for at most one change per leg, say how far we are. Raises InvariantBroken or JournalError."""
        ...

    def cancel(self, reason: str, /) -> bool:
        """Take back all that is out; tell whether nothing is. Asked on each tick until it says so; nothing new is sent meanwhile."""
        ...

    def result(self, advance: Advance, /) -> ExecutionResult:
        """Return what was done, from the fills in its log, ended as the last step said."""
        ...


class Executor(Protocol):
    """One way to execute."""

    @property
    def mode(self) -> ExecutionMode:
        """Return its name."""
        ...

    def accepts(self, scene: Scene, /) -> Verdict:
        """Tell whether it can execute what the scene still wants, and why not."""
        ...

    def begin(self, scene: Scene, log: RunLog, /) -> Execution:
        """Begin an execution, or go on with one whose earlier events the log holds."""
        ...

    def forget(self, trade: int, /) -> None:
        """Drop what is kept of a trade that has ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What became of a script's opening or close: the result of each execution that it took, in order, and how the trade stands.

    `success` says that the trade holds all of it, or is flat again after a close, whichever way that was reached.
    """

    results: tuple[ExecutionResult, ...]
    success: bool
    reason: str = ""

    @property
    def legs(self) -> tuple[LegResult, ...]:
        """Return what all executions together traded of each leg, by option and direction, giving back what was half opened included."""
        legs: dict[tuple[str, Side], LegResult] = {}
        for leg in (leg for result in self.results for leg in result.legs):
            before = legs.get((leg.symbol, leg.side))
            legs[leg.symbol, leg.side] = leg if before is None else _together(before, leg)
        return tuple(legs.values())


def _together(first: LegResult, then: LegResult) -> LegResult:
    """Return a leg's result over two executions; what the first one wanted is what was wanted."""
    return replace(first, filled=first.filled + then.filled, value=first.value + then.value, fees=first.fees + then.fees)


class Driver(Protocol):
    """Drives one opening or close of a script to its end; blocks."""

    def __call__(self, legs: Sequence[OptionLeg], mode: ExecutionMode, params: ExecutionParams, /) -> Driven:
        """Trade the legs and return what became of it."""
        ...
