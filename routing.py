"""Which way to execute what a scene still wants: a decision from values alone, with its reason and its numbers.

Two notionals are never confused: the strike notional (strike x coins summed over the legs) decides who is asked, the premium is what
is paid. Source of the block minimum: Coincall API 14.9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain import ZERO, ExecutionMode, OptionLeg, Quote, RoutingThresholds, Side, Verdict
from execution import Scene

M = ExecutionMode


@dataclass(frozen=True, slots=True)
class Measured:
    """What executions in one mode have cost so far: how many were measured, and their mean shortfall in basis points of notional."""

    count: int
    shortfall_bps: Decimal


@dataclass(frozen=True, slots=True)
class Route:
    """A mode and why it was chosen."""

    mode: ExecutionMode
    reason: str


def route(
    scene: Scene,
    accepts: Mapping[ExecutionMode, Verdict],
    thresholds: RoutingThresholds,
    measured: Mapping[ExecutionMode, Measured] | None = None,
) -> Route:
    """Return how to execute what the scene still wants, among the modes that accept it; limit is the last resort and always does.

    `measured` holds what such structures have cost by mode. It decides between modes that the thresholds find equally good, and only
    with at least `min_history` measurements of both.
    """
    usable = [each for each in _candidates(scene, thresholds) if (verdict := accepts.get(each.mode)) is not None and verdict.ok]
    refused = [f"{mode} cannot: {verdict.reason}" for mode, verdict in accepts.items() if not verdict.ok]
    if not usable:
        return Route(M.LIMIT, "; ".join(["nothing else is left", *refused]))
    first, *others = usable
    chosen = _by_history(first, others, thresholds, measured or {})
    return Route(chosen.mode, "; ".join([chosen.reason, *refused]))


def _candidates(scene: Scene, thresholds: RoutingThresholds) -> Sequence[Route]:
    """Return the modes that would do, best first; each but the last resort is there for a reason of its own."""
    wanted, notional = scene.wanted, scene.notional
    if len(wanted) <= 1:
        return [Route(M.LIMIT, f"{len(wanted)} leg: a limit order chases it best")]
    told = f"{len(wanted)} legs, strike notional {notional:.0f} USD"
    routes: list[Route] = []
    if notional >= thresholds.rfq_notional and not scene.urgent:
        routes.append(Route(M.RFQ, f"{told}, at least {thresholds.rfq_notional:.0f}: makers are asked"))
    why = _needs_care(scene, thresholds)
    if why is not None and not scene.urgent:
        routes.append(Route(M.SMART, f"{told}: {why}"))
    hurry = "urgent, makers are not waited for" if scene.urgent else "the book carries it"
    return [*routes, Route(M.LIMIT, f"{told}: {hurry}")]


def _needs_care(scene: Scene, thresholds: RoutingThresholds) -> str | None:
    """Say why the book should be worked in chunks; None if it need not be."""
    if scene.notional >= thresholds.smart_notional and len(scene.wanted) >= thresholds.smart_legs:
        return f"{thresholds.smart_legs} legs or more of at least {thresholds.smart_notional:.0f} USD are worked in chunks"
    shares = [share for leg in scene.wanted if (share := _share_of_best(leg, scene.quotes.get(leg.instrument.symbol))) is not None]
    if shares and max(shares) > Decimal(str(thresholds.depth_share)):
        return f"{max(shares):.0%} of what the book shows at its best price, more than {thresholds.depth_share:.0%}"
    spreads = [spread for leg in scene.wanted if (spread := _spread_pct(scene.quotes.get(leg.instrument.symbol))) is not None]
    mean = sum(spreads, ZERO) / len(spreads) if spreads else ZERO
    if mean > Decimal(str(thresholds.wide_spread_pct)):
        return f"spreads of {mean:.1f} % of mid on average, more than {thresholds.wide_spread_pct:g}"
    return None


def _share_of_best(leg: OptionLeg, quote: Quote | None) -> Decimal | None:
    size = None if quote is None else (quote.ask_size if leg.side is Side.BUY else quote.bid_size)
    return None if size is None or size == 0 else leg.qty / size


def _spread_pct(quote: Quote | None) -> Decimal | None:
    if quote is None or quote.bid is None or quote.ask is None or quote.mid is None or quote.mid == 0:
        return None
    return (quote.ask - quote.bid) / quote.mid * 100


def _by_history(first: Route, others: Sequence[Route], thresholds: RoutingThresholds, measured: Mapping[ExecutionMode, Measured]) -> Route:
    """Return the cheapest by measured cost among the routes, the first one where there is too little history to say so."""
    own = measured.get(first.mode)
    if own is None or own.count < thresholds.min_history:
        return first
    known = [
        (each, measured[each.mode]) for each in others if each.mode in measured and measured[each.mode].count >= thresholds.min_history
    ]
    best, cost = min(known, key=lambda pair: pair[1].shortfall_bps, default=(first, own))
    if cost.shortfall_bps >= own.shortfall_bps:
        return first
    reason = (
        f"{best.mode} has cost {cost.shortfall_bps:.1f} bps of notional over {cost.count} executions, "
        f"{first.mode} {own.shortfall_bps:.1f} over {own.count} ({first.reason})"
    )
    return Route(best.mode, reason)
