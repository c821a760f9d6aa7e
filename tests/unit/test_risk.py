"""The gate in front of every order."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain import Purpose, Side
from errors import InvariantBroken, RiskDenied, SizeRejected
from risk import Exposure, RiskLimits, check

from tests.fakes import a_name, an_option, an_order

OPENING = Exposure(
    symbol=an_option().symbol, side=Side.SELL, missing=Decimal(1), held=Decimal(0), working=Decimal(0), open_orders=0, index=Decimal(65000)
)
HOLDING = replace(OPENING, missing=Decimal(0), held=Decimal(1))
CLOSE = an_order(a_name(purpose=Purpose.CLOSE), side=Side.BUY)
FREE = RiskLimits()


def test_an_order_that_fits_its_leg_passes() -> None:
    check(an_order(), OPENING, FREE)
    check(CLOSE, HOLDING, FREE)


def test_l11_filled_and_working_never_exceed_the_target() -> None:
    with pytest.raises(InvariantBroken, match="exceeds the 1 missing"):
        check(an_order(qty="0.6"), replace(OPENING, working=Decimal("0.5")), FREE)


def test_l02_a_close_never_exceeds_what_is_held() -> None:
    with pytest.raises(InvariantBroken, match="held"):
        check(CLOSE, replace(HOLDING, held=Decimal("0.5")), FREE)


def test_l01_a_close_of_what_was_given_back_too_often_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="held"):
        check(CLOSE, replace(HOLDING, held=Decimal("-0.5")), FREE)


def test_l02_a_close_that_is_not_reduce_only_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="reduce-only"):
        check(replace(CLOSE, reduce_only=False), HOLDING, FREE)


@pytest.mark.parametrize("order", [an_order(side=Side.BUY), an_order(option=an_option(80000))])
def test_an_order_of_another_leg_is_refused(order: object) -> None:
    with pytest.raises(InvariantBroken, match="does not belong"):
        check(order, OPENING, FREE)  # type: ignore[arg-type]


@pytest.mark.parametrize("qty", ["0.001", "0.015"])
def test_l16_a_quantity_off_the_lot_is_refused_before_sending(qty: str) -> None:
    with pytest.raises(SizeRejected):
        check(an_order(qty=qty), OPENING, FREE)


@pytest.mark.parametrize("price", ["0", "-1", "100.3"])
def test_l15_a_price_off_the_tick_is_our_own_error(price: str) -> None:
    with pytest.raises(InvariantBroken, match="tick"):
        check(an_order(price=price), OPENING, FREE)


def test_the_cap_of_open_orders_stops_an_opening() -> None:
    with pytest.raises(RiskDenied, match="the cap is 3"):
        check(an_order(), replace(OPENING, open_orders=3), RiskLimits(max_open_orders=3))


def test_l10_no_cap_stops_a_close() -> None:
    check(CLOSE, replace(HOLDING, open_orders=99, index=None), RiskLimits(max_open_orders=0, max_order_notional=Decimal(0)))


def test_the_cap_of_notional_measures_by_the_index() -> None:
    limits = RiskLimits(max_open_orders=None, max_order_notional=Decimal(65000))
    check(an_order(), OPENING, limits)
    with pytest.raises(RiskDenied, match="above the cap"):
        check(an_order(), replace(OPENING, index=Decimal(65001)), limits)


def test_an_unknown_index_is_a_no_and_not_a_zero() -> None:
    with pytest.raises(RiskDenied, match="no index price"):
        check(an_order(), replace(OPENING, index=None), RiskLimits(max_order_notional=Decimal(1)))
