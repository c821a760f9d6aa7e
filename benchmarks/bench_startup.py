"""How long the daemon takes from the start of its process to its first tick, and how much memory it holds then.

Two runs are told apart: against an exchange that already listens, and with the embedded one started as a child.
    python -m benchmarks.bench_startup [--rounds 5]
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clock import pause

ROOT = Path(__file__).resolve().parent.parent
READY = "daemon ready"


def one_start(home: Path, env: dict[str, str]) -> tuple[float, float]:
    """Return seconds until the daemon says that it is ready, and its resident memory in MB two seconds later."""
    began = time.perf_counter()
    daemon = subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), "--strategy", "micro_strangle", "--state-dir", str(home)],
        cwd=home.parent,
        env={**os.environ, "TRADER_LOG_DIR": str(home / "logs"), **env},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stderr is not None
    for line in daemon.stderr:
        if READY in line:
            break
    ready = time.perf_counter() - began
    pause(2)
    pages = int(Path(f"/proc/{daemon.pid}/statm").read_text(encoding="ascii").split()[1])
    daemon.send_signal(signal.SIGINT)
    daemon.communicate(timeout=10)
    return ready, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Print the median of each kind of start."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder) / "ready.json"
        exchange = subprocess.Popen(
            [sys.executable, "-m", "paper", "--account", "bench:paper-key:paper-secret", "--ready-file", str(ready_file)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        while not ready_file.exists():
            pause(0.01)
        url = json.loads(ready_file.read_text(encoding="utf-8"))["url"]
        beside = {"COINCALL_BASE_URL": url, "COINCALL_WS_URL": url.replace("http", "ws")}
        for name, env in (("exchange listening", beside), ("embedded exchange", {})):
            runs = [one_start(Path(folder) / f"{name}-{n}", env) for n in range(rounds)]
            seconds, memory = (statistics.median(values) for values in zip(*runs, strict=True))
            print(f"{name:20} ready after {seconds:.2f} s, {memory:.0f} MB resident")
        exchange.terminate()
        exchange.wait()


if __name__ == "__main__":
    main()
