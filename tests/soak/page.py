"""The result of a long run as a table, and its place in docs/reliability.md: between markers, the rest of the page untouched."""

import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from clock import wall_now
from events import AlertRaised, AnyEvent
from trade_lifecycle import TradeLifecycle

from tests.soak.course import RESTARTS, Record
from tests.soak.log_lines import Judged, Line, volume_of
from tests.soak.readings import Course, Health, course_of
from tests.soak.verdict import Growth, by_strategy

BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"
MARKETS = ("synthetic", "deribit_chain_hourly")
TITLE = "# Reliability\n"
INTRODUCTION = """## Forty-eight hours

The whole program as a user starts it (`main.py --strategies-file tests/soak/soak_strategies.py --paper-speed ...`) runs fast over day ends,
a weekend and expiries: ten strategies in all four modes, several trades each a day. It is stopped twice, killed three times with `kill -9`,
and once more together with its exchange; the exchange hangs twice and dies once. A person's two orders and one holding are on the same
account all the time. The run fails unless

- the journal equals the exchange's own ledger, fill by fill; no order was sent twice; nothing of the person's was touched;
- every trade ended flat, and the account has earned exactly the sum of their nets less what the person spent;
- no line of WARNING or worse was written that `tests/soak/allowed.py` does not explain, and no more of each than stands there;
- over the longest life between two restarts, after a warm-up of six hours, memory ends at most 15 % and 3 MB higher and grows by at most
  6 MB per simulated day (trades that have ended are kept for caps, cool-downs and `--status`), threads and open handles stay, and a tick
  costs at most 1.5 times the CPU time that it cost at first.

Again: `make soak ARGS="-k forty_eight"`. `SOAK_HOURS=3 SOAK_SPEED=120 SOAK_SEED=7` before it change the length, the speed, and what chance
decides; `SOAK_WRITE=1` writes this section anew. The machine's pace decides how many ticks fall into a minute of the market: the figures
of two runs differ, the verdict must not.
"""


def rows_of(
    record: Record,
    growth: Growth,
    judged: Judged,
    lines: Sequence[Line],
    health: Sequence[Health],
    events: Sequence[AnyEvent],
    trades: Sequence[TradeLifecycle],
) -> Iterator[tuple[str, str]]:
    """Yield each figure with its name."""
    hours = record.hours
    happened = Counter(one.trouble for one in record.troubles)
    span = f"{record.began:%a %d %b %H:%M} to {record.ended:%a %d %b %H:%M} ({hours:.1f} h)"
    yield "market time", f"{span}, speed {record.soak.speed:g}, seed {record.soak.seed}"
    yield "restarts", ", ".join(f"{count} x {name}" for name, count in happened.items() if name in RESTARTS)
    yield "other troubles", ", ".join(f"{count} x {name}" for name, count in happened.items() if name not in RESTARTS and name != "the end")
    yield "longest life", f"{growth.hours:.1f} simulated hours; what follows is of this life, after its warm-up"
    yield "memory of the daemon, first and last quarter", _course(growth.memory, "MB", a_day=True)
    yield "threads", _course(growth.threads, "")
    yield "open handles", _course(growth.handles, "")
    yield "CPU time per tick", _course(growth.cpu_per_tick, "ms", digits=2)
    yield "CPU time per simulated hour", _course(growth.cpu_per_hour, "s")
    yield "wall time of a tick (a sample each health line)", _course(course_of([(one.at, one.tick_ms) for one in health]), "ms")
    yield (
        "age of the account at a health line",
        _course(course_of([(one.at, one.account_age) for one in health if one.account_age is not None]), "s of the market"),
    )
    yield "memory of the exchange", _course(growth.exchange_memory, "MB", a_day=True)
    yield "CPU time of the exchange per simulated hour", _course(growth.exchange_cpu_per_hour, "s")
    yield "journal", _journal(record, events, len(trades))
    for level, (count, size) in volume_of(lines).items():
        yield f"log, {level}", f"{count / hours:.0f} lines, {size / 1000 / hours:.1f} kB (JSON) per simulated hour"
    yield "lines of WARNING or worse", f"{sum(judged.explained.values())} explained, {len(judged.unexplained)} not"
    alerts = Counter(_cause(event.cause) for event in events if isinstance(event, AlertRaised))
    yield "alerts by cause", ", ".join(f"{count} x {cause}" for cause, count in alerts.most_common()) or "none"


def _cause(cause: str) -> str:
    """Return the words of a cause before the trade, symbol or name it is about."""
    words = takewhile(lambda word: word.isalpha() or word.endswith(":"), cause.split())
    return " ".join(words)


def _course(course: Course | None, unit: str, *, digits: int = 1, a_day: bool = False) -> str:
    if course is None:
        return "too short to say"
    text = f"{course.first:.{digits}f} to {course.last:.{digits}f} {unit}".rstrip() + f", at most {course.most:.{digits}f}"
    return f"{text}, {course.a_day:+.1f} {unit} a day" if a_day else text


def _journal(record: Record, events: Sequence[AnyEvent], trades: int) -> str:
    size = sum(bytes_ for name, bytes_ in record.sizes.items() if "journal.db" in name)
    most = Counter(type(event).__name__ for event in events).most_common(3)
    kinds = ", ".join(f"{count} {name}" for name, count in most)
    each = max(1, trades)
    return f"{size / 1e6:.2f} MB, {len(events)} events ({kinds}); {size / 1000 / each:.1f} kB and {len(events) / each:.0f} events per trade"


def section_of(rows: Sequence[tuple[str, str]], events: Sequence[AnyEvent], verdict: Sequence[str], name: str) -> str:
    """Write what a run came to as a part of the page."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [f"### The {name} market", "", f"{wall_now():%d %B %Y}, {machine}. **{'Passed' if not verdict else 'FAILED'}.**", ""]
    lines += [f"- {wrong}" for wrong in verdict[:20]]
    lines += ["", "| What | Measured |", "|---|---|", *(f"| {what} | {value.replace('|', '/')} |" for what, value in rows), ""]
    lines += ["| Strategy | Trades |", "|---|---|"]
    lines += [f"| `{strategy}` | {_counts(counts)} |" for strategy, counts in sorted(by_strategy(events).items())]
    return "\n".join(lines) + "\n"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items(), key=lambda one: (one[0].startswith("by "), -one[1])))


def put(page: str, name: str, section: str) -> str:
    """Return the page with one market's section in its place; everything outside of the markers stays as it is."""
    sections = _sections(page)
    sections[name] = section
    kept = [f"<!-- soak {one}: begin -->\n{sections[one]}<!-- soak {one}: end -->\n" for one in MARKETS if one in sections]
    ours = "\n".join([BEGIN, INTRODUCTION, *kept, END])
    if BEGIN in page and END in page:
        before, _, rest = page.partition(BEGIN)
        return before + ours + rest.partition(END)[2]
    return f"{page.rstrip() or TITLE.rstrip()}\n\n{ours}\n"


def _sections(page: str) -> dict[str, str]:
    found = {}
    for name in MARKETS:
        _, begun, rest = page.partition(f"<!-- soak {name}: begin -->\n")
        text, over, _ = rest.partition(f"<!-- soak {name}: end -->")
        if begun and over:
            found[name] = text
    return found


def write(file: Path, name: str, section: str) -> None:
    """Put a section into a page on disk, which is created where it does not exist."""
    page = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(put(page, name, section), encoding="utf-8")
