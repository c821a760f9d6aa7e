"""What many runs came to: counted, told as a table, and written down with how to repeat it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.crash import NEVER
from tests.faults.faults import NONE
from tests.faults.judge import COLUMNS
from tests.faults.matrix import Outcome, Run
from tests.faults.schedule import is_dated, names_of

BEGIN, END = "<!-- scorecard: begin -->", "<!-- scorecard: end -->"
REPEAT = "python -m tests.faults --repeat"


@dataclass(slots=True)
class Row:
    """The sums of some runs; a run with several faults, deaths or modes counts in a row of each."""

    runs: int = 0
    struck: int = 0
    crashed: int = 0
    orders: int = 0
    blocks: int = 0
    by_hand: int = 0
    wrongs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLUMNS, 0))
    other: int = 0
    to_truth: float = 0.0
    untrue: int = 0

    def take(self, outcome: Outcome) -> None:
        """Count a run."""
        self.runs += 1
        self.struck += outcome.strikes
        self.crashed += outcome.crashed
        self.orders += outcome.orders
        self.blocks += outcome.blocks
        self.by_hand += outcome.by_hand
        self.other += len(outcome.notes)
        for column, lines in outcome.sentence.wrongs.items():
            self.wrongs[column] += len(lines)
        if outcome.struck:
            self.to_truth = max(self.to_truth, outcome.to_truth or 0.0)
            self.untrue += outcome.to_truth is None

    @property
    def clean(self) -> bool:
        """Tell whether nothing was done wrong."""
        return not self.other and not any(self.wrongs.values())


class Scorecard:
    """All runs, by mode, by fault, by crash point, and those with several by how often the daemon died."""

    def __init__(self) -> None:
        self.whole = Row()
        self.by_mode: dict[str, Row] = defaultdict(Row)
        self.by_fault: dict[str, Row] = defaultdict(Row)
        self.by_crash: dict[str, Row] = defaultdict(Row)
        self.by_deaths: dict[str, Row] = defaultdict(Row)
        self.failed: list[Outcome] = []

    def take(self, outcome: Outcome) -> None:
        """Count a run."""
        run = outcome.run
        self.whole.take(outcome)
        kept = (self.by_mode, run.mode.replace("*2", "")), (self.by_fault, run.fault), (self.by_crash, run.crash)
        for rows, text in kept:
            for name in set(names_of(text)):
                rows[name].take(outcome)
        if is_dated(run.crash, run.fault):
            self.by_deaths[str(outcome.deaths)].take(outcome)
        if not outcome.clean:
            self.failed.append(outcome)

    @property
    def clean(self) -> bool:
        """Tell whether every column is zero."""
        return self.whole.clean

    def lines(self) -> Iterable[str]:
        """Say it for people: the sums, then each run that failed with the command that repeats it."""
        yield from _table("mode", {**dict(sorted(self.by_mode.items())), "all": self.whole})
        if self.by_deaths:
            yield ""
            yield from _table("deaths", {**dict(sorted(self.by_deaths.items())), "all": self.whole})
        for outcome in self.failed:
            yield failure(outcome)

    def page(self, command: str, seconds: float) -> str:
        """Return the scorecard as a document."""
        whole = self.whole
        faults = {name: row for name, row in sorted(self.by_fault.items()) if name != NONE}
        crashes = {name: row for name, row in sorted(self.by_crash.items()) if name != NEVER}
        return "\n".join(
            [
                BEGIN,
                "",
                f"Written by `{command}`: {whole.runs} runs in {seconds:.0f} s, in which {whole.struck} faults struck and the daemon was "
                f"killed in {whole.crashed}; {whole.orders} orders and {whole.blocks} blocks were traded.",
                "",
                "### By mode",
                "",
                *_table("mode", {**dict(sorted(self.by_mode.items())), "all": whole}),
                "",
                "### By fault",
                "",
                *_truth_table(faults),
                "",
                "### By crash point",
                "",
                *_crash_table(crashes),
                "",
                END,
            ]
        )


def failure(outcome: Outcome) -> str:
    """Return what a run did wrong, and how to repeat it, in one line."""
    said = "; ".join([*outcome.sentence.lines(), *outcome.notes])
    return f'FAILED {REPEAT} "{outcome.run}"  # {said}'


def written(file: Path, page: str) -> None:
    """Put a scorecard in the place of the one in a document; the text around it stays. Raises ValueError where there is no place."""
    text = file.read_text(encoding="utf-8")
    head, begun, rest = text.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{file} has no place for a scorecard: it needs the lines {BEGIN} and {END}")
    file.write_text(f"{head}{page}{tail}", encoding="utf-8")


def _table(what: str, rows: dict[str, Row]) -> Sequence[str]:
    head = [what, "runs", "faults struck", "killed", "orders", "blocks", *COLUMNS, "other", "waited for a person", "longest to truth, s"]
    return _drawn(
        head,
        [
            [
                *(name, row.runs, row.struck, row.crashed, row.orders, row.blocks),
                *row.wrongs.values(),
                *(row.other, row.by_hand, f"{row.to_truth:.0f}"),
            ]
            for name, row in rows.items()
        ],
    )


def _truth_table(rows: dict[str, Row]) -> Sequence[str]:
    head = ["fault", "runs", "struck", "done wrong", "waited for a person", "longest to truth, s"]
    return _drawn(
        head,
        [
            [name, row.runs, row.struck, sum(row.wrongs.values()) + row.other, row.by_hand, f"{row.to_truth:.0f}"]
            for name, row in rows.items()
        ],
    )


def _crash_table(rows: dict[str, Row]) -> Sequence[str]:
    return _drawn(
        ["crash point", "runs", "killed", "done wrong"],
        [[f"`{name}`", row.runs, row.crashed, sum(row.wrongs.values()) + row.other] for name, row in rows.items()],
    )


def _drawn(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Sequence[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'|'.join('---' if n == 0 else '---:' for n in range(len(head)))}|",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
    ]


def run_of(text: str) -> Run:
    """Read a run as it is written in a failure's line."""
    return Run.parse(text.strip().strip('"'))
