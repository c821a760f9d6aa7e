"""What became of expired legs: asks the venue for its settlements and turns them into events of our trades.

The price is the venue's, never computed here; a leg that the venue has not settled whole stays held and is asked for again.
Trades that share a position share its fee in proportion to what they hold.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from loguru import logger

from domain import ZERO, Settlement, Severity
from events import LegSettled
from ports import AccountReader, Alerts, IoPool
from trade_lifecycle import TradeLeg, TradeLifecycle

ASK_EVERY = timedelta(seconds=10)
LATE = timedelta(minutes=15)


class SettlementDesk:
    """Keeps the venue's recent settlements and asks for more while a leg waits for one."""

    def __init__(self, account: AccountReader, pool: IoPool, alerts: Alerts) -> None:
        self._account, self._pool, self._alerts = account, pool, alerts
        self._known: tuple[Settlement, ...] = ()
        self._ask_at: datetime | None = None
        self._asking = False

    def settle(self, trade: TradeLifecycle, now: datetime) -> tuple[LegSettled, ...]:
        """Return the settlements of a trade's expired legs that the venue has published; ask for those it has not."""
        expired = [(i, leg) for i, leg in enumerate(trade.legs) if leg.outstanding > 0 and leg.option.expiry <= now]
        events = [event for i, leg in expired if (event := self._event(trade, i, leg, now)) is not None]
        if len(events) < len(expired):
            oldest = min(leg.option.expiry for _, leg in expired)
            self._ask(oldest - timedelta(minutes=5), now)
            if now > oldest + LATE:
                self._alerts.alert(
                    Severity.CRITICAL,
                    f"settlement missing {trade.id}",
                    f"{trade.id} holds options that expired at {oldest:%d %b %H:%M} UTC and the venue shows no settlement of them all",
                    "compare with the venue's exercise history",
                )
        return tuple(events)

    def _event(self, trade: TradeLifecycle, index: int, leg: TradeLeg, now: datetime) -> LegSettled | None:
        rows = [s for s in self._known if s.symbol == leg.option.symbol and s.side is leg.side]
        settled, qty = sum((row.qty for row in rows), ZERO), leg.outstanding
        if not rows or settled < qty:
            return None
        fee = sum((row.fee for row in rows), ZERO) * qty / settled
        return LegSettled(at=now, trade=trade.number, leg=index, qty=qty, price=rows[0].price, fee=fee)

    def _ask(self, since: datetime, now: datetime) -> None:
        if self._asking or (self._ask_at is not None and now < self._ask_at):
            return
        self._asking, self._ask_at = True, now + ASK_EVERY
        self._pool.run(lambda: self._account.settlements(since), self._answered)

    def _answered(self, answer: Sequence[Settlement] | Exception) -> None:
        self._asking = False
        if isinstance(answer, Exception):
            logger.warning("settlements unknown reason={}", answer)
        else:
            self._known = tuple(answer)
