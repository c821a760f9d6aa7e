"""The fault rehearsal: `python -m tests.faults` runs the matrix of crash points, faults and modes, and says what was done wrong.

`--together` runs what is not in the matrix: several faults and deaths in one run.

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
from tests.faults.together import drawn, reduced

RUNS = 5_500
_TOLD_EVERY = 250


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    line = argparse.ArgumentParser(prog="python -m tests.faults", description="Rehearse crashes and faults, and keep the score.")
    add = line.add_argument
    add("--runs", type=_count, default=RUNS, help=f"how many runs of the matrix (default {RUNS})")
    add("--together", type=_count, metavar="N", help="so many runs with several faults and deaths each, instead of the matrix")
    add("--seed", type=int, default=1, help="moves what is run, when it strikes, and all else (default 1)")
    add("--only", default="", metavar="CRASH/FAULT/MODE", help="only runs of which a name holds each of these words")
    add("--workers", type=int, default=2, help="processes (default 2)")
    add("--repeat", metavar="RUN", help="perform one run as a failure's line names it, with the daemon's log")
    add("--reduce", metavar="RUN", help="leave out of a failed run what it does not need to fail")
    add("--write", type=Path, metavar="FILE", help="write the scorecard into this document")
    return line


def main(argv: Sequence[str] | None = None) -> int:
    """Run what was asked for; return 1 unless nothing at all was done wrong."""
    line = parser()
    asked = line.parse_args(argv)
    if asked.repeat is not None:
        return _repeat(run_of(asked.repeat))
    if asked.reduce is not None:
        return _reduce(run_of(asked.reduce))
    if asked.together is not None and asked.write is not None:
        line.error("--write writes the scorecard of the matrix, not that of --together")
    runs = chosen(asked.runs, asked.seed, asked.only) if asked.together is None else drawn(asked.together, asked.seed, asked.only)
    begun = monotonic()
    card = _scored(runs, asked.workers)
    for text in card.lines():
        _say(text)
    if asked.write is not None:
        written(asked.write, card.page(shlex.join(["python", "-m", "tests.faults", *_without_write(argv)]), monotonic() - begun))
    return 0 if card.clean else 1


def _scored(runs: Sequence[Run], workers: int) -> Scorecard:
    """Perform runs, tell each that fails at once, and keep the score."""
    begun, card = monotonic(), Scorecard()
    for number, outcome in enumerate(_performed(runs, workers), 1):
        card.take(outcome)
        if not outcome.clean:
            _say(failure(outcome))
        if number % _TOLD_EVERY == 0:
            _say(f"{number} of {len(runs)} runs in {monotonic() - begun:.0f} s, {len(card.failed)} failed")
    return card


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


def _reduce(run: Run) -> int:
    quieten()
    outcome = perform(reduced(run))
    _say("it is clean" if outcome.clean else failure(outcome))
    return 0 if outcome.clean else 1


def _count(text: str) -> int:
    """Read a number of runs."""
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of runs: one at least")
    return count


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
