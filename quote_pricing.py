"""What we offer on a request: fair value, width and fees of each leg, rounded to the tick against whoever takes it. Pure.

Its one rule: a quote leaves at least the declared edge above fair value, all legs and fees together, or there is none. Prices are USD
per coin; the maker's side of a leg is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from domain import ZERO, Option, Quote, QuotedLeg, RequestedLeg, Side, Verdict, passive_price, whole_lots
from domain.quoting import FairBasis, QuotingPolicy, Width
from events import LegPlan
from execution_quality import structure_name

HUNDRED = Decimal(100)
FEE_CAP = Decimal("0.125")  # of a leg's premium (API 14.2)
_GRAIN = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """A quote as priced: its legs (our side, USD per coin), and USD of the whole of it.

    `fair` is what the legs are worth from our view (positive: what we sell), `half` the width asked for, `fees` those that we would pay
    at most, `edge` what is left above fair value once they are paid.
    """

    side: Side
    legs: tuple[QuotedLeg, ...]
    fair: Decimal
    half: Decimal
    fees: Decimal
    edge: Decimal


def fair_price(quote: Quote, basis: FairBasis) -> Decimal | None:
    """Return what one coin of an option is held to be worth, USD; None where the market does not say, or says nothing above zero."""
    price = quote.mark if basis is FairBasis.MARK else quote.mid
    return None if price is None or price <= 0 else price


def either_way(legs: Sequence[RequestedLeg]) -> bool:
    """Tell whether a request's taker may buy or sell it: all-sell requests are entered as buys. Source: Coincall API 8.1, 15 (48)."""
    return all(leg.side is Side.BUY for leg in legs)


def plans(legs: Sequence[RequestedLeg], options: Mapping[str, Option], side: Side) -> tuple[LegPlan, ...]:
    """Return what a quote of that side trades, from our view: SELL acts against every leg as it is stated."""
    return tuple(LegPlan(option=options[leg.symbol], side=_ours(leg, side), qty=leg.qty) for leg in legs)


def suits(policy: QuotingPolicy, legs: Sequence[RequestedLeg], options: Mapping[str, Option], now: datetime) -> Verdict:
    """Tell whether a policy answers such a request at all; every leg must be among the listed options given."""
    wanted, symbols = policy.requests, [leg.symbol for leg in legs]
    strangers = [symbol for symbol in symbols if symbol not in options]
    if strangers or not symbols or len(set(symbols)) < len(symbols):
        return Verdict(False, f"not all of its legs are listed options: {', '.join(strangers or symbols)}")
    listed = [options[symbol] for symbol in symbols]
    name = structure_name(plans(legs, options, Side.BUY))
    notional = sum((option.strike * leg.qty for option, leg in zip(listed, legs, strict=True)), ZERO)
    lots = all(leg.qty > 0 and leg.qty == whole_lots(leg.qty, option.lot) for option, leg in zip(listed, legs, strict=True))
    most, days = max(leg.qty for leg in legs), timedelta(days=1)
    lives = [(option.expiry - now) / days for option in listed]
    above = wanted.max_notional is not None and notional > wanted.max_notional
    rows = (
        (not {option.underlying for option in listed} <= set(policy.underlyings), "it is of another underlying"),
        (not lots, "it is not in whole lots"),
        (bool(wanted.structures) and name not in wanted.structures, f"a {name} is not answered"),
        (len(legs) > wanted.max_legs, f"{len(legs)} legs, {wanted.max_legs} at most"),
        (notional < wanted.min_notional or above, f"strike notional {notional} USD"),
        (min(lives) <= 0 or min(lives) < wanted.min_days or max(lives) > wanted.max_days, f"expires in {min(lives):.1f} days"),
        (most > policy.limits.max_quantity, f"{most} coins, {policy.limits.max_quantity} at most"),
    )
    no = next((reason for bad, reason in rows if bad), None)
    return Verdict(no is None, no or name)


def price(policy: QuotingPolicy, legs: Sequence[RequestedLeg], side: Side, quotes: Mapping[str, Quote]) -> Pricing | Verdict:
    """Return the quote of one side of a request at the market given, or a no with its reason."""
    fairs: list[Decimal] = []
    vegas: list[Decimal] = []
    for leg in legs:
        quote = quotes.get(leg.symbol)
        worth = None if quote is None else fair_price(quote, policy.fair)
        if quote is None or worth is None or quote.greeks is None or quote.underlying_price is None:
            return Verdict(False, f"no fresh {policy.fair}, Greeks and index of {leg.symbol}")
        fairs.append(worth)
        vegas.append(abs(Decimal(str(quote.greeks.vega))))
    known = [quotes[leg.symbol] for leg in legs]
    coins = max(leg.qty for leg in legs)
    charge = sum((_by_index(quote, leg.qty, policy.fee_pct) for quote, leg in zip(known, legs, strict=True)), ZERO)
    least = policy.min_edge_per_coin * coins
    name = structure_name(plans(legs, {quote.option.symbol: quote.option for quote in known}, side))
    half = max(half_width(policy.width, name, legs, fairs, vegas), least + charge)
    offered = _offered(legs, side, known, fairs, _shares(half, legs, vegas))
    pairs = list(zip(offered, fairs, strict=True))
    gain = sum((leg.side.sign * (worth - leg.price) * leg.qty for leg, worth in pairs), ZERO)
    fees = sum((_fee(quote, leg, policy.fee_pct) for quote, leg in zip(known, offered, strict=True)), ZERO)
    if gain - fees < least:
        return Verdict(False, f"on the tick it would leave {gain - fees:.2f} USD above fair value, at least {least} is wanted")
    total = -sum((leg.side.sign * worth * leg.qty for leg, worth in pairs), ZERO)
    return Pricing(side=side, legs=offered, fair=total, half=half, fees=fees, edge=gain - fees)


def half_width(width: Width, name: str, legs: Sequence[RequestedLeg], fairs: Sequence[Decimal], vegas: Sequence[Decimal]) -> Decimal:
    """Return half the distance between our two prices for a structure, USD for the whole of it; vegas are amounts, per coin."""
    rows = list(zip(legs, fairs, vegas, strict=True))
    coins = max(leg.qty for leg in legs)
    net = abs(sum((leg.side.sign * vega * leg.qty for leg, _, vega in rows), ZERO))
    gross = sum((vega * leg.qty for leg, _, vega in rows), ZERO)
    share, points = Decimal(str(width.net_share)), Decimal(str(width.vol_points))
    by_vega = points * (share * net + (1 - share) * gross)
    by_premium = Decimal(str(width.pct)) / HUNDRED * sum((worth * leg.qty for leg, worth, _ in rows), ZERO)
    base = max(by_vega, by_premium, width.per_coin * coins)
    beyond = max(coins / width.size_unit - 1, ZERO) * Decimal(str(width.size_add_pct)) / HUNDRED
    return base * (1 + beyond) * Decimal(str(width.by_structure.get(name, 1)))


def moved(before: Pricing, after: Pricing, share: float) -> bool:
    """Tell whether fair value has moved by more than a share of the width that was asked for it."""
    return abs(after.fair - before.fair) > Decimal(str(share)) * before.half


def _ours(leg: RequestedLeg, side: Side) -> Side:
    return leg.side if side is Side.BUY else leg.side.opposite


def _shares(half: Decimal, legs: Sequence[RequestedLeg], vegas: Sequence[Decimal]) -> list[Decimal]:
    """Return how much of the width each leg carries, USD per coin: by its vega, or by its coins where nothing has any."""
    weights = vegas if any(vegas) else [Decimal(1)] * len(legs)
    total = sum((weight * leg.qty for weight, leg in zip(weights, legs, strict=True)), ZERO)
    return [(half * weight / total).quantize(_GRAIN) for weight in weights]


def _offered(
    legs: Sequence[RequestedLeg], side: Side, quotes: Sequence[Quote], fairs: Sequence[Decimal], shares: Sequence[Decimal]
) -> tuple[QuotedLeg, ...]:
    rows = zip(legs, quotes, fairs, shares, strict=True)
    return tuple(_on_tick(leg, _ours(leg, side), quote.option, worth, share) for leg, quote, worth, share in rows)


def _on_tick(leg: RequestedLeg, side: Side, option: Option, worth: Decimal, share: Decimal) -> QuotedLeg:
    return leg.quoted_at(passive_price(worth - side.sign * share, option.tick, side), side)


def _by_index(quote: Quote, qty: Decimal, fee_pct: Decimal) -> Decimal:
    return qty * (quote.underlying_price or ZERO) * fee_pct / HUNDRED


def _fee(quote: Quote, leg: QuotedLeg, fee_pct: Decimal) -> Decimal:
    """Return the fee of a leg, USD: by the index, capped at a share of its premium. Source: Coincall API 14.2, 14.4."""
    return min(_by_index(quote, leg.qty, fee_pct), FEE_CAP * leg.price * leg.qty)
