"""Backups, restores and archives around the real daemon: an older journal comes back, and still no order is sent twice."""

from pathlib import Path

import pytest

import housekeeping
from config import Settings, load_settings
from errors import JournalError
from journal import JournalReader
from main import parser
from trade_lifecycle import TradeState

from tests.rehearsal.stage import KEY, LONG, SECRET, Exchange, Trader, a_strategies_file, until

told_by_main = pytest.mark.skipif("--restore" not in parser().format_help(), reason="main.py does not offer it")


def settings_of(trader: Trader, exchange: Exchange) -> Settings:
    given = {
        "TRADER_STATE_DIR": str(trader.home / "state"),
        "TRADER_LOG_DIR": str(trader.home / "logs"),
        "COINCALL_BASE_URL": exchange.url,
        "COINCALL_API_KEY_PAPER": KEY,
        "COINCALL_API_SECRET_PAPER": SECRET,
    }
    return load_settings(given, {})


def states(trader: Trader) -> dict[int, TradeState]:
    return {trade.number: trade.state for trade in trader.trades()}


def numbers_sent(exchange: Exchange) -> list[int]:
    """Return the client order ids that the exchange was given, in order."""
    return [order.client_id for order in exchange.ledger().orders if order.client_id is not None and str(order.client_id).startswith("7")]


@pytest.mark.soak
def test_l5_l36_after_a_restore_no_order_is_sent_again_and_no_number_is_given_again(
    trader_beside: Trader, exchange: Exchange, tmp_path: Path
) -> None:
    """Trade 1 is open in the backup. After it trade 1 was closed and trade 2 opened, on the same options: all of it forgotten."""
    trader, settings, copy = trader_beside, settings_of(trader_beside, exchange), tmp_path / "away" / "journal.db"
    copy.parent.mkdir()
    patient = a_strategies_file(tmp_path, hold=4.0, a_day=2)
    trader.start("--strategies-file", str(patient))
    until(lambda: states(trader) == {1: TradeState.OPEN}, "trade 1 is open", LONG)
    assert "all readable" in housekeeping.backup(settings, trader.state, copy)
    until(lambda: states(trader).get(2) is TradeState.OPEN, "trade 1 was closed and trade 2 is open", LONG)
    trader.kill()
    sent, held = numbers_sent(exchange), exchange.ledger().holdings
    assert len(held) == 2

    housekeeping.restore(settings, trader.state, copy)
    trader.start("--strategies-file", str(patient))

    # Trade 1 is held for long enough by now: its close gets the name that the venue knows, and is taken for what it was.
    until(lambda: states(trader) == {1: TradeState.CLOSED}, "trade 1 is known to be closed", LONG)
    assert numbers_sent(exchange) == sent
    assert exchange.ledger().holdings == held
    assert len({fill.trade_id for fill in exchange.ledger().fills}) == len(exchange.ledger().fills)

    # Nothing new is opened until a person has looked, and then under a number that nobody ever had.
    assert set(states(trader)) == {1}
    trader.ask("--acknowledge")
    until(lambda: len(states(trader)) == 2, "a trade is opened again", LONG)
    assert max(states(trader)) > 1000
    again = [(order.client_id, order.order_id, order.state, order.created) for order in exchange.ledger().orders]
    assert len({client_id for client_id, *_ in again}) == len(again), again


def test_what_writes_the_journal_is_refused_beside_the_daemon_and_what_reads_it_is_not(
    trader_beside: Trader, exchange: Exchange, tmp_path: Path
) -> None:
    trader, settings, copy = trader_beside, settings_of(trader_beside, exchange), tmp_path / "journal.db"
    trader.start("--strategies-file", str(a_strategies_file(tmp_path, hold=60)))
    until(trader.events, "it has written something")

    housekeeping.backup(settings, trader.state, copy)
    said = housekeeping.verify(settings, trader.state)
    busy = f"in use by process {trader.pid}: stop it first"
    with pytest.raises(JournalError, match=busy):
        housekeeping.restore(settings, trader.state, copy)
    with pytest.raises(JournalError, match=busy):
        housekeeping.archive(settings, trader.state, "7")

    assert "all readable" in said[0]
    assert trader.alive
    with JournalReader(copy) as reader:
        assert reader.verify() > 0


# ---- as a person calls it


@pytest.mark.soak
@told_by_main
def test_each_command_tells_what_it_did_or_why_not(trader_beside: Trader, exchange: Exchange, tmp_path: Path) -> None:
    trader, copy = trader_beside, str(tmp_path / "monday.db")
    early = trader.ask("--backup", copy)
    trader.start("--strategies-file", str(a_strategies_file(tmp_path)))
    until(lambda: states(trader) == {1: TradeState.CLOSED}, "a trade has been", LONG)
    made, checked, busy = trader.ask("--backup", copy), trader.ask("--verify"), trader.ask("--restore", copy)
    trader.stop()
    restored, archived, wrong = trader.ask("--restore", copy), trader.ask("--archive", "2"), trader.ask("--archive", "week")

    assert (early.returncode, "the daemon has not run here yet" in early.stderr) == (1, True)
    assert (made.returncode, checked.returncode, restored.returncode, archived.returncode) == (0, 0, 0, 0)
    assert (busy.returncode, "stop it first" in busy.stderr) == (1, True)
    assert (wrong.returncode, "2 or more" in wrong.stderr) == (2, True)
    assert "Traceback" not in "".join(answer.stderr for answer in (early, made, checked, busy, restored, archived, wrong))
