"""The tick gets what is fresh or a reason, never waits, and never sees an old number as a new one."""

from datetime import timedelta

import pytest

from domain import Severity
from errors import DataNotFresh, ExchangeUnavailable

from tests.unit.chains import NOW, an_expiry, an_option
from tests.unit.market_fakes import DOWN, Desk

S = timedelta(seconds=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ---- the tick never waits


def test_the_first_question_is_not_answered_and_the_next_is(desk: Desk) -> None:
    with pytest.raises(DataNotFresh, match="index BTC: no answer yet"):
        desk.market.index("BTC")
    desk.pool.finish()

    assert desk.market.index("BTC") == 100_001


def test_one_question_is_out_at_a_time(desk: Desk) -> None:
    for _ in range(3):
        with pytest.raises(DataNotFresh):
            desk.market.book("X")
        desk.market.refresh()

    assert len(desk.pool.held) == 1


def test_with_instant_workers_the_first_question_is_answered() -> None:
    assert Desk(at_once=True).market.book("X").symbol == "X"


def test_chains_are_asked_for_whole_or_by_expiry() -> None:
    market = Desk(at_once=True).market

    assert len(market.chain("BTC").by_expiry) == 4
    assert list(market.chain("BTC", an_expiry(7)).by_expiry) == [an_expiry(7)]


def test_a_steady_user_never_sees_stale_data(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.chain("BTC")
    for _ in range(10):
        desk.live(60 * S)
        desk.market.chain("BTC")


def test_a_fresh_answer_is_not_asked_for_again_before_a_third_of_its_life(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.live(60 * S)

    assert 5 <= len(desk.reader.calls) <= 7


def test_what_nobody_asks_for_is_forgotten(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.live(125 * S)
    asked = len(desk.reader.calls)
    desk.live(600 * S)

    assert len(desk.reader.calls) == asked


def test_a_stricter_limit_asks_sooner(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.book("X")
    desk.pool.finish()
    desk.clock.advance(4 * S)

    assert desk.market.book("X").symbol == "X"
    with pytest.raises(DataNotFresh, match="4 s old, at most 3 s"):
        desk.market.book("X", max_age=3 * S)
    desk.pool.finish()
    assert desk.market.book("X", max_age=3 * S).at == desk.clock.now()


def test_a_call_that_never_ends_is_given_up_and_made_again(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.clock.advance(61 * S)
    desk.market.refresh()

    with pytest.raises(DataNotFresh, match="no answer within 60 s"):
        desk.market.index("BTC")
    assert len(desk.pool.held) == 2


def test_a_late_answer_does_not_displace_a_newer_one(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()
    newest = desk.market.index("BTC")
    desk.clock.advance(11 * S)
    desk.reader.lag = 20 * S
    desk.live(8 * S)

    assert desk.market.index("BTC") == newest


# ---- outages


def test_l39_an_outage_is_no_data_and_not_old_data(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()
    desk.reader.down = DOWN

    desk.live(30 * S)
    assert desk.market.index("BTC") == 100_001  # 30 s old is still within the limit
    desk.live(S)
    with pytest.raises(DataNotFresh, match="31 s old, at most 30 s; fake read: connection refused"):
        desk.market.index("BTC")


def test_an_outage_is_alerted_after_repeated_failure_and_asked_again_sooner(desk: Desk) -> None:
    desk.reader.down = DOWN
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()
    assert desk.alerts.raised == []

    desk.live(4 * S)

    (severity, cause, message), *_ = desk.alerts.raised
    assert (severity, cause) == (Severity.WARNING, "market data: index")
    assert message == "index BTC could not be read 3 times in a row: fake read: connection refused"


def test_a_failed_refresh_is_repeated_while_the_last_answer_is_still_fresh(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.live(9 * S)
    desk.reader.down = DOWN
    desk.live(7 * S)

    assert len(desk.reader.calls) == 4  # at 1, 11, 13 and 15 seconds


def test_after_an_outage_data_is_back_at_once(desk: Desk) -> None:
    desk.reader.down = DOWN
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.live(20 * S)
    desk.reader.down = None
    desk.live(2 * S)

    assert desk.market.index("BTC") > 100_000


def test_l40_nothing_is_invented_when_the_venue_has_nothing(desk: Desk) -> None:
    desk.reader.down = DOWN
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()

    with pytest.raises(DataNotFresh, match="no answer yet; fake read"):
        desk.market.index("BTC")
    with pytest.raises(ExchangeUnavailable):
        desk.market.get_index_price("BTC")


# ---- L38: a price that has stopped


def test_l38_an_answer_that_comes_with_an_old_time_is_old(desk: Desk) -> None:
    desk.reader.lag = 40 * S
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()

    with pytest.raises(DataNotFresh, match="40 s old, at most 30 s; the venue's own time of it is 40 s old"):
        desk.market.index("BTC")


def test_l38_a_source_time_that_stops_is_alerted(desk: Desk) -> None:
    with pytest.raises(DataNotFresh):
        desk.market.chain("BTC")
    desk.reader.stuck_at = NOW
    desk.live(60 * S)

    with pytest.raises(DataNotFresh, match="60 s old"):
        desk.market.chain("BTC")
    assert ("market data: chain") in [cause for _, cause, _ in desk.alerts.raised]


def wanting(desk: Desk, span: timedelta) -> None:
    """Somebody asks for the index every minute, as long as span lasts."""
    end = desk.clock.now() + span
    while desk.clock.now() < end:
        desk.live(60 * S)
        try:
            desk.market.index("BTC")
        except DataNotFresh:
            continue


def test_l38_a_frozen_price_with_fresh_times_is_not_fresh(desk: Desk) -> None:
    desk.reader.walks = False
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    wanting(desk, timedelta(minutes=10))
    assert desk.market.index("BTC") == 100_000
    wanting(desk, timedelta(minutes=1))

    with pytest.raises(DataNotFresh, match=r"index of BTC has not moved for \d+ s"):
        desk.market.index("BTC")
    assert (Severity.CRITICAL, "index of BTC stands still") in [(severity, cause) for severity, cause, _ in desk.alerts.raised]


def test_l38_a_chain_is_judged_with_its_index(desk: Desk) -> None:
    desk.reader.walks = False
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    with pytest.raises(DataNotFresh):
        desk.market.chain("BTC")
    wanting(desk, timedelta(minutes=12))

    with pytest.raises(DataNotFresh):
        desk.market.chain("BTC")
    desk.pool.finish()
    with pytest.raises(DataNotFresh, match="has not moved"):
        desk.market.chain("BTC")
    assert desk.market.quotes([an_option()]) == {}


def test_a_price_that_moves_again_is_fresh_again(desk: Desk) -> None:
    desk.reader.walks = False
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    wanting(desk, timedelta(minutes=12))
    desk.reader.walks = True
    wanting(desk, timedelta(minutes=1))

    assert desk.market.index("BTC") > 100_000


def test_the_same_price_after_a_long_silence_is_no_proof_of_a_frozen_one() -> None:
    desk = Desk(at_once=True)
    desk.reader.walks = False
    desk.market.index("BTC")
    desk.clock.advance(timedelta(hours=1))

    assert desk.market.index("BTC") == 100_000


def test_a_recorded_market_may_stand_still() -> None:
    desk = Desk(at_once=True, frozen_after=None)
    desk.reader.walks = False
    for _ in range(60):
        desk.clock.advance(timedelta(minutes=1))
        desk.market.index("BTC")

    assert desk.alerts.raised == []


def test_a_venue_whose_clock_runs_ahead_does_not_keep_its_data_fresh_longer(desk: Desk) -> None:
    desk.reader.lag = timedelta(minutes=-5)
    with pytest.raises(DataNotFresh):
        desk.market.index("BTC")
    desk.pool.finish()
    desk.clock.advance(31 * S)

    with pytest.raises(DataNotFresh, match="31 s old"):
        desk.market.index("BTC")
