"""Several executions of a trade, many trades together, and what choosing a mode has cost."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from domain import ExecutionMode, OrderType, Purpose
from events import AnyEvent, CloseNotified, LegPlan
from execution_quality import ModeCost, QualityBook, estimate, mean_shortfall_by_mode, totals_by
from execution_quality.totals import student_t

from tests.unit.execution_stories import (
    NOON,
    a_birth,
    a_fill,
    a_leg,
    a_look_back,
    a_picture,
    a_start,
    an_acceptance,
    an_end,
    an_execution,
    an_order,
    measured,
    of,
)

D = Decimal
M = ExecutionMode


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
