"""The fault rehearsal: `python -m tests.faults` runs the matrix of crash points, faults and modes, and says what was done wrong.

The exit code is 1 unless every column is zero.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path

from clock import monotonic

from tests.faults.matrix import Outcome, Run, chosen, perform, quieten
from tests.faults.scorecard import Scorecard, failure, run_of, written

RUNS = 5_500
_TOLD_EVERY = 250


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    line = argparse.ArgumentParser(prog="python -m tests.faults", description="Rehearse crashes and faults, and keep the score.")
    add = line.add_argument
    add("--runs", type=int, default=RUNS, help=f"how many runs (default {RUNS})")
    add("--seed", type=int, default=1, help="moves what is run, when it strikes, and all else (default 1)")
    add("--only", default="", metavar="CRASH/FAULT/MODE", help="only cells of which a name holds each of these words")
    add("--workers", type=int, default=2, help="processes (default 2)")
    add("--repeat", metavar="RUN", help="perform one run as a failure's line names it, with the daemon's log")
    add("--write", type=Path, metavar="FILE", help="write the scorecard into this document")
    return line


def main(argv: Sequence[str] | None = None) -> int:
    """Run what was asked for; return 1 unless nothing at all was done wrong."""
    asked = parser().parse_args(argv)
    if asked.repeat is not None:
        return _repeat(run_of(asked.repeat))
    runs = chosen(asked.runs, asked.seed, asked.only)
    begun, card = monotonic(), Scorecard()
    for number, outcome in enumerate(_performed(runs, asked.workers), 1):
        card.take(outcome)
        if not outcome.clean:
            _say(failure(outcome))
        if number % _TOLD_EVERY == 0:
            _say(f"{number} of {len(runs)} runs in {monotonic() - begun:.0f} s, {len(card.failed)} failed")
    for text in card.lines():
        _say(text)
    if asked.write is not None:
        written(asked.write, card.page(shlex.join(["python", "-m", "tests.faults", *_without_write(argv)]), monotonic() - begun))
    return 0 if card.clean else 1


def _performed(runs: Sequence[Run], workers: int) -> Iterator[Outcome]:
    """Perform runs in processes of their own; what comes of each does not depend on how many there are."""
    if workers <= 1:
        quieten()
        yield from map(perform, runs)
        return
    with get_context("spawn").Pool(workers, initializer=quieten, maxtasksperchild=400) as pool:
        yield from pool.imap_unordered(perform, runs, chunksize=4)


def _repeat(run: Run) -> int:
    outcome = perform(run)
    _say(f"{outcome}")
    for text in outcome.sentence.lines():
        _say(text)
    return 0 if outcome.clean else 1


def _without_write(argv: Sequence[str] | None) -> Sequence[str]:
    words = list(sys.argv[1:] if argv is None else argv)
    if "--write" in words:
        at = words.index("--write")
        del words[at : at + 2]
    return words


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
