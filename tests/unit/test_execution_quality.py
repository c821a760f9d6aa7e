"""Execution quality against numbers worked out by hand, with its names and its sentence."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ExecutionMode, OrderType, Purpose, Remedy
from events import LegFilled, LeggingBreached, LegPlan, LegsApart
from execution_quality import sentence, structure_name

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
    a_whole,
    an_acceptance,
    an_end,
    an_execution,
    an_order,
    measured,
    of,
)

D = Decimal
M = ExecutionMode


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
