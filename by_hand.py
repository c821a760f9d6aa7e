"""What a person does to trades: closes, manages again, writes off, adopts and hands over.

One rule: whatever changes whose a holding is can be read first (`propose_…`), and is refused with the reason where it is not sure.
None of it sends an order; an order goes out only because a trade is to be closed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from clock import Clock
from conditions import label_of
from differences import Holding
from domain import AccountSnapshot, ExecutionMode, ExecutionParams, ExitCondition, Option, Side, whole_lots
from errors import InvariantBroken, RiskDenied
from events import CloseRequested, LegAdopted, LegPlan, OpenGivenUp, PartKept, TradeCreated, TradeHandedOver, TradeReleased, TradeWrittenOff
from trade_book import TradeBook
from trade_lifecycle import TradeLifecycle, TradeState
from trading_desk import Desk

S = TradeState
FAR = 5  # times the venue's average, or that part of it: a price that is seldom meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What a person wants to hand to a strategy: an option, coins (None: all that is others'), USD per coin (None: the venue's average).

    `version`, `mode` and `params` are the strategy's, as for a trade of its own.
    """

    option: Option
    strategy: str
    qty: Decimal | None = None
    price: Decimal | None = None
    version: str = ""
    mode: ExecutionMode = ExecutionMode.LIMIT
    params: ExecutionParams = field(default_factory=ExecutionParams)


class ByHand:
    """A person's hand on the trades of this installation."""

    def __init__(
        self,
        book: TradeBook,
        desk_of: Callable[[TradeLifecycle], Desk],
        exits_of: Callable[[str], Sequence[ExitCondition] | None],
        clock: Clock,
    ) -> None:
        self._book, self._desk_of, self._exits_of, self._clock = book, desk_of, exits_of, clock

    def force_close(self, number: int, reason: str, *, urgent: bool = False) -> None:
        """Close a trade whatever its exits say; ended only once its fills say so.

        Raises KeyError for an unknown number, InvalidTransition for a trade that has ended, JournalError; nothing changed.
        """
        self._book.apply(CloseRequested(at=self._clock.now(), trade=number, reason=reason, urgent=urgent, ordered=True))

    def stop_opening(self, number: int, reason: str) -> bool:
        """Take back a trade's opening orders and keep what they filled; tell whether its opening is over. Raises JournalError."""
        trade = self._book[number]
        if trade.state not in (S.PENDING_OPEN, S.OPENING):
            return True
        if trade.state is S.OPENING and not self._desk_of(trade).executions.withdraw(trade, reason):
            return False
        kind = PartKept if any(leg.opened != 0 for leg in self._book[number].legs) else OpenGivenUp
        self._book.apply(kind(at=self._clock.now(), trade=number, reason=reason))
        return True

    def manage(self, number: int, reason: str) -> None:
        """Manage a quarantined trade again, because a person has looked. Raises as force_close does."""
        self._book.apply(TradeReleased(at=self._clock.now(), trade=number, reason=reason))

    def write_off(self, number: int, reason: str) -> None:
        """End a quarantined trade whose holding a person has closed at the venue; its result counts only what we know of.

        The person has looked at its blocks too: one whose end is not known is given up. Raises InvariantBroken while another order of it
        is out; else as force_close does.
        """
        trade, executor = self._book[number], self._desk_of(self._book[number]).executor
        live = executor.live_orders(number)
        if any(not order.block or trade.state is not S.QUARANTINED for order in live):
            raise InvariantBroken(f"trade {number} has an order out: wait until its end is known")
        for order in live:
            executor.refuse(order.client_id, "a person wrote its trade off", self._clock.now(), retryable=False)
        self._book.apply(TradeWrittenOff(at=self._clock.now(), trade=number, reason=reason))

    # ---- adoption: what is others' becomes ours

    def propose_adoption(self, wish: Adoption, there: Holding, account: AccountSnapshot) -> str:
        """Return what adopting would do, line by line, without doing it. Raises RiskDenied, saying why not, where it would be refused."""
        plan, price = self._adoptable(wish, there)
        exits = self._exits_of(wish.strategy) or ()
        quote = account.quotes.get(plan.option.symbol)
        leaving, signed = plan.side.opposite, plan.side.sign * plan.qty
        now_at = None if quote is None else quote.executable(leaving)
        return "\n".join(
            (
                f"account     {there.shown} {there.symbol}, of which our trades hold {there.ours} and others {there.others}",
                f"adopt       {signed} {there.symbol} at {price} USD as trade {self._book.next_number} of {wish.strategy}",
                f"left        {there.others - signed} stays others'",
                *_far_off(price, there.avg_price),
                f"exits       {', '.join(label_of(each) for each in exits) or 'none: only a person would close it'}",
                f"a close     {leaving.name.lower()}s {plan.qty}, reduce-only, "
                + ("at a price that is not watched yet" if now_at is None else f"now at {now_at} USD"),
            )
        )

    def adopt(self, wish: Adoption, there: Holding) -> TradeLifecycle:
        """Begin an open trade of a strategy that holds what was others'; its exits watch it from now on.

        Raises RiskDenied, saying why not, or JournalError; nothing changed.
        """
        plan, price = self._adoptable(wish, there)
        now, number = self._clock.now(), self._book.next_number
        created = TradeCreated(
            at=now,
            trade=number,
            strategy=wish.strategy,
            version=wish.version,
            legs=(plan,),
            mode=wish.mode,
            params=wish.params,
            reason=f"a person adopted {plan.side.sign * plan.qty} {there.symbol} at {price} USD",
        )
        return self._book.adopt(created, LegAdopted(at=now, trade=number, leg=0, qty=plan.qty, price=price))

    def _adoptable(self, wish: Adoption, there: Holding) -> tuple[LegPlan, Decimal]:
        """Return the leg and its price; raise RiskDenied, saying why not."""
        for no in self._objections(wish, there):
            raise RiskDenied(f"{wish.option.symbol} cannot be adopted: {no}")
        price = wish.price if wish.price is not None else there.avg_price
        if price is None:
            raise RiskDenied(f"{wish.option.symbol} cannot be adopted: the venue tells no average price; give one")
        qty = abs(there.others) if wish.qty is None else wish.qty
        return LegPlan(option=wish.option, side=Side.BUY if there.others > 0 else Side.SELL, qty=qty), price

    def _objections(self, wish: Adoption, there: Holding) -> Iterator[str]:
        qty = abs(there.others) if wish.qty is None else wish.qty
        if there.symbol != wish.option.symbol or there.others == 0:
            yield "nothing there is others'"
        if not 0 < qty <= abs(there.others):
            yield f"{qty} is not between 0 and the {abs(there.others)} that are others'"
        if qty != whole_lots(qty, wish.option.lot):
            yield f"{qty} is not a whole number of lots of {wish.option.lot}"
        if wish.option.expiry <= self._clock.now():
            yield f"it expired at {wish.option.expiry:%d %b %H:%M} UTC"
        if wish.price is not None and not 0 <= wish.price < Decimal("Infinity"):
            yield f"an option has no price of {wish.price}"
        if self._exits_of(wish.strategy) is None:
            yield f"no strategy {wish.strategy} runs here: nothing would watch it"

    # ---- hand-over: what is ours becomes others'

    def propose_hand_over(self, number: int, account: AccountSnapshot) -> str:
        """Return what handing a trade over would do, without doing it. Raises as hand_over does."""
        trade = self._releasable(number)
        after = self._handed_over(trade, account, "", self._clock.now())
        legs = [
            f"            {leg.held} {leg.option.symbol} at {'no known mark' if mark is None else f'{mark} USD'}"
            for leg, mark in zip(trade.legs, after.marks, strict=True)
            if leg.held != 0
        ]
        known = all(mark is not None for leg, mark in zip(trade.legs, after.marks, strict=True) if leg.held != 0)
        profit = trade.net_profit + sum((leg.held * mark for leg, mark in zip(trade.legs, after.marks, strict=True) if mark is not None))
        return "\n".join(
            (
                f"trade       {trade.id} {trade.state}, ends as {S.HANDED_OVER}; no order is sent",
                "stays       at the venue, as others': no exit watches it, nothing here closes it",
                *legs,
                f"result      {profit:+.2f} USD at these marks, fees counted" if known else "result      unknown: a mark is missing",
            )
        )

    def hand_over(self, number: int, account: AccountSnapshot, reason: str) -> TradeLifecycle:
        """End a trade and leave its holdings to a person, valued at the marks of now.

        Raises KeyError for an unknown number, RiskDenied where it may not be handed over (another state, or an order of it is out),
        JournalError; nothing changed.
        """
        trade = self._releasable(number)
        return self._book.apply(self._handed_over(trade, account, reason, self._clock.now()))

    def _releasable(self, number: int) -> TradeLifecycle:
        trade = self._book[number]
        if trade.state not in (S.OPEN, S.QUARANTINED):
            raise RiskDenied(f"{trade.id} is {trade.state}: only an open or a quarantined trade can be handed over")
        live = self._desk_of(trade).executor.live_orders(number)
        if live:
            raise RiskDenied(f"{trade.id} has {len(live)} orders out ({live[0].client_id}): wait until their end is known")
        return trade

    def _handed_over(self, trade: TradeLifecycle, account: AccountSnapshot, reason: str, now: datetime) -> TradeHandedOver:
        quotes = (account.quotes.get(leg.option.symbol) for leg in trade.legs)
        marks = tuple(None if quote is None else quote.mark for quote in quotes)
        return TradeHandedOver(at=now, trade=trade.number, reason=reason, marks=marks)


def _far_off(price: Decimal, average: Decimal | None) -> Iterator[str]:
    """Yield a line where a price to adopt at is so far from the venue's average that a slip of the pen is likelier than a wish."""
    if average is not None and not average / FAR <= price <= average * FAR:
        yield f"mind        the venue's average is {average} USD: profit and loss would be counted from {price}"
