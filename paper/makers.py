"""Simulated makers: they answer requests for quotes from accounts of their own, each with its own view, width, size and pace.

Chance is a hash of the seed and of what it is for, and what a maker did is on the board, so a restart goes on as it would have. The
model and its numbers are told in docs/paper-market-model.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil, floor
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from domain import ZERO, Level, Side
from errors import ConfigError, DataNotFresh
from paper.block_rows import BlockQuoteRow, QuoteState, RequestRow
from paper.dice import Dice
from paper.market import OptionView
from paper.reports import DEPTH
from paper.rules import Faults

if TYPE_CHECKING:
    from paper.engine import Engine

FIRST_MAKER, MOST_MAKERS = 11, 80
_HUNDRED = Decimal(100)
_NO_FAULT = Faults()


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerModel:
    """How the makers behave; the docs tell what each number does. Volatilities are in points, moves fractions of the index, cash USD."""

    seed: int = 1
    number: int = 4
    cash: Decimal = Decimal(100_000_000)
    vol_error: float = 0.25
    vol_width: float = 0.35
    net_share: float = 0.5
    delta_width: float = 0.0001
    narrowest: float = 0.7
    widest: float = 1.5
    max_coins: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({"BTC": Decimal(60), "ETH": Decimal(1200)}))
    fastest_answer: timedelta = timedelta(seconds=3)
    slowest_answer: timedelta = timedelta(seconds=5)
    answer_chance: float = 0.92
    pull_chance: float = 0.03
    requote_share: float = 0.5
    requote_pause: timedelta = timedelta(seconds=2)
    fast_window: timedelta = timedelta(seconds=30)
    fast_move: float = 0.0012
    vanish_move: float = 0.003

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be {what}"
            for name, what, good in (
                ("number", f"from 0 to {MOST_MAKERS}", 0 <= self.number <= MOST_MAKERS),
                ("cash", "zero or more", self.cash >= 0),
                ("net_share", "from 0 to 1", 0 <= self.net_share <= 1),
                ("narrowest", "above zero and not above widest", 0 < self.narrowest <= self.widest),
                ("fastest_answer", "not above slowest_answer", timedelta(0) <= self.fastest_answer <= self.slowest_answer),
                ("fast_move", "above zero and not above vanish_move", 0 < self.fast_move <= self.vanish_move),
            )
            if not good
        ]
        if problems:
            raise ConfigError(f"MakerModel: {', '.join(problems)}")


class _Leg(NamedTuple):
    """A leg as makers see it; `stated` is +1 where the taker states a buy."""

    view: OptionView
    stated: int
    qty: float


class _Offer(NamedTuple):
    """Prices by option, USD per coin, and how far the whole may move, USD, before it is worth another quote."""

    prices: dict[str, Decimal]
    tolerance: float


class Makers:
    """All simulated makers of one exchange."""

    def __init__(self, engine: "Engine", model: MakerModel) -> None:
        self._engine, self._board, self._model, self._dice = engine, engine.board, model, Dice(model.seed)
        self.names = {FIRST_MAKER + n: f"maker-{n + 1}" for n in range(model.number)}
        self._sides = (Side.SELL, Side.BUY) if engine.rules.block.quote_per_side else (Side.SELL,)

    def answer(self, now: datetime) -> None:
        """Let every maker look at every active request: quote, quote anew, or withdraw."""
        for request_id in list(self._board.active):
            request = self._board.requests[request_id]
            fault = self._engine.faults.get(request.user, _NO_FAULT)
            if not fault.makers_silent and request.user not in self.names:
                self._attend(request, fault, now)

    def pulls(self, request: RequestRow, quote: BlockQuoteRow) -> bool:
        """Tell whether a simulated maker withdraws its quote at the moment of acceptance."""
        if quote.user not in self.names:
            return False
        if self._engine.faults.get(request.user, _NO_FAULT).makers_vanish:
            return True
        return self._dice.uniforms(b"pull", quote.quote_id, quote.user)[0] < self._model.pull_chance

    def _attend(self, request: RequestRow, fault: Faults, now: datetime) -> None:
        legs = self._legs(request, now)
        if not legs:
            return
        speed = self._speed(legs[0].view.option.underlying, now)
        given = self._board.quotes_on(request.request_id)
        for maker in self.names:
            if self._takes_part(maker, request, legs):
                for side in self._sides:
                    mine = [quote for quote in given if quote.user == maker and quote.side is side]
                    self._one_side(_Desk(self, request, legs, maker, side, fault, speed), mine, now)

    def _one_side(self, desk: "_Desk", mine: Sequence[BlockQuoteRow], now: datetime) -> None:
        latest, calm = (mine[-1] if mine else None), desk.speed < self._model.vanish_move
        number, maker = desk.request.request_id, desk.maker
        if latest is None or latest.state is not QuoteState.OPEN:
            if calm and now >= self._due(desk, latest, len(mine)):
                self._board.quote(maker, number, desk.side, desk.offer(now).prices, now)
        elif not calm:
            self._board.cancel_quote(maker, latest.quote_id, now)
        elif now - latest.created >= self._model.requote_pause:
            offer = desk.offer(now)
            if _moved(latest, offer):
                self._board.cancel_quote(maker, latest.quote_id, now)
                self._board.quote(maker, number, desk.side, offer.prices, now)

    def _due(self, desk: "_Desk", latest: BlockQuoteRow | None, count: int) -> datetime:
        model, request = self._model, desk.request
        drawn = self._dice.uniforms(b"pace %d" % desk.maker, request.request_id, count)[0]
        takes = model.fastest_answer + (model.slowest_answer - model.fastest_answer) * drawn
        return (request.created + desk.fault.makers_late if latest is None else latest.updated) + takes

    def _takes_part(self, maker: int, request: RequestRow, legs: Sequence[_Leg]) -> bool:
        limit = self._model.max_coins.get(legs[0].view.option.underlying)
        appetite = 0.4 + 1.2 * self._dice.uniforms(b"size %d" % maker, 0)[0]
        if limit is not None and max(leg.qty for leg in legs) > float(limit) * appetite:
            return False
        return self._dice.uniforms(b"interest %d" % maker, request.request_id)[0] < self._model.answer_chance

    def _legs(self, request: RequestRow, now: datetime) -> list[_Leg]:
        """Return the legs as the market shows them; none at all where one is not listed any more."""
        views = [self._engine.feed.view(leg.symbol, now) for leg in request.legs]
        return [
            _Leg(view, leg.side.sign, float(leg.qty))
            for view, leg in zip(views, request.legs, strict=True)
            if view is not None and None not in views and now < view.option.expiry
        ]

    def _speed(self, underlying: str, now: datetime) -> float:
        """Return how far the index has come within the window, as a fraction; 0 where nothing older is known."""
        try:
            before = self._engine.feed.index(underlying, now - self._model.fast_window).price
        except DataNotFresh:
            return 0.0
        return abs(float(self._engine.liquidity.index(underlying, now).price / before) - 1)

    def model_offer(self, desk: "_Desk") -> _Offer:
        """Return what a maker's own view of the structure comes to, rounded to the tick in its favour."""
        calm = self._half_width(desk)
        half = calm * max(1.0, desk.speed / self._model.fast_move)
        error, _ = self._dice.normals(b"view %d" % desk.maker, desk.request.request_id)
        weights = [abs(leg.view.greeks.vega) * leg.qty for leg in desk.legs]
        if sum(weights) <= 0:
            weights = [leg.qty for leg in desk.legs]
        prices = {}
        for n, (leg, weight) in enumerate(zip(desk.legs, weights, strict=True), 1):
            own, _ = self._dice.normals(b"view %d" % desk.maker, desk.request.request_id, n)
            points = self._model.vol_error * (0.8 * error + 0.6 * own)
            fair = float(leg.view.mark) + leg.view.greeks.vega * points
            share = half * weight / sum(weights) / leg.qty
            prices[leg.view.option.symbol] = _on_tick(fair, share, leg, desk.side)
        return _Offer(prices, self._model.requote_share * calm)

    def _half_width(self, desk: "_Desk") -> float:
        """Return half the distance between a maker's two quotes in a calm market, USD for the whole structure."""
        model, legs = self._model, desk.legs
        vegas = [leg.stated * leg.view.greeks.vega * leg.qty for leg in legs]
        net, gross = abs(sum(vegas)), sum(map(abs, vegas))
        delta = abs(sum(leg.stated * leg.view.greeks.delta * leg.qty for leg in legs))
        factor = model.narrowest + (model.widest - model.narrowest) * self._dice.uniforms(b"width %d" % desk.maker, 0)[0]
        base = model.vol_width * (model.net_share * net + (1 - model.net_share) * gross)
        base += model.delta_width * float(legs[0].view.underlying_price) * delta
        return max(base * factor, sum(float(leg.view.option.tick) * leg.qty for leg in legs))

    def book_offer(self, desk: "_Desk", worse_pct: Decimal, now: datetime) -> _Offer:
        """Return what the book would cost the taker, depth included, each leg so many per cent worse; the mark where a side is empty."""
        prices = {}
        for leg, stated in zip(desk.legs, desk.request.legs, strict=True):
            book, tick = self._engine.liquidity.book(stated.symbol, now), leg.view.option.tick
            sells = _acts(leg, desk.side) > 0
            shown = _executable(book.ladder(-1 if sells else 1, DEPTH), stated.qty, leg.view.mark)
            price = shown * (_HUNDRED + (worse_pct if sells else -worse_pct)) / _HUNDRED
            ticks = price / tick
            prices[stated.symbol] = max(1, ceil(ticks) if sells == (worse_pct >= 0) else floor(ticks)) * tick
        return _Offer(prices, 0.0)


class _Desk(NamedTuple):
    """One maker looking at one side of one request."""

    makers: Makers
    request: RequestRow
    legs: Sequence[_Leg]
    maker: int
    side: Side
    fault: Faults
    speed: float

    def offer(self, now: datetime) -> _Offer:
        """Return what the maker would quote now."""
        worse = self.fault.makers_worse_pct
        return self.makers.model_offer(self) if worse is None else self.makers.book_offer(self, worse, now)


def _acts(leg: _Leg, side: Side) -> int:
    """Return +1 where the maker sells the leg, -1 where it buys it."""
    return leg.stated if side is Side.SELL else -leg.stated


def _executable(levels: Sequence[Level], qty: Decimal, mark: Decimal) -> Decimal:
    """Return the average price of taking qty from a ladder, its last price for what is beyond; the mark where it is empty."""
    left, paid, price = qty, ZERO, mark
    for level in levels:
        taken, price = min(left, level.size), level.price
        left, paid = left - taken, paid + taken * price
    return (paid + left * price) / qty


def _on_tick(fair: float, share: float, leg: _Leg, side: Side) -> Decimal:
    tick, sells = leg.view.option.tick, _acts(leg, side)
    ticks = (fair + sells * share) / float(tick)
    return max(1, ceil(ticks) if sells > 0 else floor(ticks)) * tick


def _moved(quote: BlockQuoteRow, offer: _Offer) -> bool:
    """Tell whether the structure's price has moved by more than the offer tolerates."""
    change = sum(leg.side.sign * (offer.prices[leg.symbol] - leg.price) * leg.qty for leg in quote.legs)
    return abs(float(change)) > offer.tolerance
