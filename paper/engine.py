"""The paper exchange without its wire: accounts, orders and time in, rows and refusals out.

Pure: it reads no clock, no file and no socket. Each call is told the moment, which never goes back (an earlier one counts as the
latest seen). Given the same feed, rules and calls it does the same. One thread at a time.

    advance(now)             the heartbeat: orders of others, new quotes, expiry, settlement, margin guard, slow cancels
    place amend cancel       commands; a refusal raises Refused and changes nothing
    board                    requests for quotes, quotes, block trades
    reports                  the read side
    drain_events             what happened, for streams
    drain_changes            rows touched, for a store; image and from_image are the whole of it
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from clock import to_ms
from paper import image
from paper.book import Book, Order
from paper.countdown import Countdowns
from paper.desk import Desk
from paper.expiry import expire, settle
from paper.ledger import BANK, FEES, HOUSE, HOUSE_ACCOUNTS, Account, pico
from paper.liquidation import guard
from paper.liquidity import Liquidity
from paper.makers import MakerModel, Makers
from paper.market import Feed
from paper.matching import Matching
from paper.mmp import Protections
from paper.record import Record
from paper.reports import Reports
from paper.rfq_board import RFQBoard
from paper.rows import CancelResult, Changes, Event, ExerciseRow, Image
from paper.rules import Faults, OrderRequest, OrderState, Refused, Rules, refusal


class Engine:
    """An exchange for options on one feed. Users are numbers above 9; 1 is the rest of the market, 2 fees, 3 the bank."""

    def __init__(self, feed: Feed, rules: Rules, now: datetime) -> None:
        self.feed, self.rules, self.now, self.advanced = feed, rules, now, now
        self.accounts = {user: Account(user, name) for user, name in HOUSE_ACCOUNTS.items()}
        self.record = Record()
        self.matching = Matching(self.accounts[HOUSE], self.accounts[FEES], self.record, to_ms(now) << 20)
        self.liquidity = Liquidity(feed, rules, self.accounts[HOUSE], self.matching)
        self.desk = Desk(rules, self.liquidity, self.matching)
        self.exercises: list[ExerciseRow] = []
        self.faults: dict[int, Faults] = {}
        self.slow_cancels: dict[int, Order] = {}
        self.reports = Reports(self)
        self.board = RFQBoard(self)
        self.makers: Makers | None = None
        self.countdowns = Countdowns(self._lapse, self.record.countdown)
        self.protections = Protections(self._pull, self.record.protection)
        self.matching.protect = self.protections.count

    # ---- accounts

    def add_account(self, user: int, name: str, cash: Decimal) -> None:
        """Open an account with cash (USD) from the bank; raise ValueError if the number is taken, reserved or cash is negative."""
        if user < 10 or user in self.accounts:
            raise ValueError(f"user {user} is taken or reserved (1 to 9)")
        if cash < 0:
            raise ValueError(f"an account opens with cash, not with {cash}")
        self.accounts[user] = Account(user, name)
        self._move(user, pico(cash))

    def transfer(self, user: int, amount: Decimal, now: datetime) -> None:
        """Move amount (USD) from the bank to an account, or back where it is negative; raise Refused 10529 beyond what is available."""
        account, moved = self._account(user), pico(amount)
        self.reports.refresh(user, self._at(now))
        if moved < 0 and account.available + moved < 0:
            raise refusal(10529)
        self._move(user, moved)

    def hire(self, model: MakerModel) -> None:
        """Let simulated makers answer requests for quotes from now on; who has no account yet gets one, with the bank's cash."""
        self.makers = Makers(self, model)
        for user, name in self.makers.names.items():
            if user not in self.accounts:
                self.add_account(user, name, model.cash)

    # ---- commands

    def place(self, user: int, request: OrderRequest, now: datetime) -> int:
        """Take an order and return its id; it may be filled, resting or cancelled by then. Raises Refused."""
        account, now = self._enter(user), self._at(now)
        if request.mmp or self.countdowns.settings:
            self._check_maker(user, request, now)
        desk = self.desk
        order = desk.admit(account, request, now)
        if self.faults and (fault := self.faults.get(user)) is not None and fault.one_lot_only:
            order.book.thin(order.side, order.price)
        desk.work(order, now)
        return order.id

    def place_all(self, user: int, requests: Iterable[OrderRequest], now: datetime) -> list[int | Refused]:
        """Place one by one; return for each, in order, its id or why it was refused."""
        results: list[int | Refused] = []
        for request in requests:
            try:
                results.append(self.place(user, request, now))
            except Refused as refused:
                results.append(refused)
        return results

    def amend(
        self,
        user: int,
        symbol: str,
        now: datetime,
        *,
        order_id: int | None = None,
        client_id: int | None = None,
        qty: Decimal | None = None,
        price: Decimal | None = None,
    ) -> int:
        """Change the total quantity or price of an open order in symbol, and return its id; raise Refused, the order untouched."""
        account, now = self._enter(user), self._at(now)
        order = self.find(account, order_id, client_id)
        if order.book.symbol != symbol:
            raise refusal(10584)
        self.desk.amend(order, qty, price, now)
        return order.id

    def cancel(self, user: int, now: datetime, *, order_id: int | None = None, client_id: int | None = None) -> int:
        """Cancel an order and return its id; raise Refused 10575, 10584, 11101 (cancelled before) or 11102 (filled)."""
        account, now = self._enter(user), self._at(now)
        order = self.find(account, order_id, client_id)
        self.liquidity.look(order.book, now)
        self._cancel(order, now)
        return order.id

    def cancel_many(self, user: int, now: datetime, *, order_ids: Sequence[int] = (), client_ids: Sequence[int] = ()) -> list[CancelResult]:
        """Cancel by id (client ids count only where there are no order ids); one result each, in order."""
        by_id = [self._try_cancel(user, now, order_id, None) for order_id in order_ids]
        return by_id or [self._try_cancel(user, now, None, client_id) for client_id in client_ids]

    def cancel_all(self, user: int, now: datetime, *, underlying: str | None = None, symbol: str | None = None) -> list[int]:
        """Cancel every open order of an underlying, of an option, or of the account; return their ids."""
        account, now = self._enter(user), self._at(now)
        for book in {order.book.symbol: order.book for order in account.open.values()}.values():
            self.liquidity.look(book, now)
        chosen = [
            order
            for order in account.open.values()
            if (underlying is None or order.book.underlying == underlying) and (symbol is None or order.book.symbol == symbol)
        ]
        self._cancel_each(chosen, now)
        return [order.id for order in chosen]

    # ---- time

    def advance(self, now: datetime) -> None:
        """Bring every book with a stake in it to now, then expire, settle, guard margins and end slow cancels."""
        now = self.advanced = self._at(now)
        self.liquidity.forget_idle()
        for _, book in sorted(self.liquidity.active.items()):
            self.liquidity.look(book, now)
            if now >= book.expiry and not book.expired:
                expire(self.matching, book)
            if book.expired:
                self._settle(book, now)
        self._end_cancels(now)
        if self.board.active:
            self.board.expire(now)
            if self.makers is not None:
                self.makers.answer(now)
        for account in list(self.accounts.values()):
            if (account.initial or account.cash < 0) and account.user not in HOUSE_ACCOUNTS:
                guard(self.desk, account, now)

    # ---- what happened

    def drain_events(self) -> list[Event]:
        """Return what happened since the last call, oldest first."""
        return self.record.drain_events()

    def drain_changes(self) -> Changes:
        """Return every row touched since the last call."""
        return image.changes(self)

    def image(self) -> Image:
        """Return every row there is."""
        return image.whole(self)

    @classmethod
    def from_image(cls, feed: Feed, rules: Rules, rows: Image) -> "Engine":
        """Return an engine that goes on where the one that gave the rows stood."""
        engine = cls(feed, rules, rows.meta.now)
        engine.advanced = rows.meta.advanced
        image.load(engine, rows)
        return engine

    def snapshot(self) -> bytes:
        """Return every row there is, as JSON."""
        return image.encode(self.image())

    @classmethod
    def restore(cls, feed: Feed, rules: Rules, snapshot: bytes) -> "Engine":
        """Return an engine that goes on from a snapshot."""
        return cls.from_image(feed, rules, image.decode(snapshot))

    # ---- within

    def enter(self, user: int, now: datetime) -> tuple[Account, datetime]:
        """Return who gives a command and its moment; raise Refused 10568, or what a rehearsal wants."""
        return self._enter(user), self._at(now)

    def find(self, account: Account, order_id: int | None, client_id: int | None) -> Order:
        """Return an account's order by either id; raise Refused 10575 without one, 10584 if there is no such order."""
        if order_id is not None:
            order = account.orders.get(order_id)
        elif client_id is not None:
            order = account.by_client.get(client_id)
        else:
            raise refusal(10575)
        if order is None:
            raise refusal(10584)
        return order

    def _account(self, user: int) -> Account:
        account = self.accounts.get(user)
        if account is None or user in HOUSE_ACCOUNTS:
            raise refusal(10568)
        return account

    def _enter(self, user: int) -> Account:
        account = self._account(user)
        if self.faults and (fault := self.faults.get(user)) is not None and fault.refuse_next:
            raise refusal(fault.refuse_next.pop(0))
        return account

    def _at(self, now: datetime) -> datetime:
        if self.countdowns.settings:
            self.countdowns.elapse(now)
        self.now = max(self.now, now)
        return self.now

    def _check_maker(self, user: int, request: OrderRequest, now: datetime) -> None:
        """Refuse what a countdown or a protection bars; the venue has no code of its own for a frozen account, so 60008 says that too."""
        index = request.symbol.partition("-")[0]
        if self.countdowns.bars(user, index):
            raise refusal(10619)
        if request.mmp and self.protections.bars(user, index, now):
            raise refusal(60008)

    def _lapse(self, user: int, index: str, at: datetime) -> None:
        """Cancel a user's orders of an index as of the moment its countdown ended; what filled before that stays filled."""
        at = self.now = max(self.now, at)
        mine = [order for order in self.accounts[user].open.values() if f"{order.book.underlying}USD" == index]
        for book in {order.book.symbol: order.book for order in mine}.values():
            self.liquidity.look(book, at)
        self._cancel_each(mine, at)

    def _pull(self, user: int, underlying: str, at: datetime) -> None:
        """Cancel a user's protected orders of an underlying where they stand; books are not looked at, a match is going on in one."""
        opened = self.accounts[user].open.values()
        self._cancel_each([order for order in opened if order.asked.mmp and order.book.underlying == underlying], at)

    def _cancel_each(self, orders: Iterable[Order], now: datetime) -> None:
        for order in orders:
            if not order.final:
                self._cancel(order, now)

    def _move(self, user: int, amount: int) -> None:
        for number, moved in ((user, amount), (BANK, -amount)):
            account = self.accounts[number]
            account.cash += moved
            self.record.accounts[number] = account

    def _settle(self, book: Book, now: datetime) -> None:
        price = self.feed.settlement(book.underlying, book.expiry)
        if price is None:
            return
        index = self.feed.index(book.underlying, book.expiry).price
        rows = settle(self.matching, book, price, index, now)
        self.exercises += rows
        if self.record.on:
            self.record.exercises += rows

    def _try_cancel(self, user: int, now: datetime, order_id: int | None, client_id: int | None) -> CancelResult:
        refused = None
        try:
            order_id = self.cancel(user, now, order_id=order_id, client_id=client_id)
        except Refused as why:
            refused = why
        return CancelResult(order_id=order_id, client_id=client_id, refused=refused)

    def _cancel(self, order: Order, now: datetime) -> None:
        if order.state is OrderState.FILLED:
            raise refusal(11102)
        if order.final:
            raise refusal(11101)
        if order.cancel_due is not None:
            return
        fault = self.faults.get(order.account.user)
        if fault is None or (fault.cancel_takes is None and fault.stuck_in is None):
            self._end(order, now)
            return
        takes = timedelta(0) if fault.cancel_takes is None else fault.cancel_takes
        order.state, order.updated = OrderState.PRE_CANCEL, now
        order.cancel_at, order.cancel_due = now + takes / 2, now + takes
        self.slow_cancels[order.id] = order
        self.record.order(order)

    def _end(self, order: Order, now: datetime) -> None:
        fault = self.faults.get(order.account.user)
        if fault is not None and fault.fill_while_cancelling:
            self.matching.fill(order, now)
        else:
            self.matching.finish(order, OrderState.CANCELED, now)

    def _end_cancels(self, now: datetime) -> None:
        for order in list(self.slow_cancels.values()):
            due, half = order.cancel_due, order.cancel_at
            fault = self.faults.get(order.account.user)
            stuck = None if fault is None else fault.stuck_in
            if order.final or due is None or half is None:
                del self.slow_cancels[order.id]
            elif stuck is OrderState.PRE_CANCEL:
                continue
            elif now >= due and stuck is None:
                del self.slow_cancels[order.id]
                self._end(order, now)
            elif now >= half and order.state is OrderState.PRE_CANCEL:
                order.state, order.updated = OrderState.CANCELING, now
                self.record.order(order)
