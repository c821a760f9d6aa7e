"""Fees, margins, liquidation and the ledger of the paper exchange, against published samples."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from domain import OptionType, Side
from paper.engine import Engine
from paper.fees import ppm, trade_fee
from paper.ledger import BANK, FEES, HOUSE, pico, plain, total_cash, usd
from paper.margin import short_initial, short_maintenance
from paper.rows import Summary
from paper.rules import OrderState, Refused

from tests.unit.paper.engine_market import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    PUT,
    SECOND,
    START,
    D,
    ScriptedFeed,
    a_call_feed,
    a_request,
    an_engine,
    an_option,
    levels,
)

BUY, SELL = Side.BUY, Side.SELL
CASES = Path(__file__).resolve().parents[3] / "../shared/data/reference_margin_liquidation/option_margin_cases_computed.csv"


@pytest.fixture
def feed() -> ScriptedFeed:
    return a_call_feed(levels(("1490", "9")), levels(("1510", "9")))


@pytest.fixture
def engine(feed: ScriptedFeed) -> Engine:
    return an_engine(feed)


def summary(engine: Engine, user: int = ALICE) -> Summary:
    return engine.reports.summary(user, engine.now)


def cash(engine: Engine) -> dict[int, Decimal]:
    return {row.user: row.cash for row in engine.reports.accounts()}


# ---- fees


def test_a_fee_is_rounded_half_up_to_the_eighth_decimal_as_the_venues_sample_is() -> None:
    by_index = 20 * pico(D("94475.478875")) * ppm(D("0.00045"))

    assert usd(trade_fee(by_index, 10**60)) == D("850.27930988")


def test_a_fee_is_capped_by_an_eighth_of_the_premium_as_in_the_venues_sample() -> None:
    assert usd(trade_fee(10**60, pico(D(1110)) * ppm(D("0.125")))) == D("138.75")


def test_a_rate_finer_than_a_millionth_is_refused() -> None:
    with pytest.raises(ValueError, match="finer"):
        ppm(D("0.00000001"))


def test_taker_and_maker_pay_and_the_fees_account_receives(engine: Engine) -> None:
    engine.place(BOB, a_request(SELL, "1", "1500"), START)
    engine.place(ALICE, a_request(BUY, "1", "1500"), START)

    fee = D("28.5")  # 95,000 x 0.03 %
    assert cash(engine) == {
        ALICE: D(100_000) - 1500 - fee,
        BOB: D(100_000) + 1500 - fee,
        CAROL: D(100_000),
        FEES: 2 * fee,
        HOUSE: D(0),
        BANK: D(-300_000),
    }


def test_the_house_pays_no_fee(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "1", "1510"), START)

    assert (cash(engine)[HOUSE], cash(engine)[FEES]) == (D(1510), D("28.5"))
    assert total_cash(engine.accounts.values()) == 0


def test_a_fee_of_a_cheap_option_is_capped(engine: Engine, feed: ScriptedFeed) -> None:
    feed.quote(CALL, START, (), levels(("10", "1")), mark="10")

    order = engine.reports.order(ALICE, order_id=engine.place(ALICE, a_request(BUY, "1", "10"), START))

    assert order.fee == D("1.25")


# ---- margin


@pytest.mark.skipif(not CASES.exists(), reason="no recorded margin cases on this machine")
def test_margins_are_those_of_the_published_formulas() -> None:
    rows = [row for row in csv.DictReader(CASES.read_text().splitlines()) if row["venue"] == "coincall_sm"]
    assert rows
    for row in rows:
        option = an_option(row["type"], int(row["strike"]))
        index, mark, qty = D(row["index"]), D(row["mark"]), D(row["qty"])
        assert short_initial(option, index, mark) * qty == D(row["im"])
        assert short_maintenance(option, index, mark, D("0.0019")) * qty == D(row["mm"])


def test_a_put_far_out_of_the_money_needs_a_tenth_of_its_strike() -> None:
    assert short_initial(an_option("P", 50_000), D(95_000), D(10)) == D(5010)
    assert short_maintenance(an_option("P", 50_000), D(95_000), D(10), D("0.0019")) == 10 + D(3750) + D("180.5")


def test_a_resting_buy_reserves_its_price_and_its_fee(engine: Engine) -> None:
    order_id = engine.place(ALICE, a_request(BUY, "0.5", "1400"), START)

    told = summary(engine)
    assert (told.initial_margin, told.maintenance_margin, told.frozen_fees) == (D(700), D(0), D("14.25"))
    assert told.available == 100_000 - 700 - D("14.25")
    assert engine.reports.order(ALICE, order_id=order_id).margin == D(700)


def test_a_resting_sell_reserves_the_short_margin_at_its_own_price(engine: Engine) -> None:
    engine.place(ALICE, a_request(SELL, "0.5", "1600"), START)

    # U 95,000, K 100,000: max(14,250 - 5,000, 9,500) = 9,500
    assert summary(engine).initial_margin == D("0.5") * (1600 + 9500)


def test_a_short_position_needs_margin_and_a_long_one_none(engine: Engine) -> None:
    engine.place(BOB, a_request(SELL, "1", "1500"), START)
    engine.place(ALICE, a_request(BUY, "1", "1500"), START)

    short, long = summary(engine, BOB), summary(engine, ALICE)
    assert short.initial_margin == 1500 + 9500
    assert short.maintenance_margin == 1500 + 7125 + D("180.5")
    assert (long.initial_margin, long.maintenance_margin) == (D(0), D(0))
    assert (long.option_value, short.option_value) == (D(1500), D(-1500))
    assert long.equity == 100_000 - D("28.5")
    assert long.margin_balance == long.cash == 100_000 - 1500 - D("28.5")
    assert short.im_ratio == D("0.108404")
    assert short.mm_ratio == D("0.086778")


def test_a_closing_order_needs_no_margin_and_only_the_part_beyond_the_holding_does(engine: Engine) -> None:
    engine.place(ALICE, a_request(BUY, "1", "1510"), START)

    engine.place(ALICE, a_request(SELL, "0.4", "1600"), START)
    assert summary(engine).initial_margin == 0

    engine.place(ALICE, a_request(SELL, "1", "1600"), START)
    assert summary(engine).initial_margin == D("0.4") * (1600 + 9500)


def test_margins_follow_the_mark(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(SELL, "1", "1490"), START)
    feed.quote(CALL, START + SECOND, mark="2500")
    feed.move("96000", START + SECOND)

    told = engine.reports.summary(ALICE, START + SECOND)

    assert told.initial_margin == 2500 + max(D(14_400) - 4000, D(9600))
    assert told.unrealized == 1490 - 2500


def test_an_order_that_the_account_cannot_carry_is_refused_to_the_last_cent(feed: ScriptedFeed) -> None:
    engine = an_engine(feed, cash="1428.5")
    with pytest.raises(Refused) as caught:
        engine.place(ALICE, a_request(BUY, "1", "1400.1"), START)
    assert caught.value.code == 10529
    assert summary(engine).available == D("1428.5")

    engine.place(ALICE, a_request(BUY, "1", "1400"), START)
    assert summary(engine).available == 0


def test_l59_a_closing_order_is_never_refused_for_margin(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(SELL, "9", "1490"), START)
    feed.quote(CALL, START + SECOND, levels(("3000", "9")), levels(("3100", "9")), mark="3050")
    with pytest.raises(Refused) as caught:
        engine.place(ALICE, a_request(SELL, "0.1", "3100"), START + SECOND)
    assert caught.value.code == 10529

    closing = engine.place(ALICE, a_request(BUY, "9", "3100"), START + SECOND)

    assert engine.reports.order(ALICE, order_id=closing).state is OrderState.FILLED
    assert engine.reports.positions(ALICE, START + SECOND) == []


def test_an_account_whose_initial_margin_is_used_up_is_told_so_and_its_opening_orders_go(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(SELL, "8", "1490"), START)
    resting = engine.place(ALICE, a_request(BUY, "0.01", "1000", PUT), START)
    closing = engine.place(ALICE, a_request(BUY, "1", "1000"), START)
    feed.quote(CALL, START + SECOND, mark="5000")
    engine.advance(START + SECOND)

    with pytest.raises(Refused) as caught:
        engine.place(ALICE, a_request(BUY, "0.01", "1000", PUT), START + SECOND)

    assert caught.value.code == 40037
    assert engine.reports.order(ALICE, order_id=resting).state is OrderState.CANCELED
    assert engine.reports.order(ALICE, order_id=closing).state is OrderState.NEW


# ---- liquidation


def test_an_account_below_maintenance_is_closed_against_the_book_until_it_stands(engine: Engine, feed: ScriptedFeed) -> None:
    engine.place(ALICE, a_request(SELL, "8", "1490"), START)
    resting = engine.place(ALICE, a_request(BUY, "1", "1000"), START)
    feed.quote(CALL, START + SECOND, (), levels(("6800", "9")), mark="6800")

    engine.advance(START + SECOND)

    told = summary(engine)
    assert 0 < told.maintenance_margin < told.margin_balance
    assert engine.reports.order(ALICE, order_id=resting).state is OrderState.CANCELED
    trade = engine.reports.trade_history(ALICE).rows[0]
    assert (trade.liquidation, trade.side, trade.price, trade.qty) == (True, BUY, D(6800), D(2))
    assert trade.fee == 2 * 95_000 * D("0.0019")
    assert total_cash(engine.accounts.values()) == 0


def test_liquidation_stops_where_the_book_ends_and_longs_pay_what_is_owed(engine: Engine, feed: ScriptedFeed) -> None:
    feed.quote(PUT, START, levels(("1400", "9")), levels(("1500", "9")))
    engine.place(ALICE, a_request(SELL, "7", "1490"), START)
    engine.place(ALICE, a_request(BUY, "1", "1500", PUT), START)
    feed.quote(CALL, START + SECOND, (), levels(("30000", "3")), mark="30000")

    engine.advance(START + SECOND)

    held = {row.symbol: row.qty for row in engine.reports.positions(ALICE, START + SECOND)}
    assert held == {CALL.symbol: D(4)}
    assert summary(engine).cash < 100_000
    assert total_cash(engine.accounts.values()) == 0


# ---- the ledger


def test_money_comes_from_and_goes_to_the_bank(engine: Engine) -> None:
    engine.transfer(ALICE, D("-40000"), START)
    engine.transfer(ALICE, D("0.000000000001"), START)

    assert cash(engine)[ALICE] == D("60000.000000000001")
    assert total_cash(engine.accounts.values()) == 0
    with pytest.raises(Refused) as caught:
        engine.transfer(ALICE, D("-60001"), START)
    assert caught.value.code == 10529


@pytest.mark.parametrize(("user", "money"), [(ALICE, "1"), (9, "1"), (500, "-1")])
def test_an_account_needs_a_free_number_and_no_debt(engine: Engine, user: int, money: str) -> None:
    with pytest.raises(ValueError, match=r"taken|opens"):
        engine.add_account(user, "x", D(money))


def test_realised_profit_is_measured_at_average_entry_and_survives_a_turn_of_side(engine: Engine) -> None:
    for price, qty in (("1500", "1"), ("1510", "1")):
        engine.place(BOB, a_request(SELL, qty, price), START)
        engine.place(ALICE, a_request(BUY, qty, price), START)
    engine.place(CAROL, a_request(BUY, "3", "1505.5"), START)
    sell = engine.reports.order(ALICE, order_id=engine.place(ALICE, a_request(SELL, "3", "1505.5"), START))

    position = engine.reports.positions(ALICE, START)[0]
    assert sell.realised == D(1)  # 2 x (1505.5 - 1505)
    assert (position.side, position.qty, position.avg_price, position.realised) == (SELL, D(1), D("1505.5"), D(1))


@pytest.mark.parametrize(("opening", "closing", "profit"), [(BUY, SELL, "0.5"), (SELL, BUY, "-0.5")])
def test_a_part_that_is_closed_realises_its_share_and_leaves_the_average(engine: Engine, opening: Side, closing: Side, profit: str) -> None:
    for side, user in ((opening, ALICE), (opening.opposite, BOB)):
        engine.place(user, a_request(side, "0.3", "1500"), START)
    for side, user in ((closing, ALICE), (closing.opposite, CAROL)):
        engine.place(user, a_request(side, "0.1", "1505"), START)

    position = engine.reports.positions(ALICE, START)[0]
    assert (position.realised, position.qty, position.avg_price) == (D(profit), D("0.2"), D(1500))


@pytest.mark.parametrize(("number", "text"), [("1E+5", "100000"), ("1.500", "1.5"), ("0E-8", "0"), ("-0.10", "-0.1")])
def test_amounts_are_written_plainly(number: str, text: str) -> None:
    assert str(plain(D(number))) == text


def test_an_option_whose_grid_is_finer_than_the_ledger_is_refused(engine: Engine) -> None:
    from dataclasses import replace

    odd = replace(CALL, symbol="X", tick=D("0.0000001"), lot=D("0.0000001"))
    feed = ScriptedFeed(odd)
    with pytest.raises(ValueError, match="finer"):
        an_engine(feed).place(ALICE, a_request(BUY, "1", option=odd), START)


def test_call_and_put_are_told_apart() -> None:
    assert an_option("P").option_type is OptionType.PUT
