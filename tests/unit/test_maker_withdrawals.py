"""When the maker takes an answer back or makes it anew, and what it leaves alone because it is another program's."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from domain import QuoteStatus, TradingState
from domain.quoting import QuoteLimits
from errors import JournalError
from events import StrategyChanged
from trade_lifecycle import TradeState

from tests.fakes import SECOND
from tests.unit.maker_house import MakerHouse
from tests.unit.maker_stories import a_house, all_well, ended, quoted
from tests.unit.maker_venue import CALL, EXISTS

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
