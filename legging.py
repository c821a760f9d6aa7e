"""What a structure may do while only a part of it is filled: how far each leg may go, whether it stands apart, and when that is too much.

Two laws. Sold legs are opened only as far as the bought legs have filled; bought legs are given back only as far as the sold legs of
their type are bought back. Both compare in the ratio of the structure's targets, so they hold for every lot on the way.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from domain import ZERO, AccountSnapshot, Basis, LeggingPolicy, OptionLeg, Purpose, Side, Verdict, whole_lots
from events import ExecutionEvent, LegsApart, LegsTogether
from execution import Scene
from trade_lifecycle import TradeLeg, TradeLifecycle

HUNDRED = Decimal(100)


def room(trade: TradeLifecycle, purpose: Purpose) -> tuple[Decimal, ...]:
    """Return how many coins of each leg may be traded now, orders that are out included, by the structure's legging policy."""
    if purpose.reduces:
        return tuple(_to_give_back(leg, trade) for leg in trade.legs)
    return tuple(_to_open(leg, trade) for leg in trade.legs)


def followers(trade: TradeLifecycle, purpose: Purpose) -> tuple[bool, ...]:
    """Tell for each leg whether its room depends on other legs: it goes after them."""
    if not trade.params.legging.bought_first:
        return (False,) * len(trade.legs)
    if not purpose.reduces:
        bought = any(leg.side is Side.BUY for leg in trade.legs)
        return tuple(bought and leg.side is Side.SELL for leg in trade.legs)
    kinds = {leg.option.option_type for leg in trade.legs if leg.side is Side.SELL}
    return tuple(leg.side is Side.BUY and leg.option.option_type in kinds for leg in trade.legs)


def _to_open(leg: TradeLeg, trade: TradeLifecycle) -> Decimal:
    missing = max(leg.target - leg.opened, ZERO)
    bought = [other for other in trade.legs if other.side is Side.BUY]
    if leg.side is Side.BUY or not bought or not trade.params.legging.bought_first:
        return missing
    covered = min(leg.target * other.opened / other.target for other in bought)
    return min(missing, max(whole_lots(covered, leg.option.lot) - leg.opened, ZERO))


def _to_give_back(leg: TradeLeg, trade: TradeLifecycle) -> Decimal:
    held = max(leg.outstanding, ZERO)
    if leg.side is Side.SELL or not trade.params.legging.bought_first:
        return held
    return max(held - _covering(leg, trade), ZERO)


def _covering(leg: TradeLeg, trade: TradeLifecycle) -> Decimal:
    """Return how many coins of a bought leg still cover sold legs of its type, whole lots."""
    owed = [
        other.outstanding * leg.target / other.target
        for other in trade.legs
        if other.side is Side.SELL and other.option.option_type is leg.option.option_type and other.outstanding >= other.option.lot
    ]
    return _whole_up(max(owed, default=ZERO), leg.option.lot)


def _whole_up(qty: Decimal, lot: Decimal) -> Decimal:
    return (qty / lot).to_integral_value(ROUND_CEILING) * lot


def uncovered(trade: TradeLifecycle) -> tuple[Decimal, ...]:
    """Return for each sold leg how many coins are held beyond what the bought legs of its type cover in the structure's ratio.

    Zero for bought legs, and for sold legs of a structure that has no bought leg of their type: those are naked by its own design.
    """
    return tuple(_uncovered(leg, trade) for leg in trade.legs)


def _uncovered(leg: TradeLeg, trade: TradeLifecycle) -> Decimal:
    kind = leg.option.option_type
    bought = [other for other in trade.legs if other.side is Side.BUY and other.option.option_type is kind]
    if leg.side is Side.BUY or not bought:
        return ZERO
    covered = min(leg.target * max(other.outstanding, ZERO) / other.target for other in bought)
    return max(leg.outstanding - covered, ZERO)


def apart(trade: TradeLifecycle) -> bool:
    """Tell whether the structure stands half filled: held out of its ratio by a lot or more, or in part uncovered."""
    if any(naked > 0 for naked in uncovered(trade)):  # less than a lot of the sold leg can be a whole lot of its cover
        return True
    return any(leg.outstanding - _at_least(leg, trade) >= leg.option.lot for leg in trade.legs)


def _at_least(leg: TradeLeg, trade: TradeLifecycle) -> Decimal:
    """Return how many coins of a leg match the leg that is held least; divided last, so that whole lots stay whole."""
    return min(leg.target * max(other.outstanding, ZERO) / other.target for other in trade.legs)


def to_parity(trade: TradeLifecycle) -> tuple[Decimal, ...]:
    """Return how many coins each leg of an opening lacks to stand where the furthest leg stands, whole lots, at most its target.

    Divided last, so that what is whole lots stays so.
    """
    furthest = [max(leg.target * other.opened / other.target for other in trade.legs) for leg in trade.legs]
    wanted = (min(_whole_up(share, leg.option.lot), leg.target) for leg, share in zip(trade.legs, furthest, strict=True))
    return tuple(max(want - leg.opened, ZERO) for want, leg in zip(wanted, trade.legs, strict=True))


def loss_pct(trade: TradeLifecycle, account: AccountSnapshot) -> Decimal | None:
    """Return the trade's loss by mark, fees included, in per cent of its notional (index x coins of its largest leg); None if unknown."""
    profit = trade.profit(account, Basis.MARK)
    quotes = (account.quotes.get(leg.option.symbol) for leg in trade.legs)
    index = next((quote.underlying_price for quote in quotes if quote is not None and quote.underlying_price is not None), None)
    if profit is None or index is None or index == 0:
        return None
    return -profit / (index * max(leg.target for leg in trade.legs)) * HUNDRED


def too_much(policy: LeggingPolicy, seconds_apart: float, loss: Decimal | None) -> Verdict:
    """Tell whether a structure that has stood apart for so long and at such a loss (per cent) breaches its policy, and how."""
    if seconds_apart >= policy.max_seconds:
        return Verdict(True, f"half filled for {seconds_apart:.0f} s, at most {policy.max_seconds:g}")
    if policy.max_loss_pct is not None and loss is not None and loss >= Decimal(str(policy.max_loss_pct)):
        return Verdict(True, f"half filled at a loss of {loss:.2f} % of its notional, at most {policy.max_loss_pct:g}")
    return Verdict(False)


def executable(scene: Scene, parts: int = 1) -> Verdict:
    """Tell whether every leg that is still wanted, or that part of it, could be traded on the book now, and which could not."""
    poor = [leg.instrument.symbol for leg in scene.wanted if scene.executable(_part(leg, parts)) is None]
    return Verdict(not poor, f"{', '.join(poor)} cannot be traded on the book in that size" if poor else "every leg is executable")


def _part(leg: OptionLeg, parts: int) -> OptionLeg:
    return replace(leg, qty=_whole_up(leg.qty / parts, leg.instrument.lot))


def apart_since(marks: Sequence[ExecutionEvent]) -> datetime | None:
    """Return since when a structure stands apart by what its guard has written; None if it does not."""
    last = next((mark for mark in reversed(marks) if isinstance(mark, LegsApart | LegsTogether)), None)
    return last.at if isinstance(last, LegsApart) else None
