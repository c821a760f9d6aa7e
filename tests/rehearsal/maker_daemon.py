"""A daemon that only quotes: the real parts of the maker side over a real socket, ended by whoever kills it.

Run as `python -m tests.rehearsal.maker_daemon URL KEY SECRET STATE_DIR`. While a file `halt` stands in its state directory the account
is halted; one named `blind` keeps it from pricing.
"""

import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from account_manager import AccountManager, PositionMonitor
from alerts import AlertDesk
from auth import Credentials
from block_trades import BlockDesk
from clock import SystemClock
from domain import AccountSnapshot, TradingState
from domain.quoting import QuoteLimits, QuotingPolicy, Width
from exchanges.coincall.client import CoincallClient
from exchanges.coincall.client_rfq import CoincallRFQClient
from exchanges.coincall.gateway import CoincallAccount, CoincallMarket, CoincallOrders
from exchanges.coincall.gateway_maker import CoincallMaker
from exchanges.coincall.gateway_rfq import CoincallRFQ
from exchanges.coincall.transport import Transport, validity_window
from execution import Executor
from execution_desk import ExecutionDesk
from execution_log import ExecutionLog
from journal import open_journal
from leg_orders import LegOrders
from lifecycle_manager import LifecycleManager
from limit_execution import LimitExecutor
from market_data import MarketData
from own_quotes import QuoteDesk
from quote_execution import BlockExecutor, Offering, Pursuits, WishBoard
from quote_requests import RequestsToQuote, Rounds
from rfq import Makers, RFQExecutor
from rfq_maker import Board, RFQMaker
from settling import SettlementDesk
from trade_execution import TradeExecutor
from trading_desk import Desk
from workers import Inbox, ThreadPool

POLICY = QuotingPolicy(
    name="maker",
    width=Width(vol_points=1.0, per_coin=Decimal(5)),
    limits=QuoteLimits(max_quantity=Decimal(2), per_underlying=Decimal(20)),
    requote_share=1.0,
    exclusive=True,
)


class Maker:
    """The parts of the maker side, wired once."""

    def __init__(self, url: str, key: str, secret: str, state: Path) -> None:
        self.state, self.clock, self.inbox = state, SystemClock(), Inbox()
        self.journal = open_journal(state, self.clock).journal
        self.alerts = AlertDesk(self.journal, self.clock, timedelta(seconds=1))
        self.reads, self.writes, self.urgent = (
            ThreadPool(self.inbox, size, name) for size, name in ((4, "read"), (2, "order"), (2, "urgent"))
        )
        self.transport = Transport(
            url,
            self.clock,
            credentials=Credentials(key, secret),
            window=validity_window(self.clock),
            timeout=timedelta(seconds=3),
            workers=10,
        )
        self.client, self.board_client = CoincallClient(self.transport), CoincallRFQClient(self.transport)
        self.market = MarketData(CoincallMarket(self.client), self.reads, self.clock, self.alerts)
        self.venue = CoincallMaker(self.board_client, self.clock)
        self.wishes = WishBoard()
        self._order_path()
        self.lifecycle = LifecycleManager(
            live=self._desk(),
            simulated=None,
            journal=self.journal,
            clock=self.clock,
            alerts=self.alerts,
            next_number=self.journal.next_trade_number(),
        )
        self.lifecycle.restore(self.journal.replay())

    def _order_path(self) -> None:
        clock, alerts = self.clock, self.alerts
        self.executor = TradeExecutor(
            gateway=CoincallOrders(self.client, clock),
            writes=self.writes,
            reads=self.reads,
            urgent=self.urgent,
            journal=self.journal,
            clock=clock,
            alerts=alerts,
        )
        self.log = ExecutionLog(self.journal, clock)
        self.quotes = QuoteDesk(
            gateway=self.venue,
            executor=self.executor,
            log=self.log,
            writes=self.writes,
            reads=self.reads,
            urgent=self.urgent,
            clock=clock,
            alerts=alerts,
        )

    def _desk(self) -> Desk:
        clock, alerts, number = self.clock, self.alerts, self.journal.desk
        taker = CoincallRFQ(self.board_client, self.market.get_option_instruments, clock)
        blocks = BlockDesk(
            gateway=taker,
            executor=self.executor,
            log=self.log,
            writes=self.writes,
            reads=self.reads,
            clock=clock,
            alerts=alerts,
            desk=number,
        )
        rfq = RFQExecutor(Makers(gateway=taker, directory=taker, blocks=blocks, writes=self.writes, reads=self.reads), clock, alerts)
        offering = Offering(quotes=self.quotes, board=self.wishes, executor=self.executor, alerts=alerts, desk=number)
        ways: list[Executor] = [LimitExecutor(LegOrders(self.executor, alerts, number)), BlockExecutor(rfq, offering)]
        executions = ExecutionDesk(executor=self.executor, executors=ways, log=self.log, alerts=alerts, books=lambda _: None)
        settlements = SettlementDesk(CoincallAccount(self.client, clock), self.reads, alerts)
        return Desk(self.executor, settlements, executions, self.log, blocks, Pursuits(rfq.watch, self.quotes))

    def quoting(self) -> RFQMaker:
        """Return what decides."""
        requests = RequestsToQuote(
            directory=self.venue,
            gateway=self.venue,
            quotes=self.quotes,
            reads=self.reads,
            urgent=self.urgent,
            clock=self.clock,
            alerts=self.alerts,
            rounds=Rounds(every=timedelta(seconds=0.3), idle=timedelta(seconds=1)),
        )
        return RFQMaker(
            [POLICY],
            board=Board(requests=requests, quotes=self.quotes, wishes=self.wishes, reads=self.reads),
            market=self.market,
            lifecycle=self.lifecycle,
            clock=self.clock,
            state=lambda: TradingState.HALTED if (self.state / "halt").exists() else TradingState.ACTIVE,
        )


def run(maker: Maker) -> None:
    """Quote until killed."""
    account = AccountManager(
        CoincallAccount(maker.client, maker.clock), maker.reads, maker.clock, maker.alerts, max_age=timedelta(seconds=30)
    )
    step, quoting = timedelta(milliseconds=50), maker.quoting()
    monitor = PositionMonitor(
        account, maker.market, maker.inbox, maker.clock, maker.alerts, poll_interval=timedelta(seconds=1), tick_interval=step
    )

    def price(snapshot: AccountSnapshot) -> None:
        if not (maker.state / "blind").exists():
            quoting.tick(snapshot)

    monitor.watch(maker.lifecycle.options_in_use)
    monitor.on_update(price, "maker")
    monitor.on_update(maker.lifecycle.tick, "trades")
    while True:
        monitor.tick()
        maker.inbox.wait(step.total_seconds())


if __name__ == "__main__":
    run(Maker(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
