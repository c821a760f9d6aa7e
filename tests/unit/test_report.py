"""The report: what it shows adds up, by hand too, for journals of this and of earlier versions, also while they are written."""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import main
from domain import ExecutionMode, Purpose, Remedy
from events import (
    AnyEvent,
    CloseCompleted,
    CloseNotified,
    CloseRequested,
    CloseStarted,
    ExecutionEnded,
    LegFilled,
    LeggingBreached,
    LegSettled,
    OpenCompleted,
    OpenStarted,
    TradeQuarantined,
)
from report import KINDS, Report, json_of, lines_of

from tests.unit.execution_stories import (
    MARCH,
    NOON,
    a_birth,
    a_fill,
    a_leg,
    a_look_back,
    a_picture,
    a_quote,
    a_start,
    after,
    an_end,
    an_execution,
    an_order,
)
from tests.unit.journal_stories import a_closed_trade, opened_in

D = Decimal
STRANGLE = [a_leg("+C52000", "0.5"), a_leg("+P48000", "0.5")]


def a_strangle(trade: int = 1, *, simulated: bool = False, strategy: str = "careful") -> list[AnyEvent]:
    """Return a strangle bought for 101 and 51 a coin and sold again for 110 and 40, each fill for a fee of 0.1."""
    return [
        a_birth(STRANGLE, trade, strategy, simulated=simulated),
        OpenStarted(at=NOON, trade=trade),
        *an_execution(STRANGLE, [("98", "102"), ("48", "52")], ["101", "51"], trade=trade, fee="0.1"),
        OpenCompleted(at=after(60), trade=trade),
        CloseRequested(at=after(600), trade=trade, reason="profit"),
        CloseStarted(at=after(600), trade=trade),
        *an_execution(
            STRANGLE, [("109", "113"), ("39", "43")], ["110", "40"], run=2, purpose=Purpose.CLOSE, trade=trade, fee="0.1", at=600
        ),
        CloseCompleted(at=after(660), trade=trade),
        CloseNotified(at=after(660), trade=trade),
    ]


def an_expired_condor_leg(trade: int = 2) -> list[AnyEvent]:
    """Return a call sold for 99 and settled at 52,300: its payoff of 300 is paid, with a fee of 0.2."""
    legs = [a_leg("-C52000", "1")]
    return [
        a_birth(legs, trade),
        OpenStarted(at=NOON, trade=trade),
        *an_execution(legs, [("98", "102")], ["99"], trade=trade, fee="0.1"),
        OpenCompleted(at=after(60), trade=trade),
        LegSettled(at=MARCH, trade=trade, leg=0, qty=D(1), price=D(52_300), fee=D("0.2")),
        CloseCompleted(at=MARCH, trade=trade),
    ]


def text_of(events: Sequence[AnyEvent]) -> str:
    return "\n".join(lines_of(Report(events), "here"))


def read(events: Sequence[AnyEvent]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(json_of(Report(events), "here"))
    return found


# ---- it adds up


def test_a_trade_is_told_with_every_number_that_its_costs_are_made_of() -> None:
    told = text_of(a_strangle())

    for part in (
        "careful#1 closed: strangle, declared auto",
        "run 1 open by limit at 2026-03-01 12:00:00 UTC: done",
        "chosen: the test says so",
        "filled 100 %, first fill after 5.0 s, last 5.0 s; 2 orders, 0 of them requotes",
        "arrival mid 75.00, executable 77.00; paid 76.00, fees 0.20",
        "shortfall 1.00 (1.33 % of premium, 0.20 bps of notional); saved 1.00 of half a spread of 2.00: captured 50 %; delay 0.00",
        "BUY  BTCUSD-28MAR26-52000-C 0.5 of 0.5 at 101.0000, worth 50.50; at the decision bid 98.00, ask 102.00, mid 100.00, "
        "executable 102.00, index 50,000.00",
        "run 2 close by limit at 2026-03-01 12:10:00 UTC: done",
        "in all: shortfall 2.00, delay 0.00, fees of the fills 0.40",
        "cash: sold 75.00 - bought 76.00 + settled 0.00 = gross -1.00; - fees 0.40 = net -1.40",
        "it adds up",
    ):
        assert part in told


def test_the_sums_are_those_of_fills_and_settlements_by_hand() -> None:
    events = [*a_strangle(), *an_expired_condor_leg()]

    told = text_of(events)

    assert "fills        5: sold 174.00 - bought 76.00" in told  # 75 + 99
    assert "settlements  1: -300.00" in told
    assert "gross        -202.00, by the books -202.00" in told
    assert "fees         0.70, by the books 0.70" in told
    assert "net          -202.70, by the books -202.70" in told
    assert told.endswith("it adds up")


prices = st.decimals(min_value="0.1", max_value="3000", places=1).map(str)


@given(st.lists(st.tuples(prices, prices, prices, prices), min_size=1, max_size=4))
def test_whatever_was_traded_the_trades_the_executions_and_the_fills_add_up(drawn: list[tuple[str, str, str, str]]) -> None:
    events: list[AnyEvent] = []
    cash = D(0)
    for number, (call_in, put_in, call_out, put_out) in enumerate(drawn, 1):
        books = [("98", "102"), ("48", "52")]
        out = an_execution(STRANGLE, books, [call_out, put_out], run=2, purpose=Purpose.CLOSE, trade=number, at=600)
        events += [a_birth(STRANGLE, number), OpenStarted(at=NOON, trade=number)]
        events += [*an_execution(STRANGLE, books, [call_in, put_in], trade=number, fee="0.1"), OpenCompleted(at=NOON, trade=number)]
        events += [CloseRequested(at=NOON, trade=number, reason=""), CloseStarted(at=NOON, trade=number), *out]
        cash += D("0.5") * (D(call_out) + D(put_out) - D(call_in) - D(put_in))

    found = read(events)["real"]

    sums = found["sums"]
    assert found["adds_up"] is True
    assert D(sums["gross"]) == D(sums["gross_by_books"]) == cash
    assert D(sums["net"]) == cash - D("0.2") * len(drawn)
    assert sum(-D(run["paid"]) for trade in found["trades"] for run in trade["executions"]) == cash


def test_books_that_say_something_else_than_the_fills_are_found() -> None:
    report = Report(a_strangle())
    [trade] = report.trades(simulated=False)
    report.cash(trade).bought += 1  # as if a fill had been lost on its way into the trade

    told = "\n".join(lines_of(report, "here"))

    assert "IT DOES NOT ADD UP" in told
    assert "careful#1: by the journal's fills and settlements its gross is -2.0 USD, by its books -1.0" in told
    assert "its premium paid is 2.0 USD, by its executions 1.0" in told


def test_the_same_fill_twice_adds_up_once() -> None:
    events = a_strangle()
    [first] = [event for event in events if isinstance(event, LegFilled) and event.leg == 0 and event.at < after(60)]
    events.insert(events.index(first), first)

    assert text_of(events).endswith("it adds up")


# ---- what it tells


def test_the_story_of_an_execution_that_needed_help() -> None:
    legs = STRANGLE
    pictures = [a_picture(0, legs[0], "98", "102"), a_picture(1, legs[1], None, "52")]
    events: list[AnyEvent] = [
        a_birth(legs),
        OpenStarted(at=NOON, trade=1),
        a_start(pictures, mode=ExecutionMode.RFQ),
        a_quote("a", legs, "80"),
        an_end(success=False),
        a_start(pictures, 2, at=60, urgent=True, remedy=Remedy.CROSS),
        an_order(0, legs[0]),
        an_order(0, legs[0], 2),
        a_fill(0, legs[0], "101", attempt=2, at=70),
        LeggingBreached(at=after(90), trade=1, run=2, purpose=Purpose.OPEN, remedy=Remedy.HOLD, reason="too long"),
        a_look_back(["95", None], run=2),
    ]

    told = text_of(events)

    for part in (
        "careful#1 opening: strangle",
        "run 1 open by rfq at 2026-03-01 12:00:00 UTC: ended short because given up",
        "filled 0 %, first fill after -, last -; 0 orders, 0 of them requotes; 1 quotes, best 80.00, 0 accepted",
        "not known: nothing filled",
        "run 2 open by limit, urgent, remedy cross at 2026-03-01 12:01:00 UTC: at work",
        "filled 50 %, first fill after 10.0 s, last 10.0 s; 2 orders, 1 of them requotes",
        "arrival mid -, executable 77.00; paid 50.50",
        "60 s after its end: adverse move 2.50, paid beyond mid then 3.00",
        "remedies taken: hold",
        "gross -50.50; - fees 0.00 = net -50.50 so far",
    ):
        assert part in told


def test_an_execution_without_an_end_is_at_work_only_while_it_can_be() -> None:
    events = a_strangle()
    ended = [event for event in events if not isinstance(event, ExecutionEnded)]

    told = text_of(ended)

    assert "at work" not in told
    assert told.count("UTC: no end of it is journalled") == 2
    assert "run 2 close by limit at 2026-03-01 12:10:00 UTC: at work" in text_of(ended[:-2])  # before CloseCompleted


def test_the_tables_have_a_row_for_each_strategy_mode_and_structure() -> None:
    told = text_of([*a_strangle(), *a_strangle(3, strategy="other"), *an_expired_condor_leg()])

    rows = [line.split("  ") for line in told.splitlines()]
    titles = [row[0] for row in rows if row[0].startswith("by ")]
    assert titles == ["by strategy", "by mode", "by structure", "by mode and structure", "by strategy, mode and structure"]
    assert "other 2 2 2 2.00 1.00 1.00 to 1.00 1.00 0.20 0.20 to 0.20 50 % 0.40 5.0 s 4 0 -" in " ".join(told.split())
    assert re.search(r"^  single +1 +1 +1 +1\.00 +1\.00 +- +1\.00", told, re.M)  # one alone has no interval


def test_a_dry_run_is_told_apart_and_summed_apart() -> None:
    told = text_of([*a_strangle(), *a_strangle(2, simulated=True)])

    real, _, dry = told.partition("trades DRY RUN (simulated fills)")
    assert "careful#1" in real
    assert "careful#2" not in real
    assert "by mode DRY RUN (simulated fills)" in dry
    assert real.count("gross        -1.00") == dry.count("gross        -1.00") == 1


def test_a_trade_that_its_books_cannot_explain_is_still_added_up() -> None:
    extra = a_fill(0, STRANGLE[0], "100", "0.2", at=900, name="from nowhere")
    told = text_of([*a_strangle(), extra, TradeQuarantined(at=after(901), trade=1, reason="a fill too many")])

    assert "careful#1 quarantined" in told
    assert told.endswith("it adds up")


def test_an_empty_journal_says_so() -> None:
    assert text_of([]).endswith("no trade in the journal yet")


# ---- for a program


def test_the_json_holds_exact_numbers_and_null_for_what_is_not_known() -> None:
    found = read([*a_strangle(), *a_strangle(2, simulated=True)])

    real = found["real"]
    [trade] = real["trades"]
    opened, closed = trade["executions"]
    assert (trade["id"], trade["measured"], trade["gross"], trade["net"]) == ("careful#1", True, "-1.0", "-1.4")
    assert (opened["purpose"], opened["mode"], opened["structure"], opened["remedy"]) == ("open", "limit", "strangle", None)
    assert (D(opened["shortfall"]), D(opened["spread_captured"])) == (D(1), D("0.5"))
    assert opened["seconds_to_last_fill"] == 5.0
    assert (closed["purpose"], closed["best_quote"], closed["missing"]) == ("close", None, [])
    assert opened["legs"][0]["book"]["symbol"] == "BTCUSD-28MAR26-52000-C"
    assert real["totals"]["strategy"]["careful"]["shortfall"]["count"] == 2
    assert len(found["dry_run"]["trades"]) == 1


# ---- journals of earlier versions


def test_a_trade_of_before_executions_were_journalled_is_listed_as_not_measured_and_adds_up() -> None:
    events = a_closed_trade()

    told = text_of(events)

    assert "strangle#1" in told
    assert "not measured: the journal tells of no execution of it" in told
    assert "cash: sold 604.20 - bought 604.20 + settled 0.00 = gross 0.00; - fees 0.60 = net -0.60" in told
    assert "by strategy" not in told
    assert told.endswith("it adds up")


def test_a_trade_opened_before_and_closed_after_the_change_tells_what_was_not_measured() -> None:
    events = a_strangle()
    started = [event for event in events if type(event).__name__ in ("ExecutionStarted", "ExecutionEnded") and event.at < after(100)]

    told = text_of([event for event in events if event not in started])

    assert "run 2 close by limit" in told
    assert "run 1" not in told
    assert "not measured: 1.0 coins of it filled outside of any execution" in told
    assert told.endswith("it adds up")


def test_an_event_as_the_first_version_wrote_it_is_read(tmp_path: Path) -> None:
    born = msgspec.to_builtins(a_closed_trade()[0])
    assert isinstance(born, dict)
    born["params"] = {"fill_timeout_seconds": 30.0, "aggressive_buffer_pct": 2.0, "max_requote_rounds": 10, "when_incomplete": "unwind"}

    event = msgspec.convert(born, AnyEvent, strict=False)

    assert "not measured" in text_of([event])


# ---- from the command line


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stand in an empty directory with no setting of ours; return where the paper exchange's journal lies."""
    monkeypatch.chdir(tmp_path)
    for name in ("TRADING_ENVIRONMENT", "TRADER_STATE_DIR", "TRADER_JOURNAL_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "kept" / "paper-synthetic-1"


def test_the_flag_reads_the_journal_of_the_state_directory_while_it_is_being_written(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened_in(settings).journal as journal:
        journal.append(*a_strangle())

        status = main.main(["--report", "--state-dir", "kept"])

        journal.append(*an_expired_condor_leg())  # the writer is not disturbed
    told = capsys.readouterr().out
    assert status == 0
    assert f"state in {Path('kept') / 'paper-synthetic-1'}" in told or str(settings) in told
    assert "careful#1 closed" in told
    assert told.rstrip().endswith("it adds up")


def test_the_flag_writes_json_alone_when_asked_to(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened_in(settings).journal as journal:
        journal.append(*a_strangle())

    status = main.main(["--report", "--json", "--state-dir", "kept"])

    found = msgspec.json.decode(capsys.readouterr().out)
    assert status == 0
    assert found["real"]["adds_up"] is True


@pytest.mark.parametrize(("flags", "answer"), [([], "the daemon has not run here yet"), (["--json"], '"trades": []')])
def test_the_flag_says_when_there_is_no_journal_yet(
    flags: list[str], answer: str, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["--report", "--state-dir", "kept", *flags]) == 0
    assert answer in capsys.readouterr().out
    assert not settings.exists()  # a look leaves nothing behind


def test_json_without_a_report_is_refused(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main.main(["--status", "--json"])

    assert stopped.value.code == main.BAD_INPUT
    assert "--json goes with --report, --equity or --doctor" in capsys.readouterr().err


def test_a_report_reads_every_kind_that_it_folds() -> None:
    events = [*a_strangle(), *an_expired_condor_leg()]

    assert {type(event) for event in events} <= set(KINDS)
    assert text_of([event for event in events if type(event) in KINDS]) == text_of(events)
