"""The maker at work: what it answers, when it takes an answer back, and that no reply, race or death makes its books wrong."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import (
    BlockPush,
    OrderType,
    Purpose,
    QuotePush,
    QuoteStatus,
    RequestPush,
    RFQStatus,
    Side,
    TradingState,
)
from domain.quoting import QuoteLimits, QuotingPolicy, RequestFilter, Width
from errors import ExchangeRejected, ExchangeUnavailable, JournalError, RiskDenied
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
    StrategyChanged,
    TradeCreated,
)
from execution_quality import QualityBook
from rfq_maker import load_makers, version_of
from trade_lifecycle import TradeState

from tests.fakes import SECOND, START
from tests.unit.maker_fakes import CALL, EXISTS, HIGH, PUT, MakerHouse, a_leg

# Half a vol point of a vega of 20 USD: ten USD a coin, offered at 1010.
TEN = Width(vol_points=0.5, per_coin=Decimal(1), size_add_pct=0)
PLAIN = QuotingPolicy(name="maker", width=TEN, min_edge_per_coin=Decimal(0), fee_pct=Decimal(0))


def a_policy(**changed: object) -> QuotingPolicy:
    return replace(PLAIN, **changed)  # type: ignore[arg-type]


def a_house(**changed: object) -> MakerHouse:
    """One request for a call, and a maker who answers."""
    house = MakerHouse(a_policy(**changed))
    house.venue.ask()
    return house


def quoted(house: MakerHouse | None = None) -> MakerHouse:
    """Go to the moment at which an answer stands."""
    house = house or a_house()
    return house.until(lambda: house.standing)


def ended(house: MakerHouse) -> list[tuple[str, str]]:
    """How each quote ended, and why."""
    return [(event.outcome, event.reason) for event in house.journal.of(BlockQuoteEnded) if isinstance(event, BlockQuoteEnded)]


def all_well(house: MakerHouse) -> None:
    """Nothing of ours is at the venue that our books do not hold, and at most one quote ever stood on a request."""
    assert house.books_agree()
    assert house.venue.most_open <= 1
    assert house.lifecycle.failures == 0, house.alerts.raised
    assert not house.alerts.about("block")


# ---- answering


def test_a_request_is_answered_around_fair_value_and_what_is_taken_is_an_open_trade() -> None:
    house = quoted()
    [quote] = house.standing
    assert [(leg.side, leg.price, leg.qty) for leg in quote.legs] == [(Side.SELL, Decimal(1010), Decimal(1))]
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    [leg] = house.trade.legs
    assert (leg.held, leg.open_value, leg.fees) == (Decimal(-1), Decimal(1010), Decimal("0.7"))
    assert ended(house) == [("filled", "")]
    all_well(house)


def test_l05_every_leg_is_journalled_before_the_quote_goes_out_and_all_in_one() -> None:
    house = MakerHouse(PLAIN)
    house.venue.ask(a_leg(CALL), a_leg(HIGH, Side.SELL))
    quoted(house)
    kinds = [type(event) for event in house.journal.events]
    first = kinds.index(BlockQuoteIntended)
    assert kinds[first : first + 4] == [BlockQuoteIntended, OrderIntended, OrderIntended, BlockQuoted]
    assert {each.new.order_type for each in house.executor.ledger.live()} == {OrderType.BLOCK_TRADE}


def test_l05_legs_that_cannot_be_journalled_are_not_offered() -> None:
    house = a_house()
    house.journal.fail_on = (OrderIntended,)
    house.tick(5)
    assert house.venue.asked["quote"] == 0
    assert house.alerts.about("journal")


def test_l24_a_spread_is_priced_leg_by_leg_against_its_taker_whatever_leg_stands_first() -> None:
    house = MakerHouse(PLAIN)
    house.venue.ask(a_leg(HIGH, Side.SELL), a_leg(CALL))
    [quote] = quoted(house).standing
    assert [(leg.symbol, leg.side) for leg in quote.legs] == [(HIGH.symbol, Side.BUY), (CALL.symbol, Side.SELL)]
    assert quote.legs[0].price < 400
    assert quote.legs[1].price > 1000


def test_a_structure_that_its_taker_may_buy_or_sell_is_answered_on_the_side_that_the_policy_takes() -> None:
    house = quoted(a_house(requests=RequestFilter(sides="buy")))
    assert [(leg.side, leg.price) for leg in house.standing[0].legs] == [(Side.BUY, Decimal(990))]
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    assert house.trade.legs[0].held == 1
    all_well(house)


def test_a_structure_with_both_sides_is_answered_only_as_its_taker_stated_it() -> None:
    house = MakerHouse(a_policy(requests=RequestFilter(sides="buy")))
    house.venue.ask(a_leg(CALL), a_leg(HIGH, Side.SELL))
    house.tick(5)
    assert house.venue.quotes == {}
    assert "direction" in house.maker.why_not("maker")["r1"]


def test_a_long_book_is_offered_before_more_is_bid_for() -> None:
    house = quoted(a_house(requests=RequestFilter(sides="buy")))
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    house = house.restart(a_policy(requests=RequestFilter(sides=("buy", "sell"))))
    house.venue.ask(a_leg(HIGH))
    assert quoted(house).standing[0].legs[0].side is Side.SELL


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"requests": RequestFilter(structures=["strangle"])}, "single"),
        ({"requests": RequestFilter(min_notional=Decimal(70001))}, "notional"),
        ({"requests": RequestFilter(max_notional=Decimal(69999))}, "notional"),
        ({"requests": RequestFilter(min_days=26)}, "days"),
        ({"requests": RequestFilter(max_days=20)}, "days"),
        ({"limits": QuoteLimits(max_quantity=Decimal("0.5"))}, "coins"),
        ({"underlyings": ["ETH"]}, "listed"),
        ({"min_edge_per_coin": Decimal(10**6), "requests": RequestFilter(sides="buy")}, "edge"),
        ({"dry_run": True}, "DRY RUN"),
    ],
)
def test_what_a_policy_does_not_want_is_not_answered_and_says_why(changed: dict[str, object], word: str) -> None:
    house = a_house(**changed)
    house.tick(5)
    assert house.venue.quotes == {}
    assert house.journal.of(TradeCreated) == []
    assert word in house.maker.why_not("maker")["r1"] or word == "edge"


def test_an_option_that_is_not_listed_is_never_quoted_and_one_listed_later_is() -> None:
    house = a_house()
    house.market.options = [HIGH]
    house.tick(10)
    assert house.venue.quotes == {}
    house.market.options = [HIGH, CALL]
    house.until(lambda: house.standing, most=90)


def test_without_streams_the_lists_are_asked_for_and_a_push_is_quicker() -> None:
    house = MakerHouse(PLAIN)
    house.venue.lists_fail = True
    house.venue.ask()
    house.tick(5)
    assert house.venue.quotes == {}
    push = house.venue.board["r1"]
    house.maker.news(push)
    house.maker.news(push)
    house.tick(2)
    assert len(house.venue.quotes) == 1
    all_well(house)


def test_a_list_that_cannot_be_had_calls_a_person_and_is_asked_for_again() -> None:
    house = a_house()
    house.venue.lists_fail = True
    house.tick(5)
    assert not house.alerts.about("quoting blind")
    house.tick(20)
    assert house.alerts.about("quoting blind")
    house.venue.lists_fail = False
    quoted(house)


def test_news_of_our_own_requests_is_not_quoted() -> None:
    house = MakerHouse(PLAIN)
    house.venue.lists_fail = True
    house.venue.ask()
    house.maker.news(replace(house.venue.board["r1"], ours=True))
    house.tick(5)
    assert house.venue.quotes == {}


def test_a_request_that_is_over_stays_over_however_late_older_news_arrives() -> None:
    house = MakerHouse(PLAIN)
    house.venue.lists_fail = True
    house.venue.ask()
    old: RequestPush = house.venue.board["r1"]
    house.maker.news(replace(old, status=RFQStatus.CANCELLED))
    house.maker.news(old)
    house.tick(5)
    assert house.venue.quotes == {}


def test_one_declaration_that_fails_does_not_stop_its_neighbours_and_names_belong_to_one() -> None:
    def broken() -> QuotingPolicy:
        return QuotingPolicy(name="not a name", requote_share=0)

    def breaking() -> QuotingPolicy:
        raise KeyError("a user's own mistake")

    def odd() -> QuotingPolicy:
        return "maker"  # type: ignore[return-value]

    good = [a_policy, a_policy, lambda: a_policy(name="strangler")]
    policies, problems = load_makers([broken, breaking, odd, *good], taken=["strangler"])
    assert [policy.name for policy in policies] == ["maker"]
    assert len(problems) == 6
    for word in ("requote_share", "own mistake", "not a QuotingPolicy", "'maker' is taken", "'strangler' is taken"):
        assert any(word in problem for problem in problems), word


def test_the_version_of_a_policy_marks_its_trades_and_changes_with_it() -> None:
    first, same, other = (version_of(a_policy(requote_share=share)) for share in (0.3, 0.3, 0.4))
    assert first == same != other
    assert first.startswith("maker-")


# ---- taking back


Change = Callable[[MakerHouse], object]
BACK: dict[str, tuple[Change, str]] = {
    "the request ends": (lambda house: house.venue.over(), "the request is over"),
    "the market is stale": (lambda house: setattr(house.market, "stale", True), "no fresh mark"),
    "the account halts": (lambda house: setattr(house, "state", TradingState.HALTED), "the account is halted"),
    "the account only reduces": (lambda house: setattr(house, "state", TradingState.REDUCING), "the account is reducing"),
    "the account is unknown": (lambda house: setattr(house, "known", False), "the account is not known"),
    "a person pauses it": (lambda house: house.maker.pause("maker", "lunch"), "lunch"),
    "entries are blocked": (lambda house: house.lifecycle.block_entries("kill", "the kill switch"), "the kill switch"),
}


@pytest.mark.parametrize("name", BACK)
def test_an_answer_is_taken_back_when(name: str) -> None:
    change, reason = BACK[name]
    house = quoted()
    change(house)
    house.until(lambda: house.trade.state is TradeState.FAILED)
    assert house.standing == []
    assert reason in house.trade.reason
    assert len(ended(house)) == 1
    assert ended(house)[0][0] == "cancelled"
    house.tick(20)
    assert house.standing == []
    all_well(house)


@pytest.mark.parametrize("greek", ["delta", "vega", "gamma"])
def test_an_answer_is_taken_back_when_a_greek_has_moved_beyond_its_limit(greek: str) -> None:
    limits = {"delta": QuoteLimits(delta=0.5), "vega": QuoteLimits(vega=30), "gamma": QuoteLimits(gamma=0.0015)}[greek]
    house = quoted(a_house(limits=limits))
    seen = house.market.by_symbol[CALL.symbol]
    assert seen.greeks is not None
    house.market.by_symbol[CALL.symbol] = replace(seen, greeks=seen.greeks.times(2))
    house.until(lambda: house.trade.state is TradeState.FAILED)
    assert greek in house.trade.reason
    assert house.standing == []


@pytest.mark.parametrize("word", ["pause", "stop"])
def test_a_maker_that_a_person_set_still_answers_nothing_after_a_restart_until_it_is_resumed(word: str) -> None:
    house = quoted()
    getattr(house.maker, word)("maker", "a person asked for it")
    house.until(lambda: not house.standing)
    house = house.restart()
    house.tick(20)
    assert house.standing == []
    house.maker.resume("maker", "a person asked for it")
    quoted(house)
    all_well(house)


def test_l05_a_pause_that_cannot_be_journalled_holds_and_a_resume_that_cannot_be_is_none() -> None:
    house = quoted()
    house.journal.fail_on = (StrategyChanged,)
    for act in (house.maker.pause, house.maker.resume):
        with pytest.raises(JournalError):
            act("maker", "a person asked for it")
    house.until(lambda: not house.standing)
    house.tick(10)
    assert house.standing == []


def test_what_was_taken_back_is_answered_again_once_nothing_speaks_against_it() -> None:
    house = quoted()
    house.market.stale = True
    house.until(lambda: house.trade.state is TradeState.FAILED)
    house.market.stale = False
    quoted(house)
    assert len(house.lifecycle.trades) == 2
    all_well(house)


def test_a_small_move_of_fair_value_moves_nothing_and_a_large_one_replaces_the_quote_once_the_old_one_is_gone() -> None:
    house = quoted()
    house.market.show(CALL, "1002")
    house.tick(10)
    assert len(house.venue.quotes) == 1
    house.market.show(CALL, "1004")
    house.until(lambda: len(house.venue.quotes) == 2)
    assert [leg.price for leg in house.standing[0].legs] == [1014]
    assert len(house.lifecycle.trades) == 1
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    assert house.trade.legs[0].open_value == 1014
    all_well(house)


def test_l04_nothing_is_made_anew_while_the_old_quote_may_be_taken() -> None:
    house = quoted()
    house.venue.cancel_fails = 3
    house.market.show(CALL, "1100")
    house.tick(12)
    assert [leg.price for leg in house.standing[0].legs] == [1010]
    assert house.venue.asked["quote"] == 1
    house.until(lambda: [leg.price for quote in house.standing for leg in quote.legs] == [1110])
    all_well(house)


def test_a_quote_is_made_anew_at_the_end_of_its_own_life() -> None:
    house = quoted(a_house(quote_life_seconds=30))
    house.tick(25)
    assert len(house.venue.quotes) == 1
    house.tick(10)
    assert len(house.venue.quotes) == 2
    assert house.standing[0].status is QuoteStatus.OPEN
    all_well(house)


def test_a_quote_that_nobody_prices_any_more_is_taken_back() -> None:
    house = quoted()
    house.tick(14, priced=False)
    assert len(house.standing) == 1
    house.tick(5, priced=False)
    assert house.standing == []
    assert "nobody has priced it" in house.trade.reason


def test_a_quote_that_expires_at_the_venue_is_over_only_when_the_venue_says_so() -> None:
    house = quoted(a_house(quote_life_seconds=290))
    house.venue.cancel_fails = house.venue.find_fails = 10**6
    house.clock.advance(timedelta(minutes=6))
    house.tick(5)
    assert house.executor.ledger.working(1, 0) == 1
    house.venue.find_fails = 0
    house.until(lambda: ended(house), most=60)
    assert ended(house)[0][0] == "expired"
    assert house.executor.ledger.working(1, 0) == 0
    all_well(house)


def test_a_person_closes_a_trade_that_waits_and_its_quote_is_gone_first() -> None:
    house = quoted()
    house.venue.cancel_fails = 1
    house.lifecycle.force_close(1, "a person says so")
    house.tick(2)
    assert house.trade.state is TradeState.PENDING_CLOSE
    assert len(house.standing) == 1
    house.until(lambda: house.trade.state is TradeState.FAILED)
    assert house.standing == []


def test_only_policies_that_say_so_take_their_quotes_back_on_a_stop() -> None:
    left = quoted()
    left.maker.leave()
    assert len(left.standing) == 1
    taken = quoted(a_house(cancel_on_stop=True))
    taken.maker.leave()
    assert taken.standing == []


def test_a_stop_waits_until_what_it_takes_back_is_known_to_be_gone() -> None:
    house = quoted(a_house(cancel_on_stop=True))
    house.venue.cancel_fails = 1
    house.maker.leave()
    waits = []
    for _ in range(8):
        house.inbox.drain()
        house.clock.advance(SECOND)
        waits.append(house.maker.step_out(house.clock.now()))
    assert (waits[0], waits[-1], house.standing) == (True, False, [])


# ---- limits


def test_l21_open_quotes_count_against_the_inventory_as_if_they_were_taken() -> None:
    house = MakerHouse(a_policy(limits=QuoteLimits(max_quantity=Decimal(1), per_underlying=Decimal(2), max_open_quotes=9)))
    for option in (CALL, HIGH, PUT):
        house.venue.ask(a_leg(option))
    house.tick(10)
    assert len(house.standing) == 2
    assert "coins of one underlying" in house.maker.why_not("maker")["r3"]
    house.venue.over("r1")
    house.until(lambda: house.venue.open_on("r3"))


def test_no_more_quotes_are_open_than_allowed() -> None:
    house = MakerHouse(a_policy(limits=QuoteLimits(max_open_quotes=1)))
    house.venue.ask()
    house.venue.ask(a_leg(HIGH))
    house.tick(10)
    assert len(house.standing) == 1


def test_what_is_held_counts_and_an_offer_that_lowers_it_does_not_stand_still_for_it() -> None:
    house = quoted(a_house(limits=QuoteLimits(max_quantity=Decimal(1), per_underlying=Decimal(1))))
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    house.venue.ask(a_leg(HIGH))
    house.tick(10)
    assert house.standing == []
    assert "coins of one underlying" in house.maker.why_not("maker")["r2"]


def test_a_leg_against_one_that_another_trade_of_ours_holds_is_not_offered() -> None:
    house = quoted()
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    house = house.restart(a_policy(requests=RequestFilter(sides="buy")))
    house.venue.ask()
    house.tick(10)
    assert house.standing == []
    assert "net against" in house.maker.why_not("maker")["r2"]


def test_the_gate_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    house = a_house()

    def refuse(*_: object) -> None:
        raise RiskDenied("too far from the mark")

    monkeypatch.setattr(house.executor, "gate", refuse)
    house.until(lambda: house.lifecycle.trades and house.trade.state is TradeState.FAILED)
    assert house.venue.quotes == {}
    assert house.alerts.about("refused maker#1")


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


# ---- others on the account


def test_l20_quotes_of_another_program_are_left_alone_and_their_requests_too() -> None:
    house = a_house()
    house.venue.stranger()
    house.tick(30)
    assert [quote.quote_id for quote in house.standing] == ["q1"]
    assert house.venue.asked["cancel"] == house.venue.asked["cancel all"] == 0
    assert house.alerts.about("quotes of others")


def test_quotes_that_our_journal_lost_are_taken_back_where_no_other_program_quotes() -> None:
    house = a_house(exclusive=True)
    house.venue.stranger()
    house.until(lambda: [leg.price for quote in house.standing for leg in quote.legs] == [1010], most=200)
    assert house.venue.asked["cancel all"] == 0
    all_well(house)


def test_an_existing_quote_of_another_refuses_ours_and_nothing_of_it_is_booked() -> None:
    house = a_house()
    house.venue.refuse_quote = EXISTS
    house.until(lambda: ended(house))
    assert ended(house)[0][0] == "refused"
    assert house.executor.ledger.working(1, 0) == 0


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_dependable_cancel_of_everything_is_used_only_where_all_is_ours(exclusive: bool) -> None:
    house = quoted(a_house(exclusive=exclusive))
    house.venue.cancel_fails = 10**6
    house.state = TradingState.HALTED
    house.tick(60)
    assert (house.venue.asked["cancel all"] > 0) is exclusive
    assert (house.standing == []) is exclusive


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


# ---- afterwards


def test_what_was_taken_is_managed_by_the_policys_exits_and_leaves_through_other_makers_first() -> None:
    house = quoted(a_house(exit_conditions=[lambda _account, trade: trade.opened_at is not None]))
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.CLOSING)
    house.until(lambda: house.others.requests)
    assert house.trade.strategy == "maker"


def test_settled_and_ended_trades_leave_nothing_behind() -> None:
    house = quoted()
    house.venue.over()
    house.until(lambda: house.trade.state is TradeState.FAILED)
    house.tick(5)
    assert house.quotes.live == ()
    assert house.executor.ledger.live() == ()
    assert house.clock.now() > START


def test_an_opening_by_a_taker_is_no_measure_of_what_asking_makers_costs_and_the_close_is() -> None:
    house = quoted()
    house.venue.take()
    house.until(lambda: house.trade.state is TradeState.OPEN)
    book = QualityBook(house.journal.events)
    assert (book.of(1), book.last(1), book.costs("single", Purpose.OPEN)) == ((), None, {})
    house.lifecycle.force_close(1, "a person")
    house.tick(5)
    assert {each.purpose for each in QualityBook(house.journal.events).of(1)} == {Purpose.CLOSE}
