"""The maker: decides on each tick which requests are answered, at which prices, and which answers must not stand any longer.

Its one rule: nothing of ours stands that would not be offered anew at this very moment. It decides only; a trade that it began waits for
its taker like any other execution, and what is taken is a trade like any other.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from loguru import logger

from clock import Clock
from domain import (
    AccountSnapshot,
    BlockPush,
    ExecutionMode,
    Option,
    Push,
    Quote,
    QuotePush,
    RequestPush,
    Side,
    TradingState,
    Verdict,
)
from domain.quoting import QuotingPolicy
from errors import ConfigError, JournalError, RiskDenied
from events import AnyEvent, LegPlan, StrategyChanged
from lifecycle_manager import LifecycleManager
from own_quotes import QuoteDesk
from ports import IoPool, JournalWriter
from quote_execution import Wish, WishBoard, version_of
from quote_limits import Stake, stake, within
from quote_pricing import Pricing, either_way, moved, plans, price, suits
from quote_records import Offer
from quote_requests import ListedOptions, RequestsToQuote
from trade_lifecycle import TradeLifecycle, TradeState

LOOK = timedelta(milliseconds=200)  # between two looks at a request that is not answered
AGAIN = timedelta(seconds=5)  # after an answer was taken back, before the same request is answered again
MOST_TRIES = 20
PAUSED, STOPPED, RUNNING = "paused", "stopped", "running"  # as strategies are
_NUMBERS = re.compile(r"[\d.+-]+")
WAITING = frozenset({TradeState.PENDING_OPEN, TradeState.OPENING})


PolicyFactory = Callable[[], QuotingPolicy]


class QuoteSource(Protocol):
    """Where the market comes from; `MarketData` is one."""

    def quotes(self, options: Iterable[Option], /) -> Mapping[str, Quote]:
        """Return the fresh quotes of options by symbol; those without one are left out, and a worker is at them."""
        ...

    def get_option_instruments(self, underlying: str, /) -> Sequence[Option]:
        """Return every listed option of an underlying; waits for the venue."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What a maker works with on one venue."""

    requests: RequestsToQuote
    quotes: QuoteDesk
    wishes: WishBoard
    reads: IoPool


@dataclass(slots=True)
class _Answer:
    """One request that is being answered: by which policy, in which trade, at what."""

    policy: QuotingPolicy
    request_id: str
    trade: int
    legs: tuple[LegPlan, ...]
    pricing: Pricing
    stopped: str | None = None


class RFQMaker:
    """All quoting policies of one venue; ticked with each account snapshot, on the one tick thread."""

    def __init__(
        self,
        policies: Sequence[QuotingPolicy],
        *,
        board: Board,
        market: QuoteSource,
        lifecycle: LifecycleManager,
        clock: Clock,
        state: Callable[[], TradingState] = lambda: TradingState.ACTIVE,
        journal: JournalWriter | None = None,
    ) -> None:
        self.policies = tuple(policies)
        self._board, self._market, self._lifecycle, self._clock, self._state = board, market, lifecycle, clock, state
        self._journal = journal
        self._answers: dict[str, _Answer] = {}
        self._paused: dict[str, str] = {}
        self._listed = ListedOptions(market.get_option_instruments, board.reads, clock)
        self._not_before: dict[str, datetime] = {}
        self._tries: dict[str, int] = {}
        self._said: dict[tuple[str, str], str] = {}
        board.quotes.exclusive = lambda: bool(self.policies) and all(policy.exclusive for policy in self.policies)
        lifecycle.on_closed(self._ended)
        for policy in self.policies:
            lifecycle.bind(policy.name, policy.exit_conditions)
            does = "DRY RUN: it only tells what it would offer" if policy.dry_run else "it answers requests"
            logger.info("maker {} on {}: {}", policy.name, ", ".join(policy.underlyings), does)

    # ---- what people and streams ask

    def pause(self, name: str, reason: str = "a person paused it") -> None:
        """Answer nothing more by a policy and take back what it offers, also after a restart; its trades stay managed.

        Raises JournalError; it holds even then, until the restart.
        """
        self._paused[name] = reason
        self._record(name, PAUSED, reason)

    def stop(self, name: str, reason: str) -> None:
        """Retire a policy: as pause, said to be for good."""
        self._paused[name] = reason
        self._record(name, STOPPED, reason)

    def resume(self, name: str, reason: str = "a person resumed it") -> None:
        """Answer by a policy again. Raises JournalError: then it stays as it is."""
        self._record(name, RUNNING, reason)
        self._paused.pop(name, None)

    def restore(self, events: Iterable[AnyEvent]) -> None:
        """Find in the journal which policies a person has paused or stopped in an earlier life."""
        latest = {event.strategy: event for event in events if isinstance(event, StrategyChanged)}
        for policy in self.policies:
            found = latest.get(policy.name)
            if found is not None and found.state != RUNNING:
                self._paused[policy.name] = found.reason
                logger.warning("maker {} is {} because {}: it answers nothing until --resume", policy.name, found.state, found.reason)

    def _record(self, name: str, state: str, reason: str) -> None:
        if self._journal is not None:
            self._journal.append(StrategyChanged(at=self._clock.now(), strategy=name, state=state, reason=reason))

    def why_not(self, name: str) -> Mapping[str, str]:
        """Return why the requests that a policy does not answer are not, by request."""
        return {request: reason for (policy, request), reason in self._said.items() if policy == name}

    def news(self, push: Push) -> None:
        """Take news of requests, of our quotes and of blocks; all else is passed over."""
        match push:
            case RequestPush():
                self._board.requests.news(push)
            case QuotePush() | BlockPush():
                self._board.quotes.news(push)
            case _:
                pass

    def leave(self) -> None:
        """Ask to take back what policies with cancel_on_stop offer: the program is about to end."""
        for answer in self._answers.values():
            if answer.policy.cancel_on_stop:
                self._board.quotes.withdraw(answer.trade, "the program stops")

    def step_out(self, now: datetime) -> bool:
        """Go on taking back what `leave` asked for; tell whether something of it may still be taken by somebody."""
        self._board.quotes.step(now)
        return any(each.policy.cancel_on_stop and self._board.quotes.standing(each.trade) for each in self._answers.values())

    # ---- the tick

    def tick(self, account: AccountSnapshot) -> None:
        """Look once at every request and every answer."""
        self._board.requests.step(account.now)
        requests = {request.request_id: request for request in self._board.requests.open}
        for answer in list(self._answers.values()):
            self._tend(answer, requests.get(answer.request_id), account)
        for request in self._board.requests.open:
            if request.request_id not in self._answers:
                self._consider(request, account)
        for forgotten in [key for key in self._said if key[1] not in requests]:
            del self._said[forgotten]
        self._tries = {name: count for name, count in self._tries.items() if name in requests}
        self._not_before = {name: at for name, at in self._not_before.items() if name in requests}

    # ---- an answer that stands

    def _tend(self, answer: _Answer, request: RequestPush | None, account: AccountSnapshot) -> None:
        trade = next((each for each in self._lifecycle.active if each.number == answer.trade), None)
        if trade is None or trade.state not in WAITING:
            if trade is not None and any(leg.opened != 0 for leg in trade.legs):
                self._answers.pop(answer.request_id, None)
            return
        if answer.stopped is not None:
            return
        if request is None:
            self._outlived(answer, trade)
            return
        fresh = self._fresh(answer, request, account)
        if isinstance(fresh, Verdict):
            answer.stopped = fresh.reason
            self._board.wishes.end(answer.trade, fresh.reason)
            logger.info("answer taken back trade={} request={} because {}", trade.id, answer.request_id, fresh.reason)
            return
        if moved(answer.pricing, fresh, answer.policy.requote_share):
            logger.info("answer moved request={} fair={} to {}", answer.request_id, answer.pricing.fair, fresh.fair)
            answer.pricing = fresh
        self._want(answer, account.now)

    def _outlived(self, answer: _Answer, trade: TradeLifecycle) -> None:
        """Offer nothing more on a request that is over; whether it ended by our offer is for the venue to say."""
        answer.stopped = "the request is over"
        self._board.quotes.outlived(answer.trade)
        self._board.wishes.end(answer.trade, answer.stopped)
        logger.info("request is over id={} trade={}: asking what became of our answer", answer.request_id, trade.id)

    def _fresh(self, answer: _Answer, request: RequestPush, account: AccountSnapshot) -> Pricing | Verdict:
        """Return what would be offered now for the same request and side, or why nothing would."""
        policy = answer.policy
        no = self._shut(policy, account)
        if no is not None:
            return Verdict(False, no)
        quotes = self._market.quotes([leg.option for leg in answer.legs])
        fresh = price(policy, request.legs, answer.pricing.side, quotes)
        if isinstance(fresh, Pricing):
            allowed = self._within(policy, answer.legs, quotes, account, besides=answer.trade)
            return fresh if allowed.ok else allowed
        return fresh

    def _want(self, answer: _Answer, now: datetime) -> None:
        pricing, life = answer.pricing, timedelta(seconds=answer.policy.quote_life_seconds)
        offer = Offer(request_id=answer.request_id, side=pricing.side, legs=pricing.legs)
        self._board.wishes.want(answer.trade, Wish(offer=offer, at=now, life=life))

    def _ended(self, trade: TradeLifecycle) -> None:
        """Let the request of an answer that came to nothing be answered again, a little later."""
        for request_id, answer in list(self._answers.items()):
            if answer.trade == trade.number:
                del self._answers[request_id]
                self._not_before[request_id] = self._clock.now() + AGAIN

    # ---- a request that is not answered

    def _consider(self, request: RequestPush, account: AccountSnapshot) -> None:
        waits = self._not_before.get(request.request_id)
        if waits is not None and account.now < waits:
            return
        for policy in self.policies:
            reason = self._refusal(policy, request, account)
            if reason is None:
                return
            self._say(policy, request, reason)
        self._not_before[request.request_id] = account.now + LOOK

    def _refusal(self, policy: QuotingPolicy, request: RequestPush, account: AccountSnapshot) -> str | None:
        """Answer a request by a policy; say why not where it cannot be done."""
        symbols = [leg.symbol for leg in request.legs]
        options = self._listed.known(policy.underlyings, symbols)
        suited = suits(policy, request.legs, options, account.now)
        if not suited.ok:
            return self._listed.awaited(policy.underlyings, symbols) or suited.reason
        if self._tries.get(request.request_id, 0) >= MOST_TRIES:
            return f"it was answered {MOST_TRIES} times"
        if self._board.requests.foreign(request.request_id):
            return "another program of this account quotes on it"
        shut = self._shut(policy, account)
        if shut is not None or not self._lifecycle.entries_allowed.ok:
            return shut or self._lifecycle.entries_allowed.reason
        quotes = self._market.quotes([options[leg.symbol] for leg in request.legs])
        reasons = []
        for side in self._sides(policy, request, account):
            reason = self._answer(policy, request, side, quotes, account)
            if reason is None:
                return None
            reasons.append(reason)
        return "; ".join(reasons) or "its taker's direction is not answered"

    def _answer(
        self, policy: QuotingPolicy, request: RequestPush, side: Side, quotes: Mapping[str, Quote], account: AccountSnapshot
    ) -> str | None:
        """Begin a trade that waits for the request's taker; say why not where it cannot be done."""
        pricing = price(policy, request.legs, side, quotes)
        if not isinstance(pricing, Pricing):
            return pricing.reason
        legs = plans(request.legs, {symbol: quote.option for symbol, quote in quotes.items()}, side)
        allowed = self._within(policy, legs, quotes, account)
        if not allowed.ok:
            return allowed.reason
        worth = f"fair={pricing.fair:.2f} half={pricing.half:.2f} edge={pricing.edge:.2f} USD"
        if policy.dry_run:
            offered = ", ".join(f"{leg.side.name.lower()} {leg.qty} {leg.symbol} @ {leg.price}" for leg in pricing.legs)
            return f"DRY RUN: it would be answered with {offered}"
        try:
            trade = self._lifecycle.create(
                strategy=policy.name,
                version=version_of(policy),
                legs=legs,
                mode=ExecutionMode.RFQ,
                params=policy.execution,
                reason=f"request {request.request_id} is answered: {side.name.lower()} it as stated, {worth}",
            )
        except (RiskDenied, JournalError) as no:
            return str(no)
        answer = _Answer(policy, request.request_id, trade.number, legs, pricing)
        self._answers[request.request_id] = answer
        self._tries[request.request_id] = self._tries.get(request.request_id, 0) + 1
        self._said.pop((policy.name, request.request_id), None)
        self._want(answer, account.now)
        return None

    def _sides(self, policy: QuotingPolicy, request: RequestPush, account: AccountSnapshot) -> Iterator[Side]:
        """Yield the sides to try: the one asked for; where the taker may go either way first that which lowers the vega held."""
        held, _ = self._stakes(policy, account, {}, None)
        vega = sum(stake.greeks.vega * float(stake.qty) for stake in held if stake.greeks is not None)
        order = (Side.SELL, Side.BUY) if vega >= 0 else (Side.BUY, Side.SELL)
        free = either_way(request.legs)
        yield from (side for side in order if side in policy.requests.sides and (free or side is Side.SELL))

    # ---- what both ask

    def _shut(self, policy: QuotingPolicy, account: AccountSnapshot) -> str | None:
        """Say why a policy offers nothing at all now."""
        state = self._state()
        allowed = self._lifecycle.entries_allowed
        waits = self._board.quotes.doubted > 0  # then it is our own offer that is waited for, and it counts as if taken
        rows = (
            (policy.name in self._paused, self._paused.get(policy.name, "")),
            (state is not TradingState.ACTIVE, f"the account is {state}"),
            (not account.valid, f"the account is not known: {account.reason}"),
            (not allowed.ok and not waits, allowed.reason),
        )
        return next((reason for bad, reason in rows if bad), None)

    def _within(
        self,
        policy: QuotingPolicy,
        legs: Sequence[LegPlan],
        quotes: Mapping[str, Quote],
        account: AccountSnapshot,
        besides: int | None = None,
    ) -> Verdict:
        held, offered = self._stakes(policy, account, quotes, besides)
        new = [stake(leg.option, leg.side, leg.qty, quotes) for leg in legs]
        return within(policy.limits, held, offered, new)

    def _stakes(
        self, policy: QuotingPolicy, account: AccountSnapshot, quotes: Mapping[str, Quote], besides: int | None
    ) -> tuple[list[Stake], list[list[Stake]]]:
        """Return what a policy's trades hold, and what each may still come to hold by an offer that may be taken."""
        seen = {**account.quotes, **quotes}
        held, offered = list[Stake](), list[list[Stake]]()
        for trade in self._lifecycle.active_trades_for_strategy(policy.name):
            held += [stake(leg.option, leg.side, leg.outstanding, seen) for leg in trade.legs if leg.held != 0]
            open_ = trade.state in WAITING or self._board.quotes.standing(trade.number) is not None
            rest = [(leg, leg.target - leg.opened) for leg in trade.legs if leg.target > leg.opened]
            if open_ and rest and trade.number != besides:
                offered.append([stake(leg.option, leg.side, qty, seen) for leg, qty in rest])
        return held, offered

    def _say(self, policy: QuotingPolicy, request: RequestPush, reason: str) -> None:
        key = policy.name, request.request_id
        before, self._said[key] = self._said.get(key, ""), reason
        if _NUMBERS.sub("", before) != _NUMBERS.sub("", reason):  # numbers change with the market, on each look
            logger.info("request not answered id={} policy={} because {}", request.request_id, policy.name, reason)


def load_makers(factories: Iterable[PolicyFactory], taken: Collection[str] = ()) -> tuple[tuple[QuotingPolicy, ...], tuple[str, ...]]:
    """Build every policy; return those that can be used, in order, and all problems of the others.

    One factory that fails does not stop its neighbours. `taken` are the names of strategies: a name belongs to one of all.
    """
    loaded: dict[str, QuotingPolicy] = {}
    problems: list[str] = []
    for factory in factories:
        name = getattr(factory, "__name__", repr(factory))
        try:
            policy: object = factory()
        except ConfigError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
        except Exception as error:  # noqa: BLE001 - a user's file may fail in any way, and must not stop the others
            problems.append(f"{name}: {type(error).__name__}: {error}")
        else:
            if not isinstance(policy, QuotingPolicy):
                problems.append(f"{name}: returned {policy!r}, not a QuotingPolicy")
            elif policy.name in loaded or policy.name in taken:
                problems.append(f"{name}: the name {policy.name!r} is taken; each maker and each strategy needs its own")
            else:
                loaded[policy.name] = policy
    return tuple(loaded.values()), tuple(problems)
