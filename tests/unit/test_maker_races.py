"""Lost replies, refusals, races and deaths: none of them makes the maker's books wrong or leaves it two quotes."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from domain import BlockPush, QuotePush, QuoteStatus, Side, TradingState
from domain.quoting import Width
from errors import ExchangeRejected, ExchangeUnavailable
from events import (
    BlockIntended,
    BlockQuoted,
    BlockQuoteEnded,
    BlockQuoteIntended,
    ExecutionStarted,
    LegFilled,
    OrderIntended,
    OrderRefused,
    OrderSettled,
    RFQSent,
    TradeCreated,
)
from trade_lifecycle import TradeState

from tests.unit.maker_house import MakerHouse
from tests.unit.maker_stories import PLAIN, a_house, all_well, ended, quoted
from tests.unit.maker_venue import CALL, HIGH, a_leg

# ---- lost replies, refusals, races


@pytest.mark.parametrize("when", ["before", "after"])
def test_l23_a_lost_reply_to_a_quote_is_never_followed_by_another_before_its_end_is_known(when: str) -> None:
    house = a_house()
    house.venue.lose_quote, house.venue.find_fails = when, 2
    house.tick(4)
    assert house.venue.asked["quote"] == 1
    assert house.alerts.about("quote unknown 1")
    house.until(lambda: ended(house), most=600 if when == "before" else 20)
    assert ended(house)[0][0] == ("absent" if when == "before" else "cancelled")
    quoted(house)
    all_well(house)


def test_a_quote_that_lands_late_is_found_and_taken_back() -> None:
    house = a_house()
    house.venue.lose_quote = "late"
    house.tick(20)
    assert house.executor.ledger.working(1, 0) == 1
    house.venue.land()
    house.until(lambda: ended(house), most=60)
    assert ended(house)[0][0] == "cancelled"
    all_well(house)


def test_a_quote_whose_reply_was_lost_counts_as_open_until_no_such_quote_could_be_taken_any_more() -> None:
    house = a_house()
    house.venue.lose_quote, house.venue.hide_quotes = "after", True
    house.tick(400)
    assert house.executor.ledger.working(1, 0) == 1
    assert not house.lifecycle.entries_allowed.ok
    house.until(lambda: ended(house), most=120)
    assert ended(house)[0][0] == "absent"


def test_a_lost_reply_to_a_quote_that_was_taken_is_a_trade() -> None:
    house = a_house()
    house.venue.lose_quote, house.venue.hide_quotes = "after", True
    house.tick(4)
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    assert house.trade.legs[0].held == -1
    all_well(house)


@pytest.mark.parametrize("shown", [True, False], ids=["its quote is shown", "only its block is"])
def test_l23_a_lost_reply_and_lists_that_fail_leave_a_quote_that_is_taken_meanwhile_an_open_trade(*, shown: bool) -> None:
    house = a_house()
    house.venue.lose_quote, house.venue.find_fails, house.venue.hide_quotes = "after", 6, not shown
    house.until(lambda: house.venue.quotes)
    block = house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN, most=120)
    [told] = house.journal.of(BlockQuoted)
    assert isinstance(told, BlockQuoted)
    assert (told.quote_id, ended(house)) == (block.quote_id, [("filled", "")])
    assert not house.alerts.about("journal")
    assert house.quotes.live == ()
    all_well(house)


def test_a_refused_quote_is_tried_again_a_few_times_and_then_given_up() -> None:
    house = a_house()
    for _ in range(3):
        house.venue.refuse_quote = ExchangeRejected("fake", "quote", "no", 50014)
        house.until(lambda: house.venue.refuse_quote is None)
    house.until(lambda: house.lifecycle.trades[0].state is TradeState.FAILED)
    assert [outcome for outcome, _ in ended(house)] == ["refused"] * 3
    all_well(house)


def test_a_quote_that_never_left_is_offered_again() -> None:
    house = a_house()
    house.venue.refuse_quote = ExchangeUnavailable("fake", "quote", "connection refused")
    quoted(house)
    assert house.venue.asked["quote"] == 2
    all_well(house)


@pytest.mark.parametrize("name", ["cancel_lost", "cancel_fails"])
def test_a_lost_reply_to_a_cancel_ends_nothing_until_the_venue_shows_it(name: str) -> None:
    house = quoted()
    setattr(house.venue, name, 1)
    house.venue.find_fails = 3
    house.state = TradingState.HALTED
    house.tick(2)
    assert house.executor.ledger.working(1, 0) == 1
    house.until(lambda: house.trade.state is TradeState.FAILED)
    assert house.standing == []
    all_well(house)


@pytest.mark.parametrize("taken", [False, True])
def test_l04_a_cancel_that_was_answered_with_yes_ends_nothing_until_the_venue_shows_it(*, taken: bool) -> None:
    house = quoted()
    house.venue.slow_cancel = True
    house.state = TradingState.HALTED
    house.tick(2)
    assert len(house.standing) == 1
    assert house.executor.ledger.working(1, 0) == 1
    if taken:
        house.venue.take()
    house.until(lambda: house.trade.state is (TradeState.OPEN if taken else TradeState.FAILED))
    all_well(house)


def test_a_taker_who_is_faster_than_our_cancel_has_traded() -> None:
    house = quoted()
    house.venue.take_in_cancel = True
    house.state = TradingState.HALTED
    house.until(lambda: house.trade.state is TradeState.OPEN)
    assert house.trade.legs[0].held == -1
    assert ended(house) == [("filled", "")]
    all_well(house)


def test_a_taker_who_is_faster_than_a_person_leaves_a_trade_that_is_closed_with_orders() -> None:
    house = quoted()
    house.venue.take_in_cancel = True
    house.lifecycle.force_close(1, "a person says so", urgent=True)
    house.until(lambda: house.trade.state is TradeState.CLOSING)
    assert house.trade.legs[0].held == -1
    house.until(lambda: house.account.received)
    assert house.account.received[0].reduce_only
    all_well(house)


def test_a_block_that_the_lists_do_not_show_yet_is_waited_for() -> None:
    house = quoted()
    house.venue.hide_blocks = True
    house.venue.take()
    house.tick(60)
    assert house.executor.ledger.working(1, 0) == 1
    assert house.trade.legs[0].opened == 0
    assert house.alerts.about("quote unknown 1")
    house.venue.hide_blocks = False
    house.until(lambda: house.trade.state is TradeState.OPEN)
    all_well(house)


def test_a_quote_that_vanishes_from_the_lists_is_not_over() -> None:
    house = quoted()
    house.venue.hide_quotes = True
    house.tick(60)
    assert house.executor.ledger.working(1, 0) == 1
    house.venue.hide_quotes = False
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    all_well(house)


def test_news_of_a_quote_is_asked_about_before_it_is_believed() -> None:
    house = quoted()
    [quote] = house.standing
    liar = replace(quote, status=QuoteStatus.FILLED)
    for _ in range(2):
        house.maker.news(QuotePush(quote=liar, own=True, at=house.clock.now()))
    house.tick(5)
    assert house.trade.legs[0].opened == 0
    block = house.venue.take()
    for _ in range(2):
        house.maker.news(BlockPush(block=block, as_maker=True, at=house.clock.now()))
        house.maker.news(QuotePush(quote=liar, own=True, at=house.clock.now()))
    house.tick()
    assert house.trade.state is TradeState.OPEN
    all_well(house)


def test_a_quote_that_the_venue_took_at_another_price_is_taken_back() -> None:
    house = a_house(width=Width(vol_points=0.52, per_coin=Decimal(1), size_add_pct=0))
    house.venue.cut = True
    house.until(lambda: ended(house))
    assert house.alerts.about("quote altered 1")
    assert ended(house)[0][0] == "cancelled"


def test_a_block_with_other_legs_calls_a_person_and_is_not_swallowed() -> None:
    house = quoted()
    block = house.venue.take()
    assert block.fills is not None
    house.venue.blocks["r1"] = replace(block, fills=tuple(replace(fill, price=Decimal(5)) for fill in block.fills))
    house.until(lambda: house.alerts.about("block mismatch 1"))
    assert house.trade.legs[0].held == -1


# ---- death


MOMENTS: dict[str, Callable[[MakerHouse], object]] = {
    "the trade is created": lambda house: house.journal.of(TradeCreated),
    "its execution has begun": lambda house: house.journal.of(ExecutionStarted),
    "the quote is about to be made": lambda house: house.journal.of(BlockQuoteIntended),
    "its orders are journalled": lambda house: house.journal.of(OrderIntended),
    "the quote stands": lambda house: house.journal.of(BlockQuoted),
}


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
def test_l28_a_death_at_any_moment_leaves_one_quote_at_most_and_the_books_right(moment: str, *, taken: bool) -> None:
    house = a_house()
    reached: list[int] = []
    append = house.journal.append

    def watch(*events: object) -> None:
        append(*events)  # type: ignore[arg-type]
        if not reached and MOMENTS[moment](house):
            reached.append(len(house.journal.events))

    house.journal.append = watch  # type: ignore[method-assign]
    house.until(lambda: house.standing)
    house.journal.append = append  # type: ignore[method-assign]
    del house.journal.events[reached[0] :]  # all that was written later was not
    if taken and moment not in ("the trade is created", "its execution has begun", "the quote is about to be made"):
        house.venue.take()
    elif moment in ("the trade is created", "its execution has begun", "the quote is about to be made"):
        house.venue.quotes.clear()  # nothing is sent before its orders are written
    lived = house.restart().tick(40)
    first = lived.lifecycle.trades[0]
    assert first.state is (TradeState.OPEN if house.venue.blocks else TradeState.FAILED)
    assert len(lived.standing) <= 1
    all_well(lived)


def test_a_maker_that_is_not_declared_any_more_still_has_its_quotes_taken_back_and_never_asks_others() -> None:
    house = quoted()
    lived = MakerHouse(before=house).tick(40)
    assert lived.standing == []
    assert lived.trade.state is TradeState.FAILED
    assert lived.journal.of(RFQSent, BlockIntended) == []
    all_well(lived)


def test_a_quote_of_an_earlier_life_is_taken_back_whatever_becomes_of_its_trade() -> None:
    lived = quoted().restart()
    for _ in range(3):
        lived.quotes.step(lived.clock.now())
        lived.inbox.drain()
    assert lived.standing == []
    assert ended(lived) == [("cancelled", "an earlier life of the program made it")]


def test_a_request_that_a_quote_of_an_earlier_life_filled_is_not_answered_again() -> None:
    house = quoted()
    house.venue.take_in_cancel = True
    lived = house.restart()
    stale = house.venue.board["r1"]
    lived.maker.news(stale)
    lived.tick(10)
    assert [trade.state for trade in lived.lifecycle.trades] == [TradeState.OPEN]
    all_well(lived)


def test_an_offer_on_a_request_that_an_older_quote_of_ours_has_filled_is_surely_not_taken() -> None:
    house = quoted()
    house.venue.take_in_cancel = True
    lived = house.restart()
    lived.quotes.on_taken = lambda _request_id: None  # as if the news of it came too late
    lived.maker.news(house.venue.board["r1"])
    lived.venue.lose_quote = "before"
    lived.until(lambda: len(lived.lifecycle.trades) == 2)
    lived.venue.lose_quote = "before"
    lived.until(lambda: lived.lifecycle.trades[1].state is TradeState.FAILED)
    assert lived.lifecycle.trades[0].state is TradeState.OPEN
    all_well(lived)


def test_an_older_quote_of_an_earlier_life_is_not_taken_for_one_whose_answer_was_lost() -> None:
    house = quoted()
    house.market.stale = True
    house.until(lambda: ended(house))
    house.market.stale = False
    lived = house.restart()
    lived.venue.lose_quote = "after"
    lived.venue.find_fails = 3
    lived.until(lambda: lived.venue.asked["quote"] == 2)
    lived.venue.take()
    lived.until(lambda: lived.trade.state is TradeState.OPEN)
    all_well(lived)


def test_a_death_while_a_quote_is_being_taken_back_takes_it_back() -> None:
    house = quoted()
    house.venue.cancel_fails = 1
    house.state = TradingState.HALTED
    house.tick(2)
    lived = house.restart()
    lived.state = TradingState.HALTED
    lived.until(lambda: lived.trade.state is TradeState.FAILED)
    assert lived.standing == []
    all_well(lived)


def test_a_death_between_the_fills_of_a_block_books_the_rest_once() -> None:
    house = MakerHouse(PLAIN)
    house.venue.ask(a_leg(CALL), a_leg(HIGH, Side.SELL))
    quoted(house)
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    second = [n for n, event in enumerate(house.journal.events) if isinstance(event, LegFilled)][1]
    del house.journal.events[second:]
    lived = house.restart().tick(10)
    assert len(lived.journal.of(LegFilled)) == 2
    assert lived.trade.state is TradeState.OPEN
    all_well(lived)


@pytest.mark.parametrize("kind", [BlockQuoted, BlockQuoteEnded, OrderRefused, OrderSettled, LegFilled])
def test_a_full_disk_loses_nothing(kind: type) -> None:
    house = quoted()
    house.journal.fail_on = (kind,)
    house.tick(3)
    house.venue.take() if kind in (OrderSettled, LegFilled) else setattr(house, "state", TradingState.HALTED)
    house.tick(10)
    house.journal.fail_on = ()
    over = TradeState.OPEN if kind in (OrderSettled, LegFilled) else TradeState.FAILED
    house.until(lambda: house.trade.state is over)
    all_well(house)
