"""What judges a long run is itself shown each thing that it must find: an unexplained line, a leak, a lost fill, a touched order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from domain import Fill, OrderType, Side
from events import LegFilled
from paper.rows import AccountRow, HoldingRow, MatchRow, OrderRow
from paper.rules import OrderState, Stp

from tests.rehearsal.stage import CASH, NAME, Ledger
from tests.soak.log_lines import Allowed, Happened, Line, Trouble, health_of, judge, volume_of
from tests.soak.page import BEGIN, END, put
from tests.soak.person import Person, Resting
from tests.soak.readings import Health, Reading, Usage, cpu_per_tick, longest_life, slope_of
from tests.soak.verdict import books_wrong, grown, growth_of, log_wrong, money_wrong

START = datetime(2026, 3, 27, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
OPTION = "BTCUSD-24APR26-100000-C"


def a_line(message: str, level: str = "WARNING", *, at: float = 1000.0, market: str = "") -> Line:
    return Line(datetime.fromtimestamp(at, UTC), level, "x:1", message, market, size=100)


# ---- the log


def test_a_warning_that_nobody_explains_is_found() -> None:
    judged = judge([a_line("all is well", "INFO"), a_line("the sky falls")], [], [], days=1)

    assert [line.message for line in judged.unexplained] == ["the sky falls"]


def test_an_explained_warning_passes_as_often_as_it_may_and_no_more() -> None:
    allowed = [Allowed(pattern="^rain", reason="it rains", a_day=2)]
    lines = [a_line("rain")] * 3

    assert judge(lines, allowed, [], days=1.5).too_many == []
    assert judge(lines, allowed, [], days=1.0).too_many != []


def test_a_line_explained_by_a_trouble_is_not_explained_before_it_nor_long_after_it() -> None:
    allowed = [Allowed(pattern="^stream lost", reason="it was killed", after=frozenset({Trouble.EXCHANGE_DIES}), a_time=9, within=10)]
    killed = [Happened(Trouble.EXCHANGE_DIES, 1000.0, 1003.0)]

    unexplained = [judge([a_line("stream lost", at=at)], allowed, killed, 1).unexplained for at in (990.0, 1001.0, 1012.0, 1014.0)]

    assert [len(lines) for lines in unexplained] == [1, 0, 0, 1]
    assert len(judge([a_line("stream lost", at=1001)], allowed, [Happened(Trouble.STOP, 1000.0, 1003.0)], 1).unexplained) == 1


def test_a_health_line_is_read_back_and_the_log_is_weighed_by_level() -> None:
    told = "health up=0:00:30 ticks=1760 failures=0 tick=0.8ms memory=85MB trades=8 orders=0 lost=0 equity=99795.6 account age=19.8s"
    lines = [a_line(told, "INFO", at=7, market="2026-03-27T06:16:36Z"), a_line("no")]

    assert health_of(lines) == [Health(datetime(2026, 3, 27, 6, 16, 36, tzinfo=UTC), 7.0, 1760, 0.8, 19.8)]
    assert volume_of(lines) == {"INFO": (1, 100), "WARNING": (1, 100)}


def test_lines_that_differ_only_by_their_order_are_told_once() -> None:
    lines = [a_line(f"order refused id=ct-1-{n}-0-c-1 reason=no") for n in (1, 2, 3)]

    [told] = log_wrong(judge([*lines, a_line("fine", "INFO")], [], [], 1))

    assert told.startswith("unexplained 3x, last at ")


# ---- growth


def a_life(
    hours: float, *, memory_a_day: float = 0.0, handles_a_day: float = 0.0, threads_a_day: float = 0.0, life: int = 1
) -> list[Reading]:
    """Return a reading every six minutes of the market, at speed 60; the daemon uses 0.1 s of CPU each."""
    found = []
    for step in range(int(hours * 10)):
        days = step / 240
        usage = Usage(80 + memory_a_day * days, 12 + int(threads_a_day * days), 30 + int(handles_a_day * days), step * 0.1)
        found.append(Reading(START + step * HOUR / 10, 6.0 * step, life, usage, usage))
    return found


def some_health(hours: int, ticks_an_hour: Sequence[int]) -> list[Health]:
    """Return a health line each hour; the ticks of an hour are given, the last for all that follow."""
    ticks, found = 0, []
    for hour in range(hours):
        found.append(Health(START + hour * HOUR, 60.0 * hour, ticks, 1.0, 1.0))
        ticks += ticks_an_hour[min(hour, len(ticks_an_hour) - 1)]
    return found


def test_a_daemon_that_stays_as_it_is_has_not_grown() -> None:
    assert grown(growth_of(a_life(48), some_health(48, [1000]))) == []


def test_memory_that_creeps_handles_that_stay_open_and_threads_that_stay_are_found() -> None:
    assert "memory grows" in grown(growth_of(a_life(48, memory_a_day=8), []))[0]
    assert "memory:" in grown(growth_of(a_life(48, memory_a_day=40), []))[0]
    assert "open handles" in grown(growth_of(a_life(48, handles_a_day=10), []))[0]
    assert "threads" in grown(growth_of(a_life(48, threads_a_day=4), []))[0]


def test_what_a_daemon_takes_while_it_warms_up_is_not_growth() -> None:
    cold = [replace(one, daemon=replace(one.daemon, memory=40.0)) for one in a_life(5)]
    warm = a_life(48)[len(cold) :]

    assert grown(growth_of([*cold, *warm], [])) == []


def test_a_tick_that_costs_ever_more_is_found_whatever_the_wall_says() -> None:
    [wrong] = grown(growth_of(a_life(40), some_health(40, [1000] * 20 + [400])))

    assert wrong == "a tick costs 2.50 ms of CPU at the end, 1.00 ms at first"


def test_the_longest_life_is_measured_and_a_tick_between_two_readings_by_its_share() -> None:
    short, long = a_life(3, life=1), a_life(10, life=2)

    assert {one.life for one in longest_life([*short, *long])} == {2}
    between = [Health(START + HOUR, 3.0, 10, 1.0, None), Health(START + 2 * HOUR, 9.0, 110, 1.0, None)]
    [(_, cost)] = cpu_per_tick(long, between)
    assert round(cost, 6) == 1.0  # 0.1 s of CPU in 6 s of the wall, 100 ticks
    assert slope_of([(START, 1.0), (START + 24 * HOUR, 3.0)]) == 2.0


# ---- the books


def an_order(order_id: int, client_id: int | None, state: OrderState, filled: str = "0") -> OrderRow:
    zero = Decimal(0)
    return OrderRow(
        order_id=order_id,
        client_id=client_id,
        user=1,
        symbol=OPTION,
        underlying="BTC",
        side=Side.BUY,
        qty=Decimal("0.03"),
        filled=Decimal(filled),
        price=Decimal(21),
        avg_price=None,
        order_type=OrderType.LIMIT,
        time_in_force=None,
        state=state,
        reduce_only=False,
        mmp=False,
        stp=Stp.DEFAULT,
        fee=zero,
        realised=zero,
        premium=zero,
        created=START,
        updated=START,
        margin=zero,
        index=zero,
        liquidation=False,
        limit=zero,
        slippage=None,
        priority=1,
        frozen_fee=0,
    )


def a_match(trade_id: int, order_id: int, price: int = 100) -> MatchRow:
    """Return 0.03 coins bought by an order of the trader from the house, for a fee of 0.5 USD."""
    return MatchRow(
        trade_id=trade_id,
        symbol=OPTION,
        at=START,
        price=Decimal(price),
        qty=Decimal("0.03"),
        taker_side=Side.BUY,
        taker_user=1,
        taker_order=order_id,
        taker_fee=Decimal("0.5"),
        maker_user=0,
        maker_order=None,
        maker_fee=Decimal(0),
        mark=Decimal(100),
        index=Decimal(100_000),
        iv=0.5,
    )


def a_fill(trade_id: str) -> Fill:
    price, qty, fee = Decimal(100), Decimal("0.03"), Decimal("0.5")
    return Fill(id=trade_id, order_id="6", symbol=OPTION, side=Side.BUY, price=price, qty=qty, fee=fee, at=START)


def a_booking(fill: Fill) -> LegFilled:
    return LegFilled(at=START, trade=1, leg=0, order="ct-1-1-0-o-1", fill=fill)


def a_ledger(orders: Sequence[OrderRow] = (), fills: Sequence[MatchRow] = (), *, earned: str = "0", lots: int = 0) -> Ledger:
    zero = Decimal(0)
    held = HoldingRow(position_id=1, user=1, symbol=OPTION, lots=lots, cost=zero, realised=zero, order_id=1, updated=START)
    return Ledger(list(orders), list(fills), [held], [AccountRow(user=1, name=NAME, cash=CASH + Decimal(earned))])


def a_person(*resting: Resting, deals: Sequence[int] = ()) -> Person:
    return Person("", list(resting), list(deals))


LEFT = Resting(5, 42, OPTION, Decimal("0.03"), Decimal(21))


def test_a_person_left_alone_is_no_complaint_and_one_whose_order_was_cancelled_is() -> None:
    untouched, cancelled = an_order(5, 42, OrderState.NEW), an_order(5, 42, OrderState.CANCELED)

    assert books_wrong(a_ledger([untouched]), [], a_person(LEFT)) == []
    assert books_wrong(a_ledger([cancelled]), [], a_person(LEFT)) == ["the person's order 5 is CANCELED: 0 of 0.03 at 21"]
    assert books_wrong(a_ledger(), [], a_person(LEFT)) == ["the person's order 5 is gone"]


def test_an_order_that_the_journal_did_not_mean_and_one_sent_twice_are_found() -> None:
    twice = [an_order(6, 7_0001, OrderState.CANCELED), an_order(7, 7_0001, OrderState.CANCELED)]

    assert books_wrong(a_ledger(twice), [], a_person()) == ["order 70001 was sent 2 times", "order 70001 was never meant to be sent"]


def test_a_fill_that_only_the_exchange_knows_and_one_that_only_the_journal_knows_are_found() -> None:
    booked = a_booking(a_fill("9"))
    theirs = [a_ledger(fills=fills) for fills in ([], [a_match(8, 6)], [a_match(9, 6)], [a_match(9, 6, price=99)])]

    found = [[one.partition(":")[0] for one in books_wrong(ledger, [booked], a_person())] for ledger in theirs]

    assert found[0] == ["fill 9 only in the journal"]
    assert found[1] == ["fill 8 only at the exchange", "fill 9 only in the journal"]
    assert found[2:] == [[], ["fill 9"]]


def test_a_fill_booked_from_an_orders_own_report_counts_only_as_its_equal() -> None:
    fill = a_fill("report-6-1")
    booked = a_booking(fill)
    same, other = ([a_match(8, 6, price)] for price in (100, 99))

    assert books_wrong(a_ledger(fills=same), [booked], a_person()) == []
    assert len(books_wrong(a_ledger(fills=other), [booked], a_person())) == 2
    renamed = [msgspec.structs.replace(booked, fill=replace(fill, id="7"))]
    assert len(books_wrong(a_ledger(fills=same), renamed, a_person())) == 2


def test_a_cent_that_no_trade_accounts_for_and_a_holding_that_is_nobodys_are_found() -> None:
    bought = a_person(deals=[6])

    assert money_wrong(a_ledger(fills=[a_match(9, 6)], earned="-3.50", lots=3), [], bought) == []
    assert "earned" in money_wrong(a_ledger(fills=[a_match(9, 6)], earned="-3.49", lots=3), [], bought)[0]
    assert "held" in money_wrong(a_ledger(fills=[a_match(9, 6)], earned="-3.50", lots=2), [], bought)[0]


# ---- the page


def test_a_section_replaces_its_own_and_nothing_else_of_the_page() -> None:
    page = f"# Reliability\n\nThe scorecard.\n\n{BEGIN}\nan older text\n{END}\n\nThe end.\n"

    first = put(page, "synthetic", "### one\n")
    second = put(put(first, "deribit_chain_hourly", "### two\n"), "synthetic", "### three\n")

    assert second.startswith("# Reliability\n\nThe scorecard.\n\n")
    assert second.endswith(f"{END}\n\nThe end.\n")
    assert [text in second for text in ("older", "### one", "### two", "### three")] == [False, False, True, True]
    assert put(second, "synthetic", "### three\n") == second


def test_a_page_that_does_not_exist_is_begun() -> None:
    assert put("", "synthetic", "### one\n").startswith(f"# Reliability\n\n{BEGIN}\n")
