"""The doctor's look at the strategies: could each be traded on what is listed now, in whole lots, and large enough?"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from doctor.findings import Finding, fail, ok, warn
from domain import ZERO, Chain, ExecutionMode, Option, RFQFallback, whole_lots
from errors import NoMatchingInstrument
from events import LegPlan
from option_selection import LegSpec, resolve_legs
from ports import MarketReader
from strategy import StrategyConfig

USUAL = "BTC"


def underlyings(strategies: Sequence[StrategyConfig]) -> tuple[str, ...]:
    """Return the underlyings of strategies, each once; a usual one where there are no strategies."""
    return tuple(dict.fromkeys(leg.underlying for config in strategies for leg in config.legs)) or (USUAL,)


def listed_chain(market: MarketReader, underlying: str) -> Chain:
    """Return the quotes of every listed option of an underlying."""
    return market.chain(underlying, market.instruments(underlying))


def listings(chains: Mapping[str, Chain]) -> Iterator[Finding]:
    """Say how much is listed of each underlying."""
    for underlying, chain in chains.items():
        if not chain.quotes:
            yield fail(
                f"options {underlying}", "none is listed", f"see that the venue lists options of {underlying}, or change the strategies"
            )
        else:
            lots = ", ".join(str(lot) for lot in sorted({quote.option.lot for quote in chain.quotes}))
            yield ok(f"options {underlying}", f"{len(chain.quotes)} listed, {len(chain.by_expiry)} expiries, lot {lots}")


def strategy(config: StrategyConfig, chains: Mapping[str, Chain], now: datetime, rfq_minimum: Decimal) -> Iterator[Finding]:
    """Resolve a strategy's legs against what is listed now, and compare its size with the venue's limits."""
    name = f"strategy {config.name}"
    sizes = [wrong for number, leg in enumerate(config.legs, 1) if (wrong := _size(number, leg, chains)) is not None]
    if sizes:
        yield fail(name, "; ".join(sizes), "change qty in the strategy: such an order is refused before it is sent")
        return
    try:
        plans = resolve_legs(config.legs, chains, now)
    except NoMatchingInstrument as no:
        hint = "it enters once such an option is listed; where that is not what you expect, change its criteria"
        yield warn(name, "nothing listed now fits: " + "; ".join(str(no).splitlines()), hint)
        return
    notional = sum((plan.qty * plan.option.strike for plan in plans), ZERO)
    symbols = ", ".join(f"{plan.side.name.lower()} {plan.qty} {plan.option.symbol}" for plan in plans)
    if config.mode is ExecutionMode.RFQ and notional < rfq_minimum:
        yield _too_small(name, config, plans, rfq_minimum)
    else:
        yield ok(name, f"{symbols}; strike notional {notional:,.0f} USD")


def _size(number: int, leg: LegSpec, chains: Mapping[str, Chain]) -> str | None:
    """Say why no listed option of a leg's kind could be traded in its size; None if one could."""
    chain = chains.get(leg.underlying)
    listed = () if chain is None else tuple(quote.option for quote in chain.quotes)
    lots = {option.lot for option in listed if option.option_type is leg.option_type}
    if not lots or any(leg.qty >= lot and whole_lots(leg.qty, lot) == leg.qty for lot in lots):
        return None
    least = min(lots)
    if leg.qty < least:
        return f"leg {number}: qty {leg.qty} is below the smallest order of {least} {leg.underlying}"
    return f"leg {number}: qty {leg.qty} is not a whole number of lots of {least} {leg.underlying}; {whole_lots(leg.qty, least)} is"


def _too_small(name: str, config: StrategyConfig, plans: Sequence[LegPlan], minimum: Decimal) -> Finding:
    notional = sum((plan.qty * plan.option.strike for plan in plans), ZERO)
    said = f"strike notional {notional:,.0f} USD is below the {minimum:,.0f} USD that a request for quotes needs"
    fallback = config.execution.rfq.fallback
    if fallback is RFQFallback.NONE:
        return fail(name, f"{said}, and it has no other way to trade", "raise qty, give rfq a fallback, or set another execution_mode")
    return warn(name, f"{said}: it would always fall back to {fallback}", "raise qty, or set another execution_mode")


def an_option(chains: Mapping[str, Chain], now: datetime) -> Option | None:
    """Return a lively option to listen to: of the nearest expiry with quotes, the one whose delta is nearest to a half."""
    quotes = [quote for chain in chains.values() for quote in chain.quotes if quote.option.active and quote.option.expiry > now]
    quoted = [quote for quote in quotes if quote.bid is not None and quote.greeks is not None]
    deltas = {quote.option: abs(abs(quote.greeks.delta) - 0.5) for quote in quoted if quote.greeks is not None}
    return min(deltas, key=lambda option: (option.expiry, deltas[option], option.symbol), default=None)
