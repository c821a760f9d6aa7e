"""What happens to an account that can no longer carry its positions. Source: Coincall API 14.6.

Once initial margin exceeds the margin balance, orders that open are cancelled. Once maintenance margin reaches it, or cash is below
zero, every order is cancelled and positions are closed against the book, a quarter of one at a time, the largest maintenance margin
first and then the most valuable long, until the account stands again or the book has nothing left. A liquidation pays the
liquidation fee in place of the trading fee; an account that ends below zero stays there.
"""

from datetime import datetime

from paper.desk import Desk
from paper.ledger import Account, Holding
from paper.rules import OrderState


def guard(desk: Desk, account: Account, now: datetime) -> None:
    """Cancel or close what an account can no longer carry."""
    if _fallen(account):
        for order in list(account.open.values()):
            desk.matching.finish(order, OrderState.CANCELED, now)
        _close_out(desk, account, now)
    elif account.initial > account.cash and account.open:
        for holding in list(account.holdings.values()):
            _cancel_opening(desk, holding, now)


def _fallen(account: Account) -> bool:
    return account.maintenance >= account.cash and (account.maintenance > 0 or account.cash < 0)


def _close_out(desk: Desk, account: Account, now: datetime) -> None:
    stuck: set[int] = set()
    while _fallen(account):
        held = [holding for holding in account.holdings.values() if holding.lots and holding.id not in stuck and not holding.book.expired]
        if not held:
            return
        worst = max(held, key=lambda holding: (holding.maintenance, abs(holding.value)))
        if not desk.force(worst, -(-abs(worst.lots) // 4), now):
            stuck.add(worst.id)


def _cancel_opening(desk: Desk, holding: Holding, now: datetime) -> None:
    opening = {1: holding.buy_lots > max(-holding.lots, 0), -1: holding.sell_lots > max(holding.lots, 0)}
    for order in list(holding.account.open.values()):
        if order.holding is holding and opening[order.side] and not order.asked.reduce_only:
            desk.matching.finish(order, OrderState.CANCELED, now)
