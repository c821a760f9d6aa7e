"""Laws of money: rounding goes one way and by the grid, structures add up, fees are shared and not made."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain import ExecutionParams, Purpose, Side, aggressive_price, decimal_of, passive_price, whole_lots
from leg_orders import crossing_price
from limit_execution import Chase, limit_price
from trade_lifecycle import TradeState, advance

from tests.fakes import START, a_fill, a_name, a_plan, a_quote, a_trade, an_account, an_option, filled

PRICES = st.decimals("0.0001", "100000", places=4)
STEPS = st.sampled_from([Decimal(text) for text in ("0.01", "0.1", "0.5", "1", "5", "0.0001")])
SIDES = st.sampled_from(Side)


@given(PRICES, STEPS, SIDES)
def test_a_rounded_price_is_on_the_grid_within_a_tick_and_on_its_side(price: Decimal, tick: Decimal, side: Side) -> None:
    passive, aggressive = passive_price(price, tick, side), aggressive_price(price, tick, side)
    for rounded in (passive, aggressive):
        assert rounded % tick == 0
        assert rounded >= tick
        assert abs(rounded - price) < tick or rounded == tick
    assert (aggressive - passive) * side.sign >= 0
    assert passive_price(passive, tick, side) == passive


@given(st.decimals("0", "1000", places=4), STEPS)
def test_whole_lots_never_exceed_what_was_asked_for(qty: Decimal, lot: Decimal) -> None:
    lots = whole_lots(qty, lot)
    assert lots % lot == 0
    assert 0 <= qty - lots < lot


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_becomes_the_decimal_it_is_written_as(value: float) -> None:
    assert float(decimal_of(value)) == value


@given(
    st.decimals("1", "5000", places=1),
    st.decimals("0", "500", places=1),
    SIDES,
    st.sampled_from(Purpose),
    st.integers(1, 12),
    st.floats(0, 50),
)
def test_later_rounds_are_never_less_aggressive(
    bid: Decimal, spread: Decimal, side: Side, purpose: Purpose, rounds: int, buffer: float
) -> None:
    quote = a_quote(an_option(tick="0.1"), str(bid), str(bid + spread))
    params = ExecutionParams(max_requote_rounds=rounds, aggressive_buffer_pct=buffer)
    prices = [limit_price(quote, side, purpose, turn, params) for turn in range(rounds + 2)]
    signed = [price * side.sign for price in prices if price is not None]
    assert signed == sorted(signed)
    far = quote.executable(side)
    assert far is not None
    if purpose.reduces:
        assert signed[-1] >= far * side.sign, "the last round of a close trades at once"


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9000), st.integers(0, 50)), min_size=1, max_size=8), SIDES, st.integers(0, 9000)
)
def test_profit_is_what_came_in_less_what_went_out(fills: list[tuple[int, int, int]], side: Side, mark: int) -> None:
    total = sum(qty for qty, _, _ in fills)
    trade = a_trade(a_plan(side=side, qty=str(total)))
    object.__setattr__(trade, "state", TradeState.OPENING)
    for number, (qty, price, fee) in enumerate(fills):
        trade = advance(trade, filled(a_fill(str(qty), str(price), fee=str(fee), fill_id=f"o{number}", side=side)))
    cost, fees = sum(q * p for q, p, _ in fills), sum(f for _, _, f in fills)
    assert trade.entry_cost == side.sign * cost
    assert trade.profit(an_account(a_quote(mark=str(mark)))) == side.sign * (total * mark - cost) - fees
    object.__setattr__(trade, "state", TradeState.CLOSING)
    back = filled(a_fill(str(total), str(mark), fee="0", fill_id="c", side=side.opposite), a_name(purpose=Purpose.CLOSE))
    assert advance(trade, back).net_profit == side.sign * (total * mark - cost) - fees


@given(
    st.decimals("0.1", "5000", places=1),
    st.decimals("0", "500", places=1),
    SIDES,
    st.floats(0, 50),
)
def test_crossing_never_pays_beyond_the_cap_and_trades_at_once_within_it(bid: Decimal, spread: Decimal, side: Side, cap: float) -> None:
    quote = a_quote(an_option(tick="0.1"), str(bid), str(bid + spread))
    price, far, mid = crossing_price(quote, None, side, Decimal(1), cap), quote.executable(side), quote.mid
    assert price is not None
    assert far is not None
    assert mid is not None
    limit = mid * (1 + side.sign * Decimal(str(cap)) / 100)
    touched = (price - far) * side.sign >= 0
    assert (limit - price) * side.sign > -quote.option.tick, "a tick of rounding at most"
    assert touched or (limit - far) * side.sign < quote.option.tick, "a touch within the cap is taken"
    assert touched or (limit - price) * side.sign >= 0, "short of the touch, the cap is kept to the tick"


@given(st.decimals("0.1", "5000", places=1), st.decimals("0", "500", places=1), SIDES, st.integers(1, 12), st.floats(0, 50))
def test_an_urgent_close_is_never_short_of_the_touch(bid: Decimal, spread: Decimal, side: Side, rounds: int, buffer: float) -> None:
    quote = a_quote(an_option(tick="0.1"), str(bid), str(bid + spread))
    params = ExecutionParams(max_requote_rounds=rounds, aggressive_buffer_pct=buffer)
    chase = Chase(purpose=Purpose.CLOSE, params=params, now=START, round=0, brisk=True)
    price, far = chase.price(quote, side), quote.executable(side)
    assert price is not None
    assert far is not None
    assert (price - far) * side.sign >= 0
