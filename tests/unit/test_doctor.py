"""The doctor's checks one by one: each is shown to find what it looks for, and one that breaks costs the others nothing."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import doctor
from clock import SimulatedClock, wall_now
from config import Settings
from doctor import Finding, Level, Venue, machine, visit, wishes
from doctor import venue as at_venue
from doctor.canary import Canary, Patience
from domain import Chain, Greeks, Option, OptionType, OrderReport, OrderStatus, Quote, RFQParams, Side
from domain import ExecutionParams as Params
from errors import (
    AuthenticationRejected,
    ConfigError,
    ExchangeRejected,
    ExchangeUnavailable,
    OrderAlreadyFinal,
    OutcomeUnknown,
    PriceRejected,
    TimestampRejected,
    VenueError,
)
from events import AccountMarked
from exchanges.coincall.canary import a_name
from exchanges.coincall.stream_probe import Heard
from exchanges.coincall.wire import decode_client_id
from journal import Journal
from option_selection import LegSpec
from strategy import StrategyConfig

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HIDDEN = "a-secret-of-mine-1234"


def only(findings: Iterable[Finding]) -> Finding:
    (one,) = findings
    return one


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


def an_option(strike: int = 100_000, kind: OptionType = OptionType.CALL, days: float = 7, lot: str = "0.01") -> Option:
    return Option(
        symbol=f"BTCUSD-{days:g}-{strike}-{kind}",
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal(lot),
        option_type=kind,
        strike=Decimal(strike),
        expiry=NOW + timedelta(days=days),
    )


def a_quote(option: Option | None = None, bid: str | None = "1284.2", delta: float = 0.5) -> Quote:
    chosen = an_option() if option is None else option
    return Quote(option=chosen, at=NOW, bid=None if bid is None else Decimal(bid), ask=Decimal(1300), greeks=Greeks(delta=delta))


def a_chain(*quotes: Quote) -> dict[str, Chain]:
    return {"BTC": Chain("BTC", NOW, Decimal(100_000), quotes or (a_quote(),))}


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


# ---- the canary


class FakeVenue:
    """A venue that has at most one order, with switches for what goes wrong."""

    def __init__(self) -> None:
        self.placed: list[tuple[int, Option, Decimal, Decimal]] = []
        self.order: OrderReport | None = None
        self.cancelled = 0
        self.errors: dict[str, list[VenueError]] = {"place": [], "find": [], "cancel": []}
        self.arrives = True
        self.fills_at_cancel = Decimal(0)
        self.deaf_to_cancel = False

    def place(self, name: int, option: Option, qty: Decimal, price: Decimal) -> str:
        error = self.errors["place"].pop(0) if self.errors["place"] else None
        if error is not None and not isinstance(error, OutcomeUnknown):
            raise error
        self.placed.append((name, option, qty, price))
        if self.arrives:
            self.order = OrderReport(
                client_id=None,
                order_id="17",
                symbol=option.symbol,
                side=Side.BUY,
                qty=qty,
                filled=Decimal(0),
                status=OrderStatus.NEW,
                price=price,
            )
        if error is not None:
            raise error
        return "17"

    def find(self, name: int) -> OrderReport | None:
        if self.errors["find"]:
            raise self.errors["find"].pop(0)
        return self.order

    def cancel(self, name: int) -> None:
        self.cancelled += 1
        if self.order is not None and self.order.status.final:
            raise OrderAlreadyFinal("coincall", "cancel", "done")
        if self.order is not None and not self.deaf_to_cancel:
            status = OrderStatus.FILLED if self.fills_at_cancel else OrderStatus.CANCELED
            self.order = replace(self.order, status=status, filled=self.fills_at_cancel)
        if self.errors["cancel"]:
            raise self.errors["cancel"].pop(0)


@pytest.fixture
def venue() -> FakeVenue:
    return FakeVenue()


def flown(venue: FakeVenue, *quotes: Quote, patience: Patience | None = None) -> Finding:
    quick = Patience(settle=2.0, absent=0.0, step=0.0) if patience is None else patience
    return only(Canary(venue, lambda: 8, quick, lambda _: None).fly(a_chain(*quotes), NOW))


def unknown(call: str) -> OutcomeUnknown:
    return OutcomeUnknown("coincall", call, "read timed out")


def test_the_canary_is_one_lot_far_below_the_bid_on_the_tick_and_ends_cancelled(venue: FakeVenue) -> None:
    found = flown(venue)

    (_, option, qty, price) = venue.placed[0]
    assert (option, qty, price) == (an_option(), Decimal("0.01"), Decimal("128.4"))
    assert (found.level, venue.cancelled, len(venue.placed)) == (Level.OK, 1, 1)


def test_the_canary_takes_a_lively_option_some_time_from_expiry(venue: FakeVenue) -> None:
    near, cheap, far = an_option(days=0.5), an_option(90_000, days=3), an_option(110_000, days=3)

    flown(venue, a_quote(near), a_quote(cheap, bid="1.9"), a_quote(an_option(120_000), bid=None), a_quote(far, delta=0.1))

    assert [option for _, option, _, _ in venue.placed] == [far]


def test_without_a_bid_to_stay_below_of_no_canary_flies(venue: FakeVenue) -> None:
    assert (flown(venue, a_quote(bid="1.9")).level, venue.placed) == (Level.WARN, [])


def test_l5_a_canary_whose_reply_was_lost_is_found_by_name_cancelled_and_not_sent_again(venue: FakeVenue) -> None:
    venue.errors["place"] = [unknown("canary")]

    found = flown(venue)

    assert (found.level, len(venue.placed), venue.order and venue.order.status) == (Level.OK, 1, OrderStatus.CANCELED)
    assert "its answer was lost" in found.said


def test_a_canary_that_never_arrived_is_believed_absent_only_after_a_while(venue: FakeVenue) -> None:
    venue.errors["place"], venue.arrives = [unknown("canary")], False

    found = flown(venue)
    assert (found.level, "never arrived" in found.said, len(venue.placed)) == (Level.FAIL, True, 1)

    venue.errors["place"] = [unknown("canary")]
    still = flown(venue, patience=Patience(settle=0.05, absent=9.0, step=0.0))
    assert "may still rest" in still.said


def test_a_lost_cancel_is_asked_about_and_the_end_is_known(venue: FakeVenue) -> None:
    venue.errors["cancel"] = [unknown("cancel")]
    venue.errors["find"] = [ExchangeUnavailable("coincall", "order", "down")] * 3

    assert flown(venue).level is Level.OK


def test_l3_a_canary_that_fills_while_it_is_cancelled_is_told_with_what_is_held(venue: FakeVenue) -> None:
    venue.fills_at_cancel = Decimal("0.01")

    found = flown(venue)

    assert (found.level, "was filled: 0.01" in found.said) == (Level.FAIL, True)
    assert "sell it by hand" in found.hint


def test_a_canary_that_cannot_be_cancelled_is_named_for_a_person(venue: FakeVenue) -> None:
    venue.deaf_to_cancel = True

    found = flown(venue, patience=Patience(settle=0.02, absent=0.0, step=0.0))

    assert found.level is Level.FAIL
    assert "client order id 8, order 17" in found.hint


def test_a_refused_canary_rests_nowhere_and_is_not_sent_again(venue: FakeVenue) -> None:
    venue.errors["place"] = [AuthenticationRejected("coincall", "canary", "read only", 10554)]

    found = flown(venue)

    assert (found.level, venue.placed, venue.cancelled) == (Level.FAIL, [], 0)
    assert "nothing rests" in found.said


def test_a_price_outside_the_band_is_tried_once_more_nearer_to_the_bid_and_then_given_up(venue: FakeVenue) -> None:
    venue.errors["place"] = [PriceRejected("coincall", "canary", "too low", 10532)]
    assert flown(venue).level is Level.OK
    assert [price for *_, price in venue.placed] == [Decimal("642.1")]

    venue.errors["place"] = [PriceRejected("coincall", "canary", "too low", 10532)] * 2
    assert (flown(venue).level, len(venue.placed)) == (Level.FAIL, 1)


def test_an_interrupted_visit_cancels_what_it_placed(venue: FakeVenue) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    venue.deaf_to_cancel = True
    flight = Canary(venue, lambda: 8, Patience(), interrupted).fly(a_chain(), NOW)

    with pytest.raises(KeyboardInterrupt):
        list(flight)
    assert venue.cancelled == 2


def test_a_canarys_name_is_none_of_the_daemons_and_never_the_same() -> None:
    names = {a_name(SimulatedClock(NOW)) for _ in range(50)}

    assert len(names) > 40
    assert all(len(str(name)) == 19 and name < 2**63 for name in names)
    assert [decode_client_id(name) for name in names if decode_client_id(name) is not None] == []


# ---- what the venue says of the key


def asked(error: VenueError) -> Finding:
    def ask() -> None:
        raise error

    return at_venue._granted("rfq quoting", ask, "open")


def test_only_a_door_that_is_not_there_means_that_the_account_has_no_access() -> None:
    found = asked(ExchangeRejected("coincall", "requests", "Not Found", 404))

    assert (found.level, found.said.startswith("the account has no such access")) == (Level.OK, True)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (AuthenticationRejected("coincall", "requests", "Invalid CC-ACCESS-KEY.", 10560), "check key and secret"),
        (AuthenticationRejected("coincall", "requests", "Invalid signature.", 10562), "check key and secret"),
        (TimestampRejected("coincall", "requests", "Timestamp expired.", 10557), "timedatectl"),
        (ExchangeRejected("coincall", "requests", "Illegal parameter", 10004), "read the reason"),
        (ExchangeUnavailable("coincall", "requests", "HTTP 503"), "check the network"),
    ],
)
def test_a_refusal_of_the_key_leaves_it_open_whether_the_account_has_access(error: VenueError, hint: str) -> None:
    found = asked(error)

    assert (found.level, found.said) == (Level.WARN, f"could not be asked: {error.reason}")
    assert hint in found.hint


@pytest.mark.parametrize(
    ("reason", "hint"),
    [("host/options: HTTP 403 denied", "key and secret"), ("host/options: HTTP 401", "clock"), ("HTTP 502 with 403 bytes", "firewall")],
)
def test_a_stream_that_refuses_us_is_not_a_matter_of_the_firewall(reason: str, hint: str) -> None:
    def refused(_venue: Venue, _symbol: str) -> Heard:
        raise ExchangeUnavailable("coincall", "options", reason)

    with at_venue.visited(Settings(), SimulatedClock(NOW), "https://127.0.0.1:9", "wss://127.0.0.1:9") as place:
        found = only(at_venue.streams(place, "BTCUSD-1", refused))

    assert (found.level, hint in found.hint) == (Level.FAIL, True)
