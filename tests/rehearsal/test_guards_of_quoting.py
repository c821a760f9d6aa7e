"""What keeps a maker from offering too much, or blindly, made to act from outside: a taker asks, and the venue's lists fail or surprise.

A story fails when its guard is taken out. The exchange's own list of quotes is the judge.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trade_lifecycle import TradeState

from tests.rehearsal.maker_stage import POLL, REQUESTS, Maker, Taker, a_stage, judged
from tests.rehearsal.stage import LONG, NAME

ROOM = "per_underlying=Decimal(20)"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Maker, Taker]]:
    """A maker that polls and a taker, on the paper exchange."""
    with a_stage(tmp_path, POLL) as (maker, taker):
        yield maker, taker


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("per_underlying=Decimal(2)", "coins of one underlying might be held, 2 at most"),
        pytest.param("vega=1.0", "net vega might become", marks=pytest.mark.soak),
    ],
    ids=["inventory", "vega"],
)
def test_ct63_what_would_go_beyond_a_limit_is_not_offered_and_the_log_says_by_how_much(
    stage: tuple[Maker, Taker], limit: str, said: str
) -> None:
    maker, taker = stage
    inventory = limit.startswith("per_underlying")
    maker.file.write_text(maker.file.read_text(encoding="utf-8").replace(ROOM, limit), encoding="utf-8")
    maker.answer()
    if inventory:
        first = taker.ask()
        assert taker.accept(first, taker.offered(maker, first)) == 0
        maker.reach(TradeState.OPEN)

    second = taker.ask()

    assert f"id={second}" in maker.hear(said, within=LONG)[-1]
    assert taker.offers(second) == []
    judged(maker, taker.exchange)


@pytest.mark.soak
def test_requests_that_cannot_be_listed_twice_in_a_row_are_told(stage: tuple[Maker, Taker]) -> None:
    maker, taker = stage
    taker.exchange.fault("busy", account=NAME, path=REQUESTS, count=0)

    maker.answer()

    maker.hear("cause=quoting blind", within=LONG)


@pytest.mark.parametrize("exclusive", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["exclusive", "shared"])
def test_l20_quotes_that_no_book_knows_are_told_and_taken_back_only_where_the_account_is_ours_alone(
    tmp_path: Path, *, exclusive: bool
) -> None:
    with a_stage(tmp_path, POLL, more=f"exclusive={exclusive},") as (maker, taker):
        maker.answer()
        request = taker.ask()
        old = taker.offered(maker, request)
        maker.kill()
        for file in maker.state.glob("journal.*"):
            file.unlink()

        maker.answer()

        maker.hear("cause=quotes unknown" if exclusive else "cause=quotes of others", within=LONG)
        if exclusive:
            maker.wait(lambda: old["quoteId"] not in [row["quoteId"] for row in taker.offers(request)], "it is taken back")
        else:
            assert [row["quoteId"] for row in taker.offers(request)] == [old["quoteId"]]
