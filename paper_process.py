"""The embedded paper exchange as a child process: started, watched, started again if it dies, ended with us.

The child reads our pipe: when we are gone, however we went, it stores its state and ends.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from loguru import logger

from clock import SystemClock, monotonic, pause
from errors import ConfigError

READY_WITHIN = 60.0
LARGEST_LOG = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPlan:
    """How the exchange is to be started; `account` is NAME:KEY:SECRET:CASH, `makes_markets` lets it use what market makers may."""

    market: str
    speed: float
    seed: int
    port: int
    state_dir: Path
    log_file: Path
    account: str
    makes_markets: bool = False


class PaperProcess:
    """One running paper exchange and its address."""

    def __init__(self, plan: PaperPlan) -> None:
        self._plan = plan
        self._child: subprocess.Popen[bytes] | None = None
        self._ready: dict[str, object] = {}

    @property
    def url(self) -> str:
        """Return scheme, host and port; empty before start."""
        return str(self._ready.get("url", ""))

    @property
    def alive(self) -> bool:
        """Tell whether the exchange runs."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the exchange and wait until it listens; raise ConfigError with its last words if it does not."""
        plan = self._plan
        plan.state_dir.mkdir(parents=True, exist_ok=True)
        ready = plan.state_dir / "ready.json"
        ready.unlink(missing_ok=True)
        with _opened_log(plan.log_file) as log:
            self._child = subprocess.Popen(
                self._command(ready),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parent,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PAPER_ACCOUNTS": plan.account},
                start_new_session=True,
            )
        try:
            self._await(ready)
        except BaseException:  # also a signal: nobody would stop it later
            self.stop()
            raise
        self._ready = json.loads(ready.read_text(encoding="utf-8"))
        logger.info("paper exchange listening url={} market={} speed={}", self.url, plan.market, plan.speed)

    def clock(self) -> SystemClock:
        """Return the clock that the exchange keeps."""
        start, wall = (datetime.fromisoformat(str(self._ready[key])) for key in ("market_start", "wall_start"))
        return SystemClock(self._plan.speed, market_start=start, wall_start=wall)

    @property
    def spacing(self) -> timedelta | None:
        """Return the longest gap between the recordings of the market; None where it is live."""
        seconds = self._ready.get("spacing_seconds")
        return timedelta(seconds=float(seconds)) if isinstance(seconds, int | float) else None

    def revive(self) -> bool:
        """Start the exchange again, on the same port, if it has died; tell whether it had."""
        if self.alive:
            return False
        logger.error("paper exchange ended code={}: starting it again", self._child.poll() if self._child else None)
        self.start()
        return True

    def stop(self, timeout: float = 2.0) -> None:
        """Let the exchange end, with its state stored; kill it if it does not."""
        child = self._child
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            child.terminate()
            try:
                child.wait(1.0)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _await(self, ready: Path) -> None:
        log, deadline = self._plan.log_file, monotonic() + READY_WITHIN
        while not ready.exists():
            if not self.alive or monotonic() > deadline:
                raise ConfigError(f"the paper exchange did not start: {_last_words(log)} (its log is {log})")
            pause(0.01)

    def _command(self, ready: Path) -> Sequence[str]:
        plan, known = self._plan, self._ready
        port = self.url.rpartition(":")[2] if known else str(plan.port)
        same_clock = ["--market-start", str(known["market_start"]), "--wall-start", str(known["wall_start"])] if known else []
        grants = [f"--market-maker={plan.account.partition(':')[0]}"] if plan.makes_markets else []
        return [
            sys.executable,
            *("-m", "paper", "--parent-pipe", "--port", port, "--market", plan.market),
            *("--speed", str(plan.speed), "--seed", str(plan.seed), "--state-dir", str(plan.state_dir.resolve())),
            *("--ready-file", str(ready.resolve())),
            *same_clock,
            *grants,
        ]


def _opened_log(file: Path) -> BinaryIO:
    """Open the exchange's log to append to; one that has grown large is begun anew, one that cannot be written is done without."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > LARGEST_LOG:
            file.replace(file.with_suffix(".1.log"))
        return file.open("ab")
    except OSError as error:
        logger.warning("paper exchange writes no log file={} reason={}", file, error.strerror or error)
        return Path(os.devnull).open("ab")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"
