"""The maker at work: what it answers, how much at most, and what becomes of what was taken."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain import OrderType, Purpose, RequestPush, RFQStatus, Side
from domain.quoting import QuoteLimits, QuotingPolicy, RequestFilter
from errors import RiskDenied
from events import BlockQuoted, BlockQuoteIntended, OrderIntended, TradeCreated
from execution_quality import QualityBook
from quote_execution import version_of
from rfq_maker import load_makers
from trade_lifecycle import TradeState

from tests.fakes import START
from tests.unit.maker_house import PUT, MakerHouse
from tests.unit.maker_stories import PLAIN, a_house, a_policy, all_well, ended, quoted
from tests.unit.maker_venue import CALL, HIGH, a_leg

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
    assert house.alerts.about("refused maker")
    assert house.trade.reason == "the gate refused its quote: too far from the mark"


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
