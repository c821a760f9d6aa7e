"""The simulated makers: when they answer, at what price, and when they would rather not."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import mean

import pytest

from domain import Side
from errors import ConfigError, DataNotFresh
from paper.block_rows import BlockQuoteRow, QuoteState, RequestRow, RequestState, StatedLeg
from paper.engine import Engine
from paper.ledger import total_cash
from paper.makers import FIRST_MAKER, MakerModel
from paper.market import IndexView
from paper.rules import BlockRules, Faults, Refused, Rules

from tests.unit.paper.block_market import BOTH, BUY, SELL, a_block_engine, a_block_feed, a_request_for, lots_of
from tests.unit.paper.engine_market import ALICE, CALL, PUT, START, D, ScriptedFeed, levels

SECOND = timedelta(seconds=1)
KEEN = MakerModel(answer_chance=1.0, pull_chance=0.0)


def a_staffed_engine(feed: ScriptedFeed | None = None, model: MakerModel = KEEN, **rules: object) -> Engine:
    engine = a_block_engine(feed, "1000000", **rules)
    engine.hire(model)
    return engine


def run(engine: Engine, seconds: float, since: datetime | None = None) -> datetime:
    """Beat the heart ten times a second."""
    now = since or engine.now
    for _ in range(int(seconds * 10)):
        now += SECOND / 10
        engine.advance(now)
    return now


def answers(engine: Engine, request: RequestRow, state: QuoteState | None = None) -> list[BlockQuoteRow]:
    return [quote for quote in engine.board.quotes_on(request.request_id) if state in {None, quote.state}]


def cost(quote: BlockQuoteRow) -> Decimal:
    """What the taker would pay."""
    return sum((leg.side.sign * -leg.price * leg.qty for leg in quote.legs), D(0))


def test_every_maker_quotes_both_sides_three_to_five_seconds_after_the_request() -> None:
    engine = a_staffed_engine()
    request = a_request_for(engine)

    run(engine, 2.9)
    assert not answers(engine, request)
    run(engine, 2.3)

    quotes = answers(engine, request)
    assert sorted((quote.user, quote.side) for quote in quotes) == [(FIRST_MAKER + n, side) for n in range(4) for side in (BUY, SELL)]
    waits = [quote.created - START for quote in quotes]
    assert min(waits) >= 3 * SECOND and max(waits) <= 5.1 * SECOND
    assert len(set(waits)) > 3


def test_a_maker_asks_more_than_it_bids_and_each_has_a_view_of_its_own() -> None:
    engine = a_staffed_engine()
    request = a_request_for(engine)
    run(engine, 6)

    quotes = answers(engine, request)
    asks, bids = ({quote.user: abs(cost(quote)) for quote in quotes if quote.side is side} for side in (SELL, BUY))

    assert all(bids[maker] < asks[maker] for maker in asks)
    assert len(set(asks.values())) == 4
    assert all(2700 < price < 3300 for price in (*asks.values(), *bids.values()))


def test_a_wider_model_quotes_wider_and_a_mixed_structure_narrower_than_the_sum_of_its_legs() -> None:
    def width(model: MakerModel, *legs: StatedLeg) -> Decimal:
        engine = a_staffed_engine(model=model)
        request = a_request_for(engine, *legs)
        run(engine, 6)
        quotes = [quote for quote in answers(engine, request) if quote.user == FIRST_MAKER]
        return sum((cost(quote) for quote in quotes), D(0))  # pays the ask, receives the bid

    wide = MakerModel(answer_chance=1.0, vol_width=1.0)
    hedged = StatedLeg(CALL.symbol, BUY, D(1)), StatedLeg(PUT.symbol, SELL, D(1))

    assert width(wide) > 2 * width(KEEN) > 0
    assert width(KEEN, *hedged) < D("0.7") * width(KEEN)


def test_the_same_seed_quotes_the_same_and_another_does_not() -> None:
    def prices(seed: int) -> list[tuple[int, Decimal]]:
        engine = a_staffed_engine(model=MakerModel(seed=seed, answer_chance=1.0))
        request = a_request_for(engine)
        run(engine, 6)
        return [(quote.user, cost(quote)) for quote in answers(engine, request)]

    assert prices(7) == prices(7) != prices(8)


def test_a_request_beyond_a_makers_size_is_not_answered() -> None:
    small = MakerModel(answer_chance=1.0, max_coins={"BTC": D("0.5")})
    engine = a_staffed_engine(model=small)
    request = a_request_for(engine)

    run(engine, 10)

    assert not answers(engine, request)


def test_a_maker_quotes_anew_when_the_market_moves_and_not_when_it_stands() -> None:
    feed = a_block_feed()
    engine = a_staffed_engine(feed)
    request = a_request_for(engine)
    now = run(engine, 20)
    still = len(answers(engine, request))
    feed.quote(CALL, now, levels(("1680", "9")), levels(("1720", "9")), mark="1700")

    run(engine, 1)

    assert still == 8
    assert len(answers(engine, request)) == 16
    assert len(answers(engine, request, QuoteState.OPEN)) == 8
    assert min(abs(cost(quote)) for quote in answers(engine, request, QuoteState.OPEN)) > 3000


def test_quotes_that_run_out_are_renewed_after_a_while() -> None:
    engine = a_staffed_engine()
    request = a_request_for(engine)

    run(engine, 312)

    assert len(answers(engine, request, QuoteState.EXPIRED)) == 8
    assert len(answers(engine, request, QuoteState.OPEN)) == 8


def test_makers_widen_in_a_fast_market_and_vanish_in_a_very_fast_one() -> None:
    """L25: whoever must leave in a fast market cannot wait for them."""

    def width(index: str) -> tuple[Decimal, int]:
        feed = a_block_feed()
        engine = a_staffed_engine(feed)
        request = a_request_for(engine)
        now = run(engine, 8)
        feed.move(index, now)
        run(engine, 3)
        open_ones = answers(engine, request, QuoteState.OPEN)
        return sum((cost(quote) for quote in open_ones), D(0)), len(open_ones)

    calm, fast, wild = width("95000"), width("95190"), width("95400")
    assert calm[1] == fast[1] == 8
    assert fast[0] > D("1.4") * calm[0]
    assert wild[1] == 0


def test_makers_come_back_when_the_market_has_calmed_down() -> None:
    feed = a_block_feed()
    engine = a_staffed_engine(feed)
    request = a_request_for(engine)
    now = run(engine, 8)
    feed.move("95400", now)

    run(engine, 40)

    assert len(answers(engine, request, QuoteState.OPEN)) == 8


def test_a_maker_that_trades_ends_with_the_other_side_of_it_and_nothing_is_created() -> None:
    engine = a_staffed_engine()
    request = a_request_for(engine)
    now = run(engine, 6)
    chosen = min((quote for quote in answers(engine, request) if quote.side is SELL), key=cost)

    engine.board.accept(ALICE, request.request_id, chosen.quote_id, now)

    assert (lots_of(engine, ALICE), lots_of(engine, chosen.user)) == (100, -100)
    assert total_cash(engine.accounts.values()) == 0
    assert not answers(engine, request, QuoteState.OPEN)


def test_a_quote_pulled_at_acceptance_is_cancelled_and_nothing_is_traded() -> None:
    engine = a_staffed_engine(model=MakerModel(answer_chance=1.0, pull_chance=1.0))
    request = a_request_for(engine)
    now = run(engine, 6)
    chosen, cash = answers(engine, request)[0], {user: account.cash for user, account in engine.accounts.items()}

    with pytest.raises(Refused, match=r"^50014 "):
        engine.board.accept(ALICE, request.request_id, chosen.quote_id, now)

    assert {user: account.cash for user, account in engine.accounts.items()} == cash
    assert engine.board.quotes[chosen.quote_id].state is QuoteState.CANCELLED
    assert engine.board.requests[request.request_id].state is RequestState.ACTIVE


def test_pulling_happens_about_as_often_as_the_model_says() -> None:
    engine = a_staffed_engine(model=MakerModel(answer_chance=1.0, pull_chance=0.25))
    pulled: list[bool] = []
    for _ in range(25):
        request = a_request_for(engine)
        run(engine, 6)
        assert engine.makers is not None
        pulled += [engine.makers.pulls(request, quote) for quote in answers(engine, request)]

    assert len(pulled) == 200
    assert 0.15 < mean(pulled) < 0.36


def test_where_one_quote_per_request_is_the_rule_makers_offer_the_structure_as_stated() -> None:
    engine = a_staffed_engine(quote_per_side=False)
    request = a_request_for(engine)

    run(engine, 6)

    assert [quote.side for quote in answers(engine, request)] == [SELL] * 4


# ---- what a rehearsal can ask of them


def faulty(fault: Faults) -> tuple[Engine, RequestRow]:
    engine = a_staffed_engine()
    engine.faults[ALICE] = fault
    return engine, a_request_for(engine)


def test_silent_makers_send_nothing() -> None:
    engine, request = faulty(Faults(makers_silent=True))
    run(engine, 30)
    assert not answers(engine, request)


def test_late_makers_answer_that_much_later() -> None:
    engine, request = faulty(Faults(makers_late=timedelta(seconds=20)))
    run(engine, 22.9)
    early = len(answers(engine, request))
    run(engine, 3)
    assert (early, len(answers(engine, request))) == (0, 8)


@pytest.mark.parametrize(("pct", "wanted"), [("2", {D("3100.8"), D("-2900.8")}), ("-1", {D("3009.6"), D("-2989.6")})])
def test_bad_and_good_quotes_are_a_known_share_away_from_the_book(pct: str, wanted: set[Decimal]) -> None:
    """Two asks of 1520 are 3040, two bids of 1480 are 2960."""
    engine, request = faulty(Faults(makers_worse_pct=D(pct)))
    run(engine, 6)
    assert {cost(quote) for quote in answers(engine, request)} == wanted


def test_a_bad_quote_is_measured_against_the_depth_that_the_size_needs() -> None:
    feed = a_block_feed()
    feed.quote(CALL, START, levels(("1480", "9")), levels(("1520", "1"), ("1560", "1")))
    engine = a_staffed_engine(feed)
    engine.faults[ALICE] = Faults(makers_worse_pct=D(0))
    request = a_request_for(engine, StatedLeg(CALL.symbol, BUY, D(2)))
    run(engine, 6)
    assert {cost(quote) for quote in answers(engine, request) if quote.side is SELL} == {D(3080)}


def test_vanishing_makers_pull_every_quote_that_is_accepted() -> None:
    engine, request = faulty(Faults(makers_vanish=True))
    now = run(engine, 6)
    for quote in answers(engine, request):
        with pytest.raises(Refused, match=r"^50014 "):
            engine.board.accept(ALICE, request.request_id, quote.quote_id, now)
    assert not engine.board.blocks


# ---- restart and settings


def test_makers_go_on_after_a_restart_as_if_there_had_been_none() -> None:
    feed = a_block_feed()
    engine = a_staffed_engine(feed)
    request = a_request_for(engine)
    now = run(engine, 3.6)
    kept = engine.snapshot()
    run(engine, 10, now)
    again = Engine.restore(feed, Rules(block=BlockRules()), kept)
    again.hire(KEEN)

    run(again, 10, now)

    assert again.snapshot() == engine.snapshot()
    assert len(answers(again, request)) == 8


def test_makers_hired_over_an_older_state_get_accounts_and_cash_still_sums_to_zero() -> None:
    feed = a_block_feed()
    again = Engine.restore(feed, Rules(), a_block_engine(feed).snapshot())

    again.hire(KEEN)

    assert [again.accounts[FIRST_MAKER + n].name for n in range(4)] == ["maker-1", "maker-2", "maker-3", "maker-4"]
    assert total_cash(again.accounts.values()) == 0


class YoungFeed(ScriptedFeed):
    """A market without a past."""

    def index(self, underlying: str, now: datetime, /) -> IndexView:
        if now < START:
            raise DataNotFresh("recordings", "index", "nothing before the first one")
        return super().index(underlying, now)


def test_makers_quote_in_the_first_moments_of_a_recording() -> None:
    feed = YoungFeed()
    feed.views = a_block_feed().views
    engine = a_staffed_engine(feed)
    request = a_request_for(engine)

    run(engine, 6)

    assert len(answers(engine, request)) == 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": -1},
        {"number": 81},
        {"cash": D(-1)},
        {"net_share": 1.1},
        {"narrowest": 0.0},
        {"narrowest": 2.0},
        {"fastest_answer": timedelta(seconds=6)},
        {"fast_move": 0.01},
    ],
)
def test_a_model_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        MakerModel(**wrong)  # type: ignore[arg-type]


def test_makers_do_not_answer_each_other_or_where_a_leg_is_gone() -> None:
    engine = a_staffed_engine()
    own = engine.board.request(FIRST_MAKER, BOTH, START)
    late = a_request_for(engine, now=CALL.expiry - 2 * SECOND)
    run(engine, 8, CALL.expiry - 2 * SECOND)

    def given(rows: Sequence[RequestRow]) -> list[Side]:
        return [quote.side for row in rows for quote in engine.board.quotes_on(row.request_id)]

    assert given((own, late)) == []
