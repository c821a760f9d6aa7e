"""The words: values that cannot be wrong, and numbers where zero is not nothing."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import (
    Chain,
    ClientOrderId,
    ExecutionParams,
    Greeks,
    LeggingPolicy,
    Level,
    OptionType,
    OrderBook,
    OrderStatus,
    Purpose,
    QuotingStrategy,
    Remedy,
    RFQFallback,
    RFQParams,
    Side,
    SmartExecConfig,
    Verdict,
    aggressive_price,
    at_now,
    decimal_of,
    passive_price,
    unknown_account,
    utc_day_start,
    whole_lots,
)
from errors import ConfigError

from tests.fakes import EXPIRY, START, a_name, a_position, a_quote, an_account, an_option


def test_a_verdict_is_true_when_ok() -> None:
    assert Verdict(ok=True)
    assert not Verdict(ok=False, reason="no")


def test_l07_only_four_states_are_final_and_an_unknown_one_is_not() -> None:
    final = {status for status in OrderStatus if status.final}
    assert final == {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.INVALID, OrderStatus.CANCEL_BY_EXERCISE}


def test_l09_an_order_name_holds_purpose_and_attempt() -> None:
    name = a_name(2, Purpose.CLOSE, 3, trade=17)
    assert str(name) == "ct-0007-17-2-c-3"
    assert ClientOrderId.parse(str(name)) == name


@pytest.mark.parametrize("foreign", ["", "manual-1", "ct-1-2-3", "ct-a-1-0-o-1", "ct-0001-1-0-x-1"])
def test_l20_a_foreign_order_name_is_none_of_ours(foreign: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        ClientOrderId.parse(foreign)


def test_sides_have_signs_and_opposites() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)


def test_only_opening_orders_add_exposure() -> None:
    assert [purpose for purpose in Purpose if not purpose.reduces] == [Purpose.OPEN]


def test_greeks_add_and_scale() -> None:
    one = Greeks(delta=0.5, gamma=0.1, vega=2, theta=-1, rho=0.2)
    assert one + one == one.times(2)


@pytest.mark.parametrize(
    ("kind", "index", "pays"), [(OptionType.CALL, "71000", "1000"), (OptionType.PUT, "69000", "1000"), (OptionType.CALL, "70000", "0")]
)
def test_l33_an_option_pays_what_it_is_in_the_money(kind: OptionType, index: str, pays: str) -> None:
    assert an_option(70000, kind).payoff(Decimal(index)) == Decimal(pays)


def test_a_quote_of_zero_has_a_middle_and_a_missing_side_has_none() -> None:
    assert a_quote(bid="0", ask="2").mid == 1
    assert a_quote(bid=None).mid is None
    assert a_quote(ask=None).mid is None


def test_a_buyer_pays_the_ask_and_a_seller_gets_the_bid() -> None:
    assert (a_quote().executable(Side.BUY), a_quote().executable(Side.SELL)) == (Decimal(101), Decimal(99))


def test_a_chain_groups_by_expiry_soonest_first_and_finds_by_symbol() -> None:
    near, far = a_quote(an_option(expiry=EXPIRY)), a_quote(an_option(expiry=EXPIRY + timedelta(days=7)))
    chain = Chain("BTC", START, Decimal(65000), (far, near))
    assert list(chain.by_expiry) == [EXPIRY, EXPIRY + timedelta(days=7)]
    assert chain.by_symbol[near.option.symbol] is near


def test_an_order_through_the_depth_pays_the_average_and_a_thin_book_says_none() -> None:
    levels = (Level(Decimal(100), Decimal(1)), Level(Decimal(110), Decimal(1)))
    book = OrderBook(symbol="x", at=START, bids=levels[:1], asks=levels)
    assert book.average_price(Side.BUY, Decimal(2)) == 105
    assert book.average_price(Side.BUY, Decimal(3)) is None
    assert book.average_price(Side.SELL, Decimal("0.5")) == 100


def test_what_a_book_does_not_show_is_taken_at_its_last_price_where_that_is_asked_for() -> None:
    levels = (Level(Decimal(100), Decimal(1)), Level(Decimal(110), Decimal(1)))
    book = OrderBook(symbol="x", at=START, asks=levels)
    assert book.average_price(Side.BUY, Decimal(4), beyond=True) == (100 + 3 * 110) / Decimal(4)
    assert book.average_price(Side.BUY, Decimal(2), beyond=True) == 105
    assert book.average_price(Side.SELL, Decimal(1), beyond=True) is None  # an empty side has no last price


@pytest.mark.parametrize(("written", "exact"), [(0.1, "0.1"), ("9.50", "9.50"), (3, "3"), (Decimal("0.30"), "0.30")])
def test_l15_a_number_is_what_is_written(written: float | str | Decimal, exact: str) -> None:
    assert str(decimal_of(written)) == exact


@pytest.mark.parametrize("bad", ["x", "nan", float("inf"), True])
def test_what_is_not_a_finite_number_is_refused(bad: float | str) -> None:
    with pytest.raises(ValueError, match="not a"):
        decimal_of(bad)


def test_l15_rounding_goes_by_the_tick_and_never_to_zero() -> None:
    tick = Decimal("0.5")
    assert passive_price(Decimal("9.7"), tick, Side.BUY) == Decimal("9.5")
    assert passive_price(Decimal("9.7"), tick, Side.SELL) == Decimal("10.0")
    assert aggressive_price(Decimal("9.7"), tick, Side.BUY) == Decimal("10.0")
    assert aggressive_price(Decimal("9.7"), tick, Side.SELL) == Decimal("9.5")
    assert passive_price(Decimal("0.1"), tick, Side.BUY) == tick
    assert whole_lots(Decimal("0.599"), Decimal("0.1")) == Decimal("0.5")
    assert whole_lots(Decimal("0.09"), Decimal("0.1")) == 0


def test_a_day_starts_at_midnight_utc() -> None:
    assert utc_day_start(START) == START.replace(hour=0)


def test_l39_what_is_not_known_is_not_empty() -> None:
    unknown = unknown_account(START, "unreachable")
    assert (unknown.valid, unknown.equity, unknown.age, unknown.reason) == (False, None, None, "unreachable")


def test_a_snapshot_knows_its_age_its_holdings_and_their_greeks() -> None:
    account = an_account(now=START + timedelta(seconds=5), at=START, positions=[a_position(an_option(), "-0.5")])
    held = account.position(an_option().symbol)
    assert held is not None
    assert held.signed_qty == Decimal("-0.5")
    assert account.position("other") is None
    assert account.greeks == Greeks()
    assert at_now(account, START + timedelta(seconds=9)).age == timedelta(seconds=9)


def test_execution_params_list_every_problem_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ExecutionParams(fill_timeout_seconds=0, aggressive_buffer_pct=-1, max_requote_rounds=0)
    assert len(caught.value.problems) == 3


def test_execution_params_take_the_word_a_user_writes() -> None:
    assert LeggingPolicy(remedies="hold").remedies == (Remedy.HOLD,)  # type: ignore[arg-type]
    assert LeggingPolicy(remedies=["rfq", "unwind"]).remedies == (Remedy.RFQ, Remedy.UNWIND)  # type: ignore[arg-type]
    assert SmartExecConfig(quoting_strategy="mid").quoting_strategy is QuotingStrategy.MID  # type: ignore[arg-type]
    assert RFQParams(fallback="none").fallback is RFQFallback.NONE  # type: ignore[arg-type]


def test_what_a_user_gives_as_a_float_is_kept_exactly() -> None:
    smart = SmartExecConfig(reprice_price_threshold=0.1, min_order_qty=0.01)  # type: ignore[arg-type]
    assert (smart.reprice_price_threshold, smart.min_order_qty) == (Decimal("0.1"), Decimal("0.01"))


def test_l12_by_default_a_half_filled_structure_is_completed_across_the_spread_and_else_unwound() -> None:
    policy = ExecutionParams().legging
    assert policy.remedies == (Remedy.CROSS, Remedy.UNWIND)
    assert (policy.bought_first, policy.require_executable, policy.max_seconds, policy.max_loss_pct) == (True, True, 300, 1)


def test_the_documented_defaults_of_a_smart_execution() -> None:
    smart = SmartExecConfig()
    assert (smart.chunk_count, smart.time_per_chunk, smart.quoting_strategy) == (5, 600, QuotingStrategy.TOP_OF_BOOK)
    assert (smart.reprice_interval, smart.reprice_price_threshold, smart.min_order_qty) == (10, Decimal("0.1"), Decimal("0.01"))
    assert (smart.aggressive_attempts, smart.aggressive_wait_seconds, smart.aggressive_retry_pause) == (10, 5, 1)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: LeggingPolicy(remedies=()), "some of cross, unwind, rfq, hold"),
        (lambda: LeggingPolicy(remedies=("pray",)), "some of cross, unwind, rfq, hold"),  # type: ignore[arg-type]
        (lambda: LeggingPolicy(remedies=(Remedy.CROSS,)), "such that unwind or hold stands at the end, and only there"),
        (lambda: LeggingPolicy(max_seconds=0), "max_seconds must be a number of seconds above zero, not 0"),
        (lambda: LeggingPolicy(max_loss_pct=0), "max_loss_pct must be a number above zero, or None, not 0"),
        (lambda: LeggingPolicy(remedy_seconds=0), "remedy_seconds must be a number of seconds above zero"),
        (lambda: LeggingPolicy(cross_cap_pct=-1), "cross_cap_pct must be a number from 0 to 100"),
        (lambda: RFQParams(timeout_seconds=0, gather_seconds=0), "timeout_seconds must be a number of seconds above zero"),
        (lambda: RFQParams(poll_seconds=0.4), "poll_seconds must be a number of seconds, 0.5 or more"),
        (lambda: RFQParams(timeout_seconds=5, gather_seconds=6), "gather_seconds must be at most timeout_seconds"),
        (lambda: RFQParams(min_improvement_pct=101), "a number from -100 to 100, or None"),
        (lambda: LeggingPolicy(remedies=(Remedy.UNWIND, Remedy.CROSS)), "such that unwind or hold stands at the end, and only there"),
        (lambda: LeggingPolicy(bought_first="yes"), "bought_first must be True or False"),  # type: ignore[arg-type]
        (lambda: SmartExecConfig(chunk_count=2.5), "chunk_count must be a whole number"),  # type: ignore[arg-type]
        (lambda: SmartExecConfig(reprice_price_threshold="nan"), "reprice_price_threshold must be a number"),  # type: ignore[arg-type]
        (lambda: RFQParams(timeout_seconds="60"), "timeout_seconds must be a number of seconds above zero, not '60'"),  # type: ignore[arg-type]
        (lambda: RFQParams(fallback="pray"), "fallback must be one of limit, smart, none"),  # type: ignore[arg-type]
        (lambda: SmartExecConfig(chunk_count=0), "chunk_count must be a whole number from 1 to 100"),
        (lambda: SmartExecConfig(reprice_interval=9), "reprice_interval must be a number of seconds, 10 or more"),
        (lambda: SmartExecConfig(quoting_strategy="best"), "quoting_strategy must be one of top_of_book"),  # type: ignore[arg-type]
        (lambda: ExecutionParams(smart={}), "smart must be of type SmartExecConfig"),  # type: ignore[arg-type]
        (lambda: ExecutionParams(rfq=None), "rfq must be of type RFQParams"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_parameter_of_execution_is_refused_where_it_is_written(make: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        make()


@pytest.mark.parametrize("edge", [-100, 0, 100, None])
def test_an_improvement_of_zero_and_none_are_different_wishes(edge: float | None) -> None:
    assert RFQParams(min_improvement_pct=edge).min_improvement_pct == edge
    assert LeggingPolicy(max_loss_pct=None).max_loss_pct is None


def test_a_snapshot_cannot_change() -> None:
    with pytest.raises(AttributeError):
        an_account().equity = Decimal(0)  # type: ignore[misc]


def test_all_that_is_wrong_with_a_declared_value_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        RFQParams(timeout_seconds="60", poll_seconds="a", fallback="x", min_improvement_pct="z")  # type: ignore[arg-type]
    assert len(told.value.problems) == 4
