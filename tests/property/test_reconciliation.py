"""Reconciliation against a venue that hides, delays and flaps what it tells, on an account that others trade too, through restarts.

Whatever happens, nothing of others' is ever cancelled or traded; and once the venue tells everything again, our books hold what is
ours there, every order in our name is managed or gone, and what is left over is named as others'.
"""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import ZERO, Difference, NewOrder, Purpose
from errors import InvalidTransition, JournalError
from rounds import Rhythm
from trade_lifecycle import TradeState

from tests.fakes import a_name, an_option, an_order, books_hold, venue_holds
from tests.unit.reconciling import SharedHouse

SYMBOL = an_option().symbol
RHYTHM = Rhythm(interval=timedelta(seconds=20), overlap=timedelta(hours=3))  # no story hides anything for longer


class Story:
    """A house that may be restarted, and what others hold on its account by their own doing."""

    def __init__(self) -> None:
        self.house = SharedHouse(rhythm=RHYTHM)
        self.house.show()
        self.others = ZERO
        self.strays = 0
        self.others_sent: list[NewOrder] = []
        self.fills = 0
        self.restarts = 0

    # ---- what happens

    def create(self, which: int) -> None:
        """Begin a trade."""
        if len(self.house.manager.trades) < 3 and self.house.manager.entries_allowed:
            with contextlib.suppress(JournalError):
                self.house.create()

    def fill(self, which: int) -> None:
        """Fill a part of what rests."""
        names = [name for name, order in self.house.venue.orders.items() if not order.status.final and name.trade < 50]
        if names:
            self.house.venue.execute(names[which % len(names)], Decimal(1 + which % 9) / 10)

    def close(self, which: int) -> None:
        """Let a person close everything."""
        for trade in self.house.manager.active:
            with contextlib.suppress(JournalError, InvalidTransition):
                self.house.manager.force_close(trade.number, "a person")

    def late(self, which: int) -> None:
        """Let an order that is over turn out to have filled a little more."""
        over = [n for n, o in self.house.venue.orders.items() if o.status.final and o.order_id and n.trade < 50]
        if over and self.fills < 2:
            self.fills += 1
            self.house.shared.late_fill(over[which % len(over)], "0.1", f"late{self.fills}")

    def stray(self, which: int) -> None:
        """Let an order of a life that the journal has lost rest at the venue."""
        if self.strays < 2:
            self.strays += 1
            with contextlib.suppress(Exception):
                stray = an_order(a_name(trade=50 + self.strays), price="500")
                self.others_sent.append(stray)
                self.house.shared.submit(stray)

    def others_order(self, which: int) -> None:
        """Let somebody else, or another installation, rest an order."""
        self.house.shared.others_order(f"o{which % 3}", desk=8 if which % 2 else None)

    def others_trade(self, which: int) -> None:
        """Let somebody else sell."""
        self.others -= 1
        self.house.shared.others_hold("-1")

    def reads(self, which: int) -> None:
        """Let a read fail, or all of them, or none."""
        self.house.shared.fail_reads = [set(), {"open_orders"}, {"fills"}, {"open_orders", "fills"}][which % 4]

    def lag(self, which: int) -> None:
        """Let one list stand still, or go on."""
        lags = (self.house.venue.lag_orders, self.house.venue.lag_trades, self.house.venue.lag_position)
        lags[which % 3](on=which % 2 == 0)

    def flap(self, which: int) -> None:
        """List everything and nothing by turns, or stop doing so."""
        self.house.shared.flapping = which % 2 == 0

    def writes(self, which: int) -> None:
        """Let writes fail, or stop doing so."""
        self.house.venue.writes_fail = which % 2 == 0

    def journal(self, which: int) -> None:
        """Let the next writes to the journal fail."""
        self.house.journal.fail_next = 1 + which % 3

    def restart(self, which: int) -> None:
        """Die, and come back."""
        if self.restarts == 2:
            return
        self.restarts += 1
        self.house.journal.fail_next = 0
        self.house.clock.advance(timedelta(minutes=which))
        self.house = self.house.restart()
        self.house.manager.bind("test", ())

    def wait(self, which: int) -> None:
        """Let time pass."""
        self.house.tick(5, every=timedelta(seconds=1 + which))

    # ---- what must hold

    def laws(self) -> None:
        """Whatever is hidden: nobody else's orders are touched, and nothing is sent twice."""
        assert all(name.desk == 7 for name in self.house.venue.cancels)
        names = [order.client_id for order in self.house.venue.received if not any(order is stray for stray in self.others_sent)]
        assert len(names) == len(set(names))
        for trade in self.house.manager.trades:
            opened = self.house.venue.executed(trade.number, 0, Purpose.OPEN)
            assert trade.legs[0].opened <= opened + Decimal("0.2"), "a fill that nobody made"  # two late ones at most

    def good_rounds(self) -> None:
        """Let the venue tell everything, for long."""
        shared = self.house.shared
        shared.heal()
        shared.fail_reads, shared.flapping, self.house.journal.fail_next = set(), False, 0
        self.house.tick(240)


ACTS: dict[str, Callable[[Story, int], None]] = {
    act.__name__: act
    for act in (
        Story.create,
        Story.fill,
        Story.close,
        Story.late,
        Story.stray,
        Story.others_order,
        Story.others_trade,
        Story.reads,
        Story.lag,
        Story.flap,
        Story.writes,
        Story.journal,
        Story.restart,
        Story.wait,
    )
}
STEPS = st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 20), st.integers(0, 3)), min_size=4, max_size=40)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_whatever_a_venue_hides_books_and_venue_agree_after_good_rounds_and_others_are_never_touched(
    steps: list[tuple[str, int, int]],
) -> None:
    story = Story()
    for name, which, ticks in steps:
        ACTS[name](story, which)
        story.house.tick(ticks)
        story.laws()
    story.good_rounds()
    story.laws()
    house = story.house
    held, ours = venue_holds(house.venue).get(SYMBOL, ZERO), books_hold(house.manager.trades).get(SYMBOL, ZERO)
    busy = bool(house.executor.ledger.live())
    short = any(trade.state is TradeState.QUARANTINED for trade in house.manager.active)
    assert ours == held - story.others, f"our books hold {ours}, the venue {held} of which {story.others} are others'"
    listed = [report for report in house.venue.open_orders() if report.client_id is not None and report.client_id.desk == 7]
    assert all((known := house.executor.ledger.get(r.client_id)) is not None and known.live for r in listed if r.client_id is not None)
    assert house.reconciler.compared_at is not None
    kinds = set(house.standing())
    assert not kinds & {Difference.FILL_MISSED, Difference.ORDER_UNKNOWN, Difference.ORDER_LOST}
    assert (Difference.ORDER_OF_OTHERS in kinds) is bool(house.shared.foreign)
    if not busy and not short:
        assert dict(house.reconciler.others) == ({SYMBOL: story.others} if story.others != 0 else {})
