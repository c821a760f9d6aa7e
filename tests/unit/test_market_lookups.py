"""What is asked of the market by itself: quotes of what we hold, lists and details for scripts, kept for a while and never old."""

from dataclasses import replace
from datetime import timedelta

import pytest

from errors import DataNotFresh, ExchangeUnavailable, NoMatchingInstrument

from tests.unit.chains import NOW, an_option
from tests.unit.market_fakes import Desk

S = timedelta(seconds=1)
DOWN = ExchangeUnavailable("fake", "read", "connection refused")


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ---- quotes of what we hold


def test_quotes_are_of_the_options_asked_for() -> None:
    desk = Desk(at_once=True)
    held = [an_option(100_000), an_option(95_000, "P"), an_option(days=28)]

    quotes = desk.market.quotes(held)

    assert set(quotes) == {option.symbol for option in held}
    assert len([call for call in desk.reader.calls if call.startswith("chain")]) == 2  # one per expiry


def test_an_option_whose_quote_is_not_fresh_is_left_out(desk: Desk) -> None:
    assert desk.market.quotes([an_option()]) == {}
    desk.pool.finish()
    assert set(desk.market.quotes([an_option()])) == {an_option().symbol}
    desk.reader.down = DOWN
    desk.live(31 * S)

    assert desk.market.quotes([an_option()]) == {}


def test_a_quote_older_than_its_chain_is_judged_by_its_own_time() -> None:
    desk = Desk(at_once=True)
    desk.reader.late = an_option()

    assert set(desk.market.quotes([an_option(), an_option(95_000)])) == {an_option(95_000).symbol}


def test_an_option_that_is_not_listed_or_has_expired_has_no_quote() -> None:
    desk = Desk(at_once=True)

    assert desk.market.quotes([replace(an_option(), symbol="GONE"), an_option(expiry=NOW)]) == {}
    assert [call for call in desk.reader.calls if call.startswith("chain")] == ["chain BTC 2026-03-27"]


# ---- scripts


def test_instruments_are_kept_for_30_seconds() -> None:
    desk = Desk()
    for wait, calls in ((0, 1), (29, 1), (1, 2)):
        desk.clock.advance(wait * S)

        assert len(desk.market.get_option_instruments("BTC")) == 328
        assert len(desk.reader.calls) == calls


def test_at_most_ten_lists_of_instruments_are_kept() -> None:
    desk = Desk()
    names = [f"U{n}" for n in range(11)]
    for name in names:
        desk.market.get_option_instruments(name)
    desk.reader.calls.clear()

    desk.market.get_option_instruments("U10")
    desk.market.get_option_instruments("U1")
    assert desk.reader.calls == []
    desk.market.get_option_instruments("U0")
    assert desk.reader.calls == ["instruments U0"]


def test_details_are_kept_for_30_seconds_with_their_neighbours() -> None:
    desk = Desk()

    quote = desk.market.get_option_details("BTCUSD-27MAR26-100000-C")
    desk.market.get_option_details("BTCUSD-27MAR26-95000-P")

    assert quote.mark == 1000
    assert quote.greeks is not None
    assert desk.reader.calls == ["instruments BTC", "chain BTC 2026-03-27"]
    desk.clock.advance(30 * S)
    desk.market.get_option_details("BTCUSD-27MAR26-100000-C")
    assert len(desk.reader.calls) == 4


def test_at_most_200_details_are_kept_and_the_one_asked_for_among_them() -> None:
    desk = Desk()
    desk.reader.listed = [an_option(strike) for strike in range(1, 301)]

    desk.market.get_option_details("BTCUSD-27MAR26-1-C")
    desk.market.get_option_details("BTCUSD-27MAR26-1-C")
    assert len(desk.reader.calls) == 2
    desk.market.get_option_details("BTCUSD-27MAR26-50-C")
    assert len(desk.reader.calls) == 3


@pytest.mark.parametrize("symbol", ["BTCUSD-27MAR26-1-C", "nonsense"])
def test_details_of_what_is_not_listed_are_refused(symbol: str) -> None:
    with pytest.raises(NoMatchingInstrument, match="not among the 328 listed"):
        Desk().market.get_option_details(symbol)


def test_an_answer_that_is_old_when_it_comes_is_no_answer() -> None:
    desk = Desk()
    desk.reader.lag = 31 * S

    for ask in (
        lambda: desk.market.get_index_price("BTC"),
        lambda: desk.market.get_option_orderbook("X"),
        lambda: desk.market.get_option_details("BTCUSD-27MAR26-100000-C"),
        lambda: desk.market.find_option(option_type="C"),
    ):
        with pytest.raises(DataNotFresh, match="31 s old, at most 30 s"):
            ask()


def test_books_and_index_prices_are_asked_for_each_time() -> None:
    desk = Desk()

    assert desk.market.get_option_orderbook("X").bids[0].price == 100_001
    assert desk.market.get_index_price("BTC") == 100_002
    assert desk.market.get_index_price("BTC") == 100_003


def test_the_quoted_call_of_find_option_works_literally() -> None:
    desk = Desk()

    for _ in range(2):
        quote = desk.market.find_option(
            option_type="P",
            expiry={"min_days": 6, "max_days": 13, "target": "near"},
            strike={"below_atm": True, "min_distance_pct": 0.5},
            delta={"min": -0.45, "max": -0.15},
            rank_by="delta_mid",
        )

        assert quote is not None
        assert quote.option.symbol == "BTCUSD-27MAR26-96000-P"
    assert len(desk.reader.calls) == 2  # the chain is kept
