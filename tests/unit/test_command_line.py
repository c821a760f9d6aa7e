"""What a person types: understood whole or refused in one line, sent to the right daemon, and answered honestly where none hears it."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import inquiries
import main
from clock import SimulatedClock, wall_now
from config import Settings
from control import Command, ControlBox, Verb
from domain import KillStage, Severity
from events import AccountMarked, AlertRaised, AnyEvent, KillSwitchMoved, OrderIntended
from journal import JournalReader, open_journal
from scripting import home_of
from status import lines_of, status_of
from strategies import MAKERS, STRATEGIES
from strategy import load_strategies

from tests.unit.journal_stories import NOON, a_closed_trade, a_pause, an_intent, an_open_trade, later

Said = pytest.CaptureFixture[str]
PRODUCTION = Settings(environment="production", key_prod="k", secret_prod="s")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program keeps its state in this test."""
    monkeypatch.chdir(tmp_path)
    for patience in ("ANSWER_WITHIN", "LOOKED_FOR"):
        monkeypatch.setattr(main, patience, 0.1)
    for name, value in {"STATE_DIR": tmp_path / "state", "LOG_DIR": tmp_path / "logs"}.items():
        monkeypatch.setenv(f"TRADER_{name}", str(value))
    place = home_of(main._settings(main.parser().parse_args(["--kill"]), trades=False))
    assert place.is_relative_to(tmp_path)
    return place


@pytest.fixture
def held(home: Path) -> Iterator[Path]:
    """The same place while a daemon has it."""
    with open_journal(home, SimulatedClock(NOON)).journal:
        yield home


# ---- understood whole, or refused


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--check", "--close", "1"), "--check and --close do not go together"),
        (("--status", "--doctor"), "--status and --doctor do not go together"),
        (("--backup", "a.db", "--restore", "b.db"), "--backup and --restore do not go together"),
        (("--equity", "--report"), "--report and --equity do not go together"),
        (("--close", "1", "--kill"), "--close and --kill do not go together"),
        (("--activate", "--reduce"), "--reduce and --activate do not go together"),
        (("--list", "--verify"), "--verify and --list do not go together"),
        (("--withdraw-kill", "--write-off", "1"), "--write-off and --withdraw-kill do not go together"),
        (("--qty", "1"), "--qty and --price go with --adopt"),
        (("--release", "1", "--price", "0"), "--qty and --price go with --adopt"),
        (("--kill", "--strategy", "mine"), "--strategy and --maker do not narrow --kill"),
        (("--halt", "--maker", "mine"), "--strategy and --maker do not narrow --halt"),
        (("--sttus",), "unrecognized arguments: --sttus"),
    ],
)
def test_flags_that_would_be_dropped_are_refused_in_one_line(home: Path, capsys: Said, typed: tuple[str, ...], said: str) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(typed)

    told = capsys.readouterr()
    assert end.value.code == 2
    assert told.err.startswith(f"error: {said}")
    assert len(told.err.splitlines()) == 1
    assert not home.exists()


@pytest.mark.parametrize("text", ["nan", "Infinity", "1e999999999", "0e-999999999", "a lot"])
@pytest.mark.parametrize("flag", ["--qty", "--price"])
def test_a_number_that_nobody_can_mean_never_reaches_the_daemon(held: Path, capsys: Said, flag: str, text: str) -> None:
    assert main.main(["--adopt", "BTCUSD-1", "--strategy", "mine", flag, text]) == 2

    assert f"error: {flag} {text}: not a number" in capsys.readouterr().err
    assert not (held / "commands").exists()


def test_a_command_is_refused_under_the_name_that_it_was_typed(home: Path, capsys: Said) -> None:
    assert main.main(["--write-off", "x"]) == 2
    assert "error: --write-off x: a trade is named by its number" in capsys.readouterr().err


# ---- sent, and answered


def test_where_no_daemon_runs_a_kill_says_so_and_does_not_look_like_success(home: Path, capsys: Said) -> None:
    assert main.main(["--kill"]) == 1

    told = capsys.readouterr()
    assert f"left for the daemon of paper in {home}: kill" in told.out
    assert f"error: no daemon runs in {home}: nothing happens, and the command is taken back; cancel and close at the venue" in told.err


@pytest.mark.parametrize(
    ("typed", "stays"),
    [
        (("--kill", "--yes"), False),
        (("--acknowledge",), False),
        (("--activate",), False),
        (("--withdraw-kill",), False),
        (("--release", "1", "--yes"), False),
        (("--adopt", "BTCUSD-1", "--strategy", "mine"), False),
        (("--halt",), True),
        (("--reduce",), True),
        (("--pause", "mine"), True),
        (("--close", "1"), True),
    ],
)
def test_where_no_daemon_runs_only_what_a_start_may_find_is_left_for_it(
    home: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...], stays: bool
) -> None:
    monkeypatch.setattr(main, "LOOKED_FOR", 0.1)

    assert main.main(typed) == 1

    left = list((home / "commands").iterdir())
    assert len(left) == int(stays)
    assert (f"to take it back: rm {left[0]}" in capsys.readouterr().err) if stays else True


def test_a_daemon_that_does_not_answer_in_time_is_no_success(held: Path, capsys: Said) -> None:
    assert main.main(["--close", "1"]) == 1

    assert "no answer yet: it is obeyed as soon as the daemon is free" in capsys.readouterr().err
    assert [taken.command for taken in ControlBox(held).take()] == [Command(verb=Verb.CLOSE, target="1")]


def test_where_no_command_can_be_left_the_signal_is_named_that_needs_no_disk(held: Path, capsys: Said) -> None:
    (held / "commands").write_text("in the way, as a full disk is")

    assert main.main(["--kill"]) == 1

    said = capsys.readouterr().err
    process = inquiries.holder_of(Settings(), held).process
    assert said.startswith(f"error: the command cannot be left in {held / 'commands'}: File exists; ")
    assert said.endswith(f"throw the kill switch with `kill -USR1 {process}`\n")
    assert process is not None


def test_without_a_place_and_without_a_daemon_the_venue_is_what_is_left(home: Path, capsys: Said) -> None:
    home.mkdir(parents=True)
    (home / "commands").write_text("in the way")

    assert main.main(["--halt"]) == 1
    assert "cancel and close at the venue by hand" in capsys.readouterr().err


# ---- the status


def page(*events: AnyEvent, obeyed: bool = True, attention: str | None = None) -> list[str]:
    return list(lines_of(status_of(events), "runs", obeyed=obeyed, attention=attention))


def test_the_status_tells_whether_a_daemon_lives(home: Path, capsys: Said) -> None:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(a_pause(state="running"), a_pause("condor"))
        main.main(["--status"])
        alive = capsys.readouterr().out
    main.main(["--status"])
    dead = capsys.readouterr().out

    process = alive.splitlines()[0].removeprefix("daemon      process ").partition(",")[0]
    assert process.isdecimal()
    assert f"last event of 2026-03-01 12:00:00 UTC; state in {home}" in alive
    assert "strangle (running)" in alive
    assert dead.startswith("daemon      NOT RUNNING, last event of 2026-03-01 12:00:00 UTC")
    assert "strangle (declared)" in dead
    assert "condor (paused)" in dead


def test_on_a_venue_of_the_wall_the_last_event_has_an_age(home: Path) -> None:
    with open_journal(home, SimulatedClock(NOON)).journal as journal:
        journal.append(a_pause(at=wall_now() - timedelta(seconds=12)))
        [first, *_] = inquiries.status(PRODUCTION, home).lines

    assert ", last event 12 s ago; " in first or ", last event 13 s ago; " in first


def test_a_journal_behind_a_server_does_not_tell_who_writes_it(tmp_path: Path) -> None:
    holder = inquiries.holder_of(Settings(journal_url="postgresql+psycopg://u:p@db/trader"), tmp_path)
    assert (holder.process, holder.gone) == (None, False)


@pytest.mark.parametrize(
    ("stage", "minutes", "said"),
    [
        (KillStage.ARMED, 0.5, "kill switch armed: --kill --yes within a minute throws it"),
        (KillStage.ARMED, 2, None),
        (KillStage.THROWN, 2, "kill switch THROWN, and not flat yet"),
        (KillStage.FLAT, 2, "kill switch thrown, and flat: --withdraw-kill"),
        (KillStage.WITHDRAWN, 2, None),
    ],
)
def test_the_status_tells_how_the_kill_switch_stands(stage: KillStage, minutes: float, said: str | None) -> None:
    lines = page(KillSwitchMoved(at=NOON, stage=stage, said="", by="a person"), a_pause(at=later(minutes)))

    found = next((line for line in lines if line.startswith("kill switch")), None)
    assert (found is None) if said is None else (found or "").startswith(said)


@pytest.mark.parametrize(
    ("equity", "bound", "said"),
    [
        ("1000", "123.4", "maintenance 123.40 USD, 12.3 % of equity; not realized -7.00 USD"),
        ("1000", "0", "maintenance 0.00 USD, 0.0 % of equity; not realized -7.00 USD"),
        ("1000", None, "maintenance unknown, share of equity unknown; not realized -7.00 USD"),
        ("0", "5", "maintenance 5.00 USD, and no equity to carry it; not realized -7.00 USD"),
    ],
)
def test_the_status_tells_what_of_the_equity_is_bound(equity: str, bound: str | None, said: str) -> None:
    needed = None if bound is None else Decimal(bound)

    marked = AccountMarked(at=NOON, equity=Decimal(equity), maintenance_margin=needed, unrealized=Decimal(-7))

    assert f"  margin    {said}" in page(marked)


def test_the_status_tells_why_a_person_must_look() -> None:
    assert "attention   a page was bad; look, then --acknowledge" in page(attention="a page was bad")


def test_the_status_lists_the_orders_that_work() -> None:
    asked = an_intent(2, at=NOON)
    lines = page(*an_open_trade(1), *an_open_trade(2)[:2], asked)

    assert isinstance(asked, OrderIntended)
    told = f"  {asked.order} sell 0.4 {asked.new.instrument.symbol} @ 1510.5, filled 0, since 2026-03-01 12:00:00 UTC"
    assert lines[lines.index("working orders") + 1] == told
    assert "working orders" not in page(*an_open_trade(1))


def test_a_closed_short_leg_holds_nothing_and_not_minus_nothing() -> None:
    [leg] = [line for line in page(*a_closed_trade(1)) if " wanted " in line]
    assert Decimal(leg.rpartition(" held ")[2]).is_signed() is False


def test_an_alert_is_told_with_its_cause() -> None:
    raised = AlertRaised(at=NOON, severity=Severity.WARNING, cause="stale index", message="it is old", hint="look")
    assert page(raised)[-1] == "  2026-03-01 12:00:00 UTC warning  stale index: it is old (look)"


# ---- checks before anything runs


def test_production_without_a_name_is_refused_by_the_check_as_by_the_start(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    for name in ("KEY", "SECRET"):
        monkeypatch.setenv(f"COINCALL_API_{name}_PROD", "mine-1234567")
    monkeypatch.setenv("TRADING_ENVIRONMENT", "production")

    assert main.main(["--check"]) == 2
    assert "production trades only what you name: add --strategy NAME or --strategies-file PATH" in capsys.readouterr().err
    assert main.main(["--check", "--strategy", "short_strangle"]) == 0
    assert not home.with_name("production").joinpath("journal.db").exists()


def test_a_named_maker_is_checked_and_listed_with_the_rest(home: Path, capsys: Said) -> None:
    configs, _ = load_strategies(STRATEGIES)
    maker = MAKERS[0]().name

    assert main.main(["--check", "--maker", maker]) == 0
    assert f"makers      {maker}" in capsys.readouterr().out
    assert main.main(["--list", "--maker", maker, "--strategy", configs[0].name]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [configs[0].name, maker]


def test_a_status_writes_nothing(held: Path) -> None:
    with JournalReader(held / "journal.db") as reader:
        before = reader.last_seq
        inquiries.status(Settings(), held)
        assert reader.last_seq == before
