"""Execution quality against numbers worked out by hand, and the laws that every number keeps whatever was traded."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ExecutionMode, OrderType, Purpose, Remedy, Side
from events import AnyEvent, CloseNotified, LegFilled, LeggingBreached, LegPlan, LegsApart
from execution_quality import ExecutionQuality, ModeCost, QualityBook, estimate, mean_shortfall_by_mode, sentence, structure_name, totals_by
from execution_quality.totals import student_t

from tests.unit.execution_stories import (
    APRIL,
    NOON,
    a_birth,
    a_fill,
    a_leg,
    a_look_back,
    a_picture,
    a_quote,
    a_start,
    an_acceptance,
    an_end,
    an_execution,
    an_order,
)

D = Decimal
M = ExecutionMode


def of(*values: object) -> tuple[object, ...]:
    """Return numbers side by side, to be compared with plain ones."""
    return values


def measured(*events: AnyEvent) -> ExecutionQuality:
    [quality] = QualityBook(events).all()
    return quality


def a_whole(
    legs: Sequence[LegPlan], books: Sequence[tuple[str | None, str | None]], prices: Sequence[str], fee: str = "0"
) -> ExecutionQuality:
    return measured(a_birth(legs), *an_execution(legs, books, prices, fee=fee))


# ---- worked out by hand


def test_two_coins_bought_at_101_between_98_and_102_cost_2_beyond_mid_and_captured_half_the_spread() -> None:
    q = a_whole([a_leg("+C50000", "2")], [("98", "102")], ["101"], fee="0.5")

    assert of(q.arrival_mid, q.executable, q.paid, q.fees) == (200, 204, 202, D("0.5"))
    assert of(q.shortfall, q.shortfall_with_fees, q.shortfall_pct, q.shortfall_bps) == (2, D("2.5"), 1, D("0.2"))  # of 200, of 100,000
    assert of(q.half_spread, q.saving, q.spread_captured) == (4, 2, D("0.5"))


def test_two_coins_sold_at_99_between_98_and_102_are_received_and_cost_the_same_2() -> None:
    q = a_whole([a_leg("-C50000", "2")], [("98", "102")], ["99"])

    assert of(q.arrival_mid, q.executable, q.paid) == (-200, -196, -198)
    assert of(q.shortfall, q.half_spread, q.saving, q.spread_captured) == (2, 4, 2, D("0.5"))


def test_a_debit_spread_is_paid_for_and_each_leg_is_held_against_its_own_mid() -> None:
    q = a_whole([a_leg("+C50000"), a_leg("-C52000")], [("9", "11"), ("3.5", "4.5")], ["10.5", "3.75"])

    assert of(q.structure, q.arrival_mid, q.executable, q.paid) == ("vertical", 6, D("7.5"), D("6.75"))
    assert (q.shortfall, q.half_spread, q.saving, q.spread_captured) == (D("0.75"), D("1.5"), D("0.75"), D("0.5"))
    assert q.arrival_premium == 14  # bought and sold both count up
    assert q.shortfall_pct == D("0.75") / 14 * 100
    assert q.shortfall_bps == D("0.075")  # of 2 x 50,000


def test_the_example_of_the_document_a_minute_later_and_half_filled() -> None:
    legs = [a_leg("+C50000"), a_leg("-C52000")]
    whole = an_execution(legs, [("9", "11"), ("3.5", "4.5")], ["10.5", "3.75"], fee="0.2")
    half = [event for event in whole if not (isinstance(event, LegFilled) and event.leg == 1)]

    q, part = measured(a_birth(legs), *whole, a_look_back(["9", "3.6"])), measured(a_birth(legs), *half)

    assert q.shortfall_with_fees == D("1.15")
    assert [(look.adverse, look.shortfall) for look in q.after] == [(D("0.6"), D("1.35"))]
    assert of(part.paid, part.arrival_filled, part.shortfall, part.arrival_mid) == (D("10.5"), 10, D("0.5"), 6)


def test_a_credit_is_negative_and_a_fill_better_than_mid_is_a_negative_shortfall() -> None:
    condor = [a_leg("-P48000"), a_leg("-C52000"), a_leg("+P46000"), a_leg("+C54000")]
    books = [("90", "110"), ("90", "110"), ("40", "44"), ("40", "44")]

    q = a_whole(condor, books, ["102", "99", "42", "42"])

    assert of(q.structure, q.arrival_mid, q.executable, q.paid) == ("iron condor", -116, -92, -117)
    assert of(q.shortfall, q.half_spread, q.saving) == (-1, 24, 25)
    assert q.spread_captured == D(25) / 24  # more than all of it


def test_a_butterfly_counts_each_leg_with_its_own_coins() -> None:
    legs = [a_leg("+C48000", "0.2"), a_leg("-C50000", "0.4"), a_leg("+C52000", "0.2")]

    q = a_whole(legs, [("2400", "2440"), ("1200", "1220"), ("500", "510")], ["2440", "1200", "510"])

    assert q.structure == "butterfly"
    assert (q.arrival_mid, q.executable, q.paid) == (D("101"), D("110"), D("110"))  # 484 - 484 + 101; 488 - 480 + 102
    assert of(q.shortfall, q.half_spread, q.saving, q.spread_captured) == (9, 9, 0, 0)


def test_taking_beyond_the_touch_captures_less_than_nothing() -> None:
    q = a_whole([a_leg("+C50000")], [("98", "102")], ["104"])

    assert of(q.shortfall, q.saving, q.spread_captured) == (4, -2, -1)


def test_a_close_trades_the_other_way_round() -> None:
    legs = [a_leg("+C50000")]

    q = measured(a_birth(legs), *an_execution(legs, [("98", "102")], ["98"], purpose=Purpose.CLOSE))

    assert of(q.purpose, q.arrival_mid, q.paid, q.shortfall, q.spread_captured) == (Purpose.CLOSE, -100, -98, 2, 0)


# ---- partial fills and missing numbers


def test_of_a_part_only_the_filled_coins_are_compared() -> None:
    leg = a_leg("+C50000", "4")

    q = measured(a_birth([leg]), a_start([a_picture(0, leg, "98", "102")]), a_fill(0, leg, "101", "1"), an_end(success=False))

    assert of(q.filled_share, q.arrival_mid, q.executable) == (D("0.25"), 400, 408)
    assert of(q.arrival_filled, q.executable_filled, q.paid, q.shortfall, q.saving, q.spread_captured) == (100, 102, 101, 1, 1, D("0.5"))
    assert (q.success, q.outcome) == (False, "given up")


def test_nothing_filled_is_not_a_cost_of_zero() -> None:
    leg = a_leg("+C50000")

    q = measured(a_birth([leg]), a_start([a_picture(0, leg, "98", "102")]), an_end(success=False))

    assert of(q.paid, q.fees, q.filled_share, q.arrival_mid) == (0, 0, 0, 100)
    for number in (q.shortfall, q.shortfall_pct, q.shortfall_bps, q.saving, q.spread_captured, q.delay, q.to_first_fill, q.to_last_fill):
        assert number is None
    assert q.missing == ("nothing filled",)


def test_a_leg_without_a_bid_leaves_mid_and_shortfall_unknown_and_the_saving_known() -> None:
    legs = [a_leg("+C50000"), a_leg("+C60000")]

    q = a_whole(legs, [("98", "102"), (None, "1")], ["101", "0.5"])

    assert (q.arrival_mid, q.shortfall, q.shortfall_pct, q.shortfall_bps, q.spread_captured) == (None, None, None, None, None)
    assert of(q.executable, q.paid, q.saving) == (103, D("101.5"), D("1.5"))
    assert q.missing == ("BTCUSD-28MAR26-60000-C: no mid at the decision",)


def test_an_unfilled_leg_without_a_price_does_not_hide_what_the_filled_ones_cost() -> None:
    legs = [a_leg("+C50000"), a_leg("-C60000")]
    pictures = [a_picture(0, legs[0], "98", "102"), a_picture(1, legs[1], None, None)]

    q = measured(a_birth(legs), a_start(pictures), a_fill(0, legs[0], "101"), an_end(success=False))

    assert of(q.arrival_mid, q.executable, q.shortfall, q.saving) == (None, None, 1, 1)


def test_a_zero_bid_is_a_price() -> None:
    q = a_whole([a_leg("-C90000")], [("0", "2")], ["0"])

    assert of(q.arrival_mid, q.executable, q.paid, q.shortfall, q.spread_captured) == (-1, 0, 0, 1, 0)


def test_without_an_index_only_the_basis_points_are_unknown() -> None:
    leg = a_leg("+C50000")

    q = measured(a_birth([leg]), a_start([a_picture(0, leg, "98", "102", index_price=None)]), a_fill(0, leg, "101"), an_end())

    assert of(q.shortfall, q.notional, q.shortfall_bps) == (1, None, None)
    assert q.missing == ("BTCUSD-28MAR26-50000-C: no index at the decision",)


def test_a_locked_book_has_no_half_spread_to_capture() -> None:
    q = a_whole([a_leg("+C50000")], [("100", "100")], ["100"])

    assert of(q.shortfall, q.half_spread, q.spread_captured) == (0, 0, None)


def test_a_fill_that_the_execution_did_not_want_is_paid_for_and_makes_its_cost_unknown() -> None:
    legs = [a_leg("+C50000"), a_leg("+C60000")]

    q = measured(a_birth(legs), a_start([a_picture(0, legs[0], "98", "102")]), a_fill(0, legs[0], "101"), a_fill(1, legs[1], "7"), an_end())

    assert of(q.paid, q.filled_share, q.shortfall) == (108, 1, None)
    assert q.missing == ("BTCUSD-28MAR26-60000-C: filled, and not wanted here",)


# ---- times, orders, quotes, the market afterwards


def test_times_run_from_the_decision_to_the_venues_time_of_the_fills() -> None:
    leg = a_leg("+C50000", "2")

    q = measured(
        a_birth([leg]),
        a_start([a_picture(0, leg, "98", "102")], at=10),
        a_fill(0, leg, "101", "1", at=14),
        a_fill(0, leg, "101", "1", at=31.5),
        an_end(),
    )

    assert (q.to_first_fill, q.to_last_fill) == (timedelta(seconds=4), timedelta(seconds=21.5))


def test_requotes_are_the_orders_beyond_the_first_of_each_leg_and_a_block_is_none() -> None:
    legs = [a_leg("+C50000"), a_leg("+P50000")]
    pictures = [a_picture(index, leg, "98", "102") for index, leg in enumerate(legs)]
    blocks = [an_order(index, leg, 9, kind=OrderType.BLOCK_TRADE) for index, leg in enumerate(legs)]

    q = measured(
        a_birth(legs),
        a_start(pictures),
        *(an_order(0, legs[0], attempt) for attempt in (1, 2, 3)),
        an_order(1, legs[1]),
        *blocks,
        an_acceptance([block.order for block in blocks]),
    )

    assert (q.orders, q.requotes, q.blocks, q.success) == (4, 2, 1, None)


def test_a_quote_counts_once_and_only_one_that_trades_what_is_wanted_is_the_best() -> None:
    legs = [a_leg("-C52000"), a_leg("-P48000")]
    pictures = [a_picture(index, leg, "98", "102") for index, leg in enumerate(legs)]

    q = measured(
        a_birth(legs),
        a_start(pictures, mode=M.RFQ),
        a_quote("a", legs, "-195"),
        a_quote("a", legs, "-195"),
        a_quote("b", legs, "-198"),
        a_quote("c", legs, "-205", we_trade_as_wanted=False),  # what the maker asks if we wanted the opposite
    )

    assert of(q.quotes, q.best_quote) == (3, -198)


def test_the_best_of_no_fitting_quote_is_not_zero() -> None:
    legs = [a_leg("+C50000")]

    q = measured(
        a_birth(legs), a_start([a_picture(0, legs[0], "98", "102")]), a_quote("a", legs, "-90", we_trade_as_wanted=False), an_end()
    )

    assert (q.quotes, q.best_quote) == (1, None)


@pytest.mark.parametrize(("way", "later", "adverse", "beyond"), [("+", "95", 5, 6), ("-", "95", -5, -4), ("+", "103", -3, -2)])
def test_the_market_going_down_after_a_purchase_is_adverse_and_after_a_sale_is_not(way: str, later: str, adverse: int, beyond: int) -> None:
    legs = [a_leg(f"{way}C50000")]
    price = "101" if way == "+" else "99"

    q = measured(a_birth(legs), *an_execution(legs, [("98", "102")], [price]), a_look_back([later]))

    [look] = q.after
    assert of(look.seconds, look.adverse, look.shortfall) == (60, adverse, beyond)
    assert q.shortfall is not None
    assert look.shortfall == q.shortfall + adverse


def test_a_mid_that_is_missing_afterwards_leaves_the_move_unknown() -> None:
    legs = [a_leg("+C50000"), a_leg("-C52000")]

    q = measured(a_birth(legs), *an_execution(legs, [("98", "102"), ("48", "52")], ["101", "50"]), a_look_back(["99", None]))

    assert [(look.adverse, look.shortfall) for look in q.after] == [(None, None)]


def test_the_remedies_taken_are_told() -> None:
    legs = [a_leg("+C50000")]
    apart = LegsApart(at=NOON, trade=1, run=1, purpose=Purpose.OPEN)
    breach = LeggingBreached(at=NOON, trade=1, run=1, purpose=Purpose.OPEN, remedy=Remedy.CROSS, reason="too long")

    q = measured(a_birth(legs), *an_execution(legs, [("98", "102")], ["101"]), apart, breach)

    assert q.remedies == (Remedy.CROSS,)


# ---- several executions of a trade


def test_a_fallback_is_measured_at_its_own_decision_and_its_delay_at_the_first() -> None:
    legs = [a_leg("+C50000")]
    asked: list[AnyEvent] = [a_start([a_picture(0, legs[0], "98", "102")], mode=M.RFQ), an_end(success=False)]
    chased = an_execution(legs, [("103", "107")], ["106"], run=2, at=60)

    first, second = QualityBook([a_birth(legs), *asked, *chased]).all()

    assert (first.delay, first.shortfall) == (None, None)  # it filled nothing
    assert of(second.shortfall, second.delay) == (1, 5)  # 106 - 105; 105 - 100


def test_the_first_execution_has_no_delay_and_a_close_is_a_decision_of_its_own() -> None:
    legs = [a_leg("+C50000")]

    opened, closed = QualityBook(
        [
            a_birth(legs),
            *an_execution(legs, [("98", "102")], ["101"]),
            *an_execution(legs, [("198", "202")], ["199"], run=2, purpose=Purpose.CLOSE, at=600),
        ]
    ).all()

    assert of(opened.delay, closed.delay, closed.shortfall) == (0, 0, 1)


def test_a_late_fill_belongs_to_the_execution_that_sent_its_order() -> None:
    leg = a_leg("+C50000", "2")
    first: list[AnyEvent] = [a_start([a_picture(0, leg, "98", "102")]), an_order(0, leg, 1), an_end(success=False)]
    second: list[AnyEvent] = [a_start([a_picture(0, leg, "103", "107")], run=2), an_order(0, leg, 2)]
    late, own = a_fill(0, leg, "100", "1", attempt=1, at=70), a_fill(0, leg, "105", "1", attempt=2, at=80)

    before, after = QualityBook([a_birth([leg]), *first, *second, late, own]).all()

    assert of(before.paid, after.paid) == (100, 105)


def test_the_fills_of_a_block_belong_to_the_execution_that_accepted_it() -> None:
    leg = a_leg("+C50000")
    block = an_order(0, leg, kind=OrderType.BLOCK_TRADE)
    events: list[AnyEvent] = [a_start([a_picture(0, leg, "98", "102")], mode=M.RFQ), an_acceptance([block.order]), block, an_end()]

    first, second = QualityBook([a_birth([leg]), *events, a_start([a_picture(0, leg, "98", "102")], run=2), a_fill(0, leg, "100")]).all()

    assert of(first.paid, first.orders, second.paid) == (100, 0, 0)


def test_the_same_fill_twice_is_one_fill() -> None:
    leg = a_leg("+C50000")
    fill = a_fill(0, leg, "101")

    q = measured(a_birth([leg]), a_start([a_picture(0, leg, "98", "102")]), fill, fill)

    assert of(q.filled, q.paid) == (1, 101)


def test_a_fill_and_a_look_back_after_the_trades_end_are_still_counted() -> None:
    leg = a_leg("+C50000", "2")
    ended: list[AnyEvent] = [a_start([a_picture(0, leg, "98", "102")]), an_order(0, leg), a_fill(0, leg, "101", "1"), an_end()]

    q = measured(a_birth([leg]), *ended, CloseNotified(at=NOON, trade=1), a_fill(0, leg, "101", "1", at=500), a_look_back(["95"]))

    assert of(q.filled, q.paid, [look.adverse for look in q.after]) == (2, 202, [10])


def test_what_belongs_to_no_known_trade_or_to_no_execution_is_passed_over() -> None:
    leg = a_leg("+C50000")
    strangers: list[AnyEvent] = [
        *an_execution([leg], [("98", "102")], ["101"], trade=7),
        a_birth([leg]),
        an_order(0, leg),
        a_fill(0, leg, "101"),
        an_end(run=4),
    ]

    book = QualityBook(strangers)

    assert (book.all(), book.of(1), book.of(7), book.last(1), book.last(7)) == ((), (), (), None, None)
    assert (book.structure(1), book.structure(7)) == ("single", None)


# ---- laws

price = st.decimals(min_value="0.1", max_value="5000", places=1)
coins = st.decimals(min_value="0.01", max_value="20", places=2)


@st.composite
def structures(draw: st.DrawFn) -> tuple[list[LegPlan], list[tuple[str, str]]]:
    """Draw one to six legs of any direction and size with two-sided books."""
    count = draw(st.integers(1, 6))
    legs = [a_leg(f"{draw(st.sampled_from('+-'))}{draw(st.sampled_from('CP'))}{50_000 + 1000 * n}", str(draw(coins))) for n in range(count)]
    books = [(str(low), str(low + width)) for low, width in ((draw(price), draw(price)) for _ in legs)]
    return legs, books


def mids(books: Sequence[tuple[str, str]]) -> list[str]:
    return [str((D(bid) + D(ask)) / 2) for bid, ask in books]


def touches(legs: Sequence[LegPlan], books: Sequence[tuple[str, str]]) -> list[str]:
    return [ask if leg.side is Side.BUY else bid for leg, (bid, ask) in zip(legs, books, strict=True)]


@given(structures())
def test_trading_at_the_mids_costs_nothing_before_fees_and_captures_the_whole_half_spread(
    drawn: tuple[list[LegPlan], list[tuple[str, str]]],
) -> None:
    legs, books = drawn

    q = a_whole(legs, books, mids(books), fee="0.3")

    assert of(q.shortfall, q.shortfall_pct, q.shortfall_bps, q.spread_captured) == (0, 0, 0, 1)
    assert q.shortfall_with_fees == q.fees == D("0.3") * len(legs)
    assert q.paid == q.arrival_mid


@given(structures())
def test_trading_at_the_touch_costs_half_the_spread_and_captures_none_of_it(drawn: tuple[list[LegPlan], list[tuple[str, str]]]) -> None:
    legs, books = drawn

    q = a_whole(legs, books, touches(legs, books))

    assert q.shortfall == sum((leg.qty * (D(ask) - D(bid)) / 2 for leg, (bid, ask) in zip(legs, books, strict=True)), D(0))
    assert of(q.saving, q.spread_captured, q.paid) == (0, 0, q.executable)


@given(structures(), st.data())
def test_the_mirrored_structure_at_mirrored_prices_costs_exactly_the_same(
    drawn: tuple[list[LegPlan], list[tuple[str, str]]], data: st.DataObject
) -> None:
    legs, books = drawn
    prices = [str(data.draw(price)) for _ in legs]
    mirrored = [msgspec.structs.replace(leg, side=leg.side.opposite) for leg in legs]
    reflected = [str(D(bid) + D(ask) - D(paid)) for (bid, ask), paid in zip(books, prices, strict=True)]

    ours, theirs = a_whole(legs, books, prices), a_whole(mirrored, books, reflected)

    assert ours.shortfall == theirs.shortfall
    assert ours.half_spread == theirs.half_spread
    assert ours.arrival_mid == -theirs.arrival_mid if theirs.arrival_mid is not None else False
    assert ours.spread_captured == theirs.spread_captured


@given(structures(), st.data())
def test_buying_and_selling_at_the_same_prices_cancel_out(drawn: tuple[list[LegPlan], list[tuple[str, str]]], data: st.DataObject) -> None:
    legs, books = drawn
    prices = [str(data.draw(price)) for _ in legs]

    into, out = QualityBook(
        [a_birth(legs), *an_execution(legs, books, prices), *an_execution(legs, books, prices, run=2, purpose=Purpose.CLOSE)]
    ).all()

    assert into.paid + out.paid == 0
    assert into.shortfall is not None
    assert out.shortfall == -into.shortfall


@given(structures(), st.data())
def test_shortfall_saving_and_half_spread_add_up(drawn: tuple[list[LegPlan], list[tuple[str, str]]], data: st.DataObject) -> None:
    legs, books = drawn

    q = a_whole(legs, books, [str(data.draw(price)) for _ in legs])

    assert q.shortfall is not None
    assert q.saving is not None
    assert q.shortfall + q.saving == q.half_spread


@given(st.lists(st.tuples(coins, price), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_in_which_fills_arrive_changes_nothing(fills: list[tuple[Decimal, Decimal]], chance: Random) -> None:
    leg = a_leg("+C50000", "200")
    filled = [a_fill(0, leg, str(paid), str(qty), at=n) for n, (qty, paid) in enumerate(fills)]
    shuffled = list(filled)
    chance.shuffle(shuffled)

    def q(order: Sequence[LegFilled]) -> ExecutionQuality:
        return measured(a_birth([leg]), a_start([a_picture(0, leg, "98", "102")]), *order)

    assert q(filled) == q(shuffled)


# ---- names


@pytest.mark.parametrize(
    ("name", "legs"),
    [
        ("single", [a_leg("+C50000")]),
        ("strangle", [a_leg("+C52000"), a_leg("+P48000")]),
        ("strangle", [a_leg("-P48000"), a_leg("-C52000")]),
        ("straddle", [a_leg("-C50000"), a_leg("-P50000")]),
        ("vertical", [a_leg("+P48000"), a_leg("-P46000")]),
        ("ratio", [a_leg("+C50000", "1"), a_leg("-C55000", "2")]),
        ("calendar", [a_leg("-C50000"), a_leg("+C50000", expiry=APRIL)]),
        ("butterfly", [a_leg("-C50000", "0.4"), a_leg("+C48000", "0.2"), a_leg("+C52500", "0.2")]),
        ("iron condor", [a_leg("-C52000"), a_leg("-P48000"), a_leg("+C54000"), a_leg("+P46000")]),
        ("iron condor", [a_leg("+C52000"), a_leg("+P48000"), a_leg("-C54000"), a_leg("-P46000")]),
        ("iron butterfly", [a_leg("-C50000"), a_leg("-P50000"), a_leg("+C54000"), a_leg("+P46000")]),
        ("2 legs", [a_leg("+C52000"), a_leg("-P48000")]),  # a risk reversal
        ("2 legs", [a_leg("+C52000", "1"), a_leg("+P48000", "2")]),
        ("2 legs", [a_leg("+C52000"), a_leg("+C54000")]),
        ("2 legs", [a_leg("+C52000"), a_leg("-C54000", expiry=APRIL)]),  # a diagonal
        ("2 legs", [a_leg("+C52000"), a_leg("+P48000", expiry=APRIL)]),
        ("2 legs", [a_leg("+C50000"), a_leg("-C52000", underlying="ETH")]),
        ("3 legs", [a_leg("+C48000", "1"), a_leg("-C50000", "1"), a_leg("+C52000", "1")]),
        ("3 legs", [a_leg("+C48000"), a_leg("-P50000", "2"), a_leg("+C52000")]),
        ("4 legs", [a_leg("-C52000"), a_leg("-P48000"), a_leg("+C54000"), a_leg("-P46000")]),
        ("4 legs", [a_leg("-C52000"), a_leg("-P53000"), a_leg("+C54000"), a_leg("+P46000")]),  # the sold put above the sold call
        ("4 legs", [a_leg("+C48000"), a_leg("-C50000"), a_leg("-C52000"), a_leg("+C54000")]),
        ("5 legs", [a_leg(f"+C{strike}000") for strike in range(50, 55)]),
        ("0 legs", []),
    ],
)
def test_a_structure_is_named_by_its_legs(name: str, legs: list[LegPlan]) -> None:
    assert structure_name(legs) == name
    assert structure_name(legs[::-1]) == name


# ---- many together


def test_an_estimate_of_five_values_by_hand() -> None:
    found = estimate([D(1), D(2), None, D(3), D(4), D(10)])

    assert found is not None
    assert of(found.count, found.total, found.mean, found.median) == (5, 20, 4, 3)
    reach = D("2.776") * (D("12.5") / 5).sqrt()  # squares 9 + 4 + 1 + 0 + 36 = 50, over 4
    assert found.low is not None
    assert found.high is not None
    assert abs(found.low - (4 - reach)) < D("1e-20")
    assert abs(found.high - (4 + reach)) < D("1e-20")


def test_one_value_has_a_mean_and_no_interval_and_no_value_has_neither() -> None:
    one = estimate([D(3), None])

    assert one is not None
    assert of(one.mean, one.median, one.low, one.high) == (3, 3, None, None)
    assert estimate([None]) is None


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, "12.706"), (30, "2.042"), (40, "2.0211"), (60, "2.0003"), (120, "1.9799"), (9999, "1.9602")]
)
def test_the_quantile_is_that_of_the_tables(freedom: int, quantile: str) -> None:
    assert abs(student_t(freedom) - D(quantile)) < D("0.0002")


def two_strangles_and_a_vertical() -> list[AnyEvent]:
    pair, spread = [a_leg("+C52000"), a_leg("+P48000")], [a_leg("+C50000"), a_leg("-C52000")]
    return [
        a_birth(pair),
        *an_execution(pair, [("98", "102"), ("98", "102")], ["101", "101"], fee="0.1"),
        a_birth(pair, trade=2),
        *an_execution(pair, [("98", "102"), ("98", "102")], ["102", "102"], trade=2, fee="0.1"),
        a_birth(spread, trade=3, strategy="other"),
        *an_execution(spread, [("9", "11"), ("3.5", "4.5")], ["10.5", "3.75"], trade=3, mode=M.SMART),
    ]


def test_totals_are_of_all_in_the_group_and_share_out_the_spread_over_all_of_it() -> None:
    found = totals_by(QualityBook(two_strangles_and_a_vertical()).all(), lambda q: (q.mode, q.structure))

    strangles = found[M.LIMIT, "strangle"]
    assert list(found) == [(M.LIMIT, "strangle"), (M.SMART, "vertical")]
    assert of(strangles.executions, strangles.filled, strangles.paid, strangles.fees, strangles.orders) == (2, 2, 406, D("0.4"), 4)
    assert strangles.shortfall is not None
    assert of(strangles.shortfall.total, strangles.shortfall.mean, strangles.shortfall.median) == (6, 3, 3)
    assert strangles.captured == D("0.25")  # saved 2 and 0, of half spreads of 4 and 4
    assert strangles.fill_seconds is not None
    assert strangles.fill_seconds.mean == 5


def test_an_execution_that_filled_nothing_is_counted_and_not_measured() -> None:
    leg = a_leg("+C50000")

    events: list[AnyEvent] = [a_birth([leg]), a_start([a_picture(0, leg, "98", "102")]), an_end()]
    careful = totals_by(QualityBook(events).all(), lambda q: q.strategy)["careful"]

    assert (careful.executions, careful.filled, careful.shortfall, careful.captured) == (1, 0, None, None)


# ---- what choosing a mode has cost


def test_a_mode_costs_the_mean_of_its_choices_in_basis_points_of_notional() -> None:
    costs = mean_shortfall_by_mode(QualityBook(two_strangles_and_a_vertical()).all())

    assert costs[M.LIMIT, "strangle", Purpose.OPEN] == ModeCost(2, D("0.6"))  # 2 and 4 USD of 100,000
    assert costs[M.LIMIT, "strangle", Purpose.OPEN].mean_bps == D("0.3")
    assert costs[M.SMART, "vertical", Purpose.OPEN] == ModeCost(1, D("0.075"))
    assert ModeCost().mean_bps is None


def test_the_mode_that_was_chosen_bears_what_its_fallback_cost_with_the_delay() -> None:
    legs = [a_leg("+C50000")]
    asked: list[AnyEvent] = [a_start([a_picture(0, legs[0], "98", "102")], mode=M.RFQ), an_end(success=False)]
    chased = an_execution(legs, [("103", "107")], ["106"], run=2, at=60)

    costs = mean_shortfall_by_mode(QualityBook([a_birth(legs), *asked, *chased]).all())

    assert costs == {(M.RFQ, "single", Purpose.OPEN): ModeCost(1, D("1.2"))}  # 1 + 5 USD of 50,000


def test_the_mode_that_was_chosen_bears_what_giving_back_a_half_cost() -> None:
    legs = [a_leg("+C50000"), a_leg("-C52000")]
    opening: list[AnyEvent] = [
        a_start([a_picture(index, leg, "98", "102") for index, leg in enumerate(legs)]),
        a_fill(0, legs[0], "101"),
        an_end(success=False),
    ]
    back = an_execution(legs[:1], [("98", "102")], ["98"], run=2, purpose=Purpose.UNWIND, at=60, urgent=True)

    costs = mean_shortfall_by_mode(QualityBook([a_birth(legs), *opening, *back]).all())

    assert costs == {(M.LIMIT, "vertical", Purpose.OPEN): ModeCost(1, D("0.6"))}  # 1 + 2 USD of 50,000


def _urgent(legs: list[LegPlan]) -> list[AnyEvent]:
    return an_execution(legs, [("98", "102")], ["101"], urgent=True)


def _running(legs: list[LegPlan]) -> list[AnyEvent]:
    return an_execution(legs, [("98", "102")], ["101"])[:-1]


def _empty(legs: list[LegPlan]) -> list[AnyEvent]:
    return [a_start([a_picture(0, legs[0], "98", "102")]), an_end()]


def _priceless(legs: list[LegPlan]) -> list[AnyEvent]:
    return an_execution(legs, [(None, "102")], ["101"])


@pytest.mark.parametrize("story", [_urgent, _running, _empty, _priceless])
def test_what_cannot_be_compared_is_no_choice(story: Callable[[list[LegPlan]], list[AnyEvent]]) -> None:
    legs = [a_leg("+C50000")]

    assert mean_shortfall_by_mode(QualityBook([a_birth(legs), *story(legs)]).all()) == {}


def test_a_dry_run_is_no_choice_because_its_fills_are_simulated() -> None:
    legs = [a_leg("+C50000")]

    assert mean_shortfall_by_mode(QualityBook([a_birth(legs, simulated=True), *an_execution(legs, [("98", "102")], ["101"])]).all()) == {}


def test_a_book_asked_after_each_event_says_what_one_restored_at_the_end_says() -> None:
    events = two_strangles_and_a_vertical()
    events += [a_fill(0, a_leg("+C52000"), "103", "0.5", at=700), CloseNotified(at=NOON, trade=1), a_look_back(["95", "95"])]
    live = QualityBook()

    for event in events:
        live.take(event)
        live.costs("strangle", Purpose.OPEN)

    restored = QualityBook(events)
    assert live.all() == restored.all()
    assert live.costs("strangle", Purpose.OPEN) == restored.costs("strangle", Purpose.OPEN)
    assert live.costs("strangle", Purpose.OPEN) == {
        mode: cost
        for (mode, name, why), cost in mean_shortfall_by_mode(restored.all()).items()
        if (name, why) == ("strangle", Purpose.OPEN)
    }
    assert live.costs("strangle", Purpose.CLOSE) == {}


# ---- in one line


def test_the_sentence_of_an_execution_tells_what_it_cost() -> None:
    q = a_whole([a_leg("+C50000", "2")], [("98", "102")], ["101"], fee="0.5")

    assert sentence(q) == (
        "execution measured trade=careful#1 run=1 open single by limit: done, filled=100 % in 5.0 s, "
        "arrival mid=200.00 executable=204.00 paid=202.00 fees=0.50 USD, "
        "shortfall=2.00 USD (1.00 % of premium, 0.20 bps of notional), spread captured=50 %, orders=1 requotes=0 quotes=0"
    )


def test_the_sentence_says_what_is_not_known_and_why_it_fell_short() -> None:
    leg = a_leg("+C50000", "2")
    part = measured(a_birth([leg]), a_start([a_picture(0, leg, None, "102")]), a_fill(0, leg, "101", "1"), an_end(success=False))
    short = replace(part, remedies=(Remedy.CROSS, Remedy.UNWIND), simulated=True)

    told = sentence(short)

    for text in ("by limit DRY RUN: short because given up", "filled=50 %", "arrival mid=-", "shortfall=- USD", "remedies=cross+unwind"):
        assert text in told
    assert told.endswith("; not known: BTCUSD-28MAR26-50000-C: no mid at the decision")
    assert ": still runs, " in sentence(replace(part, success=None))
