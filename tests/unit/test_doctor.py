"""The doctor's checks one by one: each is shown to find what it looks for, and one that breaks costs the others nothing."""

import json
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import doctor
from clock import wall_now
from config import Settings
from doctor import Finding, Level, machine, visit, wishes
from domain import Chain, RFQParams
from domain import ExecutionParams as Params
from errors import AuthenticationRejected, ConfigError
from events import AccountMarked
from journal import Journal
from option_selection import LegSpec
from strategy import StrategyConfig

from tests.unit.doctor_builders import NOW, a_chain, only

HIDDEN = "a-secret-of-mine-1234"


def levels(findings: Iterable[Finding]) -> dict[str, Level]:
    return {finding.name: finding.level for finding in findings}


# ---- the diagnosis


def a_diagnosis(*found: Level, wrong_input: bool = False) -> doctor.Diagnosis:
    findings = tuple(Finding(f"check {n}", level, f"seen {n}", f"do {n}") for n, level in enumerate(found))
    return doctor.Diagnosis(environment="paper", at=NOW, findings=findings, wrong_input=wrong_input)


@pytest.mark.parametrize(
    ("found", "code"), [((), 0), ((Level.OK,), 0), ((Level.OK, Level.WARN), 0), ((Level.WARN, Level.FAIL, Level.OK), 1)]
)
def test_warnings_are_allowed_and_failures_are_not(found: tuple[Level, ...], code: int) -> None:
    assert a_diagnosis(*found).exit_code == code


def test_wrong_settings_are_all_told_and_have_their_own_exit_code() -> None:
    found = doctor.wrong_input(["A is wrong", "B is missing"])

    assert found.exit_code == 2
    assert [finding.said for finding in found.findings] == ["A is wrong", "B is missing"]


def test_each_finding_that_is_not_good_is_followed_by_what_to_do() -> None:
    lines = list(a_diagnosis(Level.OK, Level.WARN, Level.FAIL).lines())

    assert [line.strip() for line in lines if "->" in line] == ["-> do 1", "-> do 2"]
    assert lines[-1] == "1 good, 1 to look at, 1 to mend"


def test_the_json_has_the_documented_fields() -> None:
    told = json.loads(a_diagnosis(Level.FAIL).json())

    assert told == {
        "environment": "paper",
        "at": "2026-03-01T12:00:00Z",
        "exit_code": 1,
        "findings": [{"name": "check 0", "level": "fail", "said": "seen 0", "hint": "do 0"}],
    }


def test_a_check_that_breaks_is_a_finding_after_those_it_had_made() -> None:
    def broken() -> Iterator[Finding]:
        yield Finding("first", Level.OK, "seen")
        raise ZeroDivisionError("by nought")

    found = list(visit.examined("maths", broken))

    assert levels(found) == {"first": Level.OK, "maths": Level.FAIL}
    assert "ZeroDivisionError: by nought" in found[1].said


def test_a_refusal_of_the_venue_is_told_with_what_to_do_about_it() -> None:
    def refused() -> Iterable[Finding]:
        raise AuthenticationRejected("coincall", "account summary", "signature", 10562)

    found = only(visit.examined("account", refused))

    assert (found.level, "API Management" in found.hint) == (Level.FAIL, True)


def test_a_canary_in_production_needs_the_explicit_word_before_anything_is_looked_at(tmp_path: Path) -> None:
    settings = Settings(environment="production", key_prod="k", secret_prod="s", state_dir=str(tmp_path / "never"))

    with pytest.raises(ConfigError, match="add --live to say so"):
        doctor.run(settings, tmp_path, (), canary=True)
    assert not (tmp_path / "never").exists()


# ---- the machine


def a_lock_file(folder: Path, text: str) -> Path:
    file = folder / "requirements.lock"
    file.write_text(text, encoding="utf-8")
    return file


def test_another_interpreter_than_the_tested_one_is_told(tmp_path: Path) -> None:
    found = next(iter(machine.python_and_packages(a_lock_file(tmp_path, ""), (3, 14))))

    assert (found.level, found.said) == (Level.WARN, "3.14, and 3.11 is what the program is tested with")


def test_a_package_that_is_missing_and_one_of_another_version_are_told(tmp_path: Path) -> None:
    file = a_lock_file(tmp_path, "requests==0.0.1 \\\n    --hash=sha256:0\nno-such-package==1.0 \\\npywin32==1 ; sys_platform == 'win32'\n")

    _, missing, other = machine.python_and_packages(file, (3, 11))

    assert (missing.level, missing.said) == (Level.FAIL, "not installed: no-such-package")
    assert (other.level, "requests " in other.said, "(0.0.1)" in other.said) == (Level.WARN, True, True)


def test_the_installed_packages_are_those_of_the_lock_file() -> None:
    assert levels(machine.python_and_packages())["packages"] is Level.OK


@pytest.mark.parametrize(("mode", "level"), [(0o600, Level.OK), (0o640, Level.OK), (0o644, Level.WARN), (0o604, Level.WARN)])
def test_secrets_that_everybody_can_read_are_told(tmp_path: Path, mode: int, level: Level) -> None:
    file = tmp_path / ".env"
    file.write_text("COINCALL_API_SECRET_PROD=x")
    file.chmod(mode)

    assert only(machine.secrets_file(file)).level is level


def test_a_directory_that_cannot_be_written_is_a_failure_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")

    assert only(machine.directory("state", tmp_path / "file" / "state")).level is Level.FAIL
    assert only(machine.directory("state", tmp_path / "state")).level is Level.OK
    assert list((tmp_path / "state").iterdir()) == []


def test_a_slow_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SLOW", -1.0)

    assert only(machine.directory("state", tmp_path)).level is Level.WARN


@pytest.mark.parametrize(
    ("free", "level"), [(10**9, Level.OK), (10**9 - 1, Level.WARN), (10**8, Level.WARN), (10**8 - 1, Level.FAIL), (0, Level.FAIL)]
)
def test_a_disk_that_fills_up_is_told_in_time(tmp_path: Path, free: int, level: Level) -> None:
    assert only(machine.space("state", tmp_path / "not" / "there", lambda _: free)).level is level


def a_journal(home: Path, at: datetime = NOW) -> Journal:
    home.mkdir(parents=True, exist_ok=True)
    journal = Journal(home / "journal.db")
    journal.append(AccountMarked(at=at, equity=Decimal(7)))
    return journal


def test_a_journal_is_read_beside_the_daemon_that_writes_it(tmp_path: Path) -> None:
    with a_journal(tmp_path, wall_now()):
        found = {finding.name: finding for finding in machine.journal_health(Settings(), tmp_path)}

    assert levels(found.values()) == {"journal": Level.OK, "journal writer": Level.OK}
    assert found["journal writer"].said.startswith(f"process {os.getpid()} has it open")


def test_a_damaged_journal_is_a_failure(tmp_path: Path) -> None:
    a_journal(tmp_path).close()
    file = tmp_path / "journal.db"
    file.write_bytes(file.read_bytes().replace(b'"equity":"7"', b'"equity":"8"', 1))

    found = only(machine.journal_health(Settings(), tmp_path))

    assert (found.level, "--restore" in found.hint) == (Level.FAIL, True)


def test_a_journal_that_waits_for_a_person_is_a_failure(tmp_path: Path) -> None:
    with a_journal(tmp_path) as journal:
        journal.require_attention("a page was bad")

    found = {finding.name: finding for finding in machine.journal_health(Settings(), tmp_path)}

    assert (found["journal attention"].level, found["journal attention"].said) == (Level.FAIL, "a page was bad")


def test_a_daemon_that_has_stopped_writing_is_told(tmp_path: Path) -> None:
    live = Settings(environment="testnet", key_test="k", secret_test="s")
    with a_journal(tmp_path, wall_now() - timedelta(hours=1)):
        assert levels(machine.journal_health(live, tmp_path))["journal writer"] is Level.WARN
    assert levels(machine.journal_health(live, tmp_path))["journal writer"] is Level.OK


def test_a_journal_grown_large_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LARGE", 1000)
    a_journal(tmp_path).close()

    assert levels(machine.journal_health(Settings(), tmp_path))["journal"] is Level.WARN


def test_alert_addresses_are_checked_and_never_shown() -> None:
    found = list(machine.alert_addresses([f"jsons://host/{HIDDEN}", f"foo://{HIDDEN}"]))

    assert [finding.level for finding in found] == [Level.FAIL]
    assert only(machine.alert_addresses([f"jsons://host/{HIDDEN}"])).level is Level.OK
    assert only(machine.alert_addresses([])).level is Level.WARN
    assert HIDDEN not in str(found)


# ---- strategies


def a_strategy(qty: str = "0.01", *, mode: str = "limit", strike: int = 100_000, fallback: str = "limit") -> StrategyConfig:
    leg = LegSpec("C", side=1, qty=qty, strike_criteria={"type": "strike", "value": strike}, expiry_criteria={"dte": 7})
    return StrategyConfig(name="mine", legs=[leg], execution_mode=mode, execution=Params(rfq=RFQParams(fallback=fallback)))  # type: ignore[arg-type]


def judged(config: StrategyConfig) -> Finding:
    return only(wishes.strategy(config, a_chain(), NOW, Decimal(50_000)))


def test_a_strategy_that_can_be_traded_now_is_shown_with_its_options() -> None:
    found = judged(a_strategy())

    assert (found.level, found.said) == (Level.OK, "buy 0.01 BTCUSD-7-100000-C; strike notional 1,000 USD")


@pytest.mark.parametrize(("qty", "said"), [("0.005", "below the smallest order of 0.01"), ("0.015", "not a whole number of lots of 0.01")])
def test_l16_a_quantity_that_the_venue_would_refuse_is_a_failure(qty: str, said: str) -> None:
    found = judged(a_strategy(qty))

    assert (found.level, said in found.said) == (Level.FAIL, True)


def test_a_strategy_for_which_nothing_is_listed_now_is_told() -> None:
    assert judged(a_strategy(strike=90_000)).level is Level.WARN


@pytest.mark.parametrize(
    ("qty", "mode", "fallback", "level"),
    [
        ("0.5", "rfq", "none", Level.OK),
        ("0.49", "rfq", "limit", Level.WARN),
        ("0.49", "rfq", "none", Level.FAIL),
        ("0.49", "auto", "none", Level.OK),
    ],
)
def test_a_request_below_the_block_minimum_is_told(qty: str, mode: str, fallback: str, level: Level) -> None:
    assert judged(a_strategy(qty, mode=mode, fallback=fallback)).level is level


def test_an_underlying_without_options_is_a_failure() -> None:
    assert only(wishes.listings({"XYZ": Chain("XYZ", NOW, None, ())})).level is Level.FAIL
