"""What the doctor says: findings, each with what to do, and the diagnosis they make."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

GOOD, MEND, WRONG_INPUT = 0, 1, 2


class Level(StrEnum):
    """How a finding stands: good, worth a look, or to be mended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was seen, and what to do unless it is good."""

    name: str
    level: Level
    said: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All findings of one visit, in the order in which they were made."""

    environment: str
    at: datetime
    findings: tuple[Finding, ...]
    wrong_input: bool = False

    @property
    def exit_code(self) -> int:
        """Return 0 where everything is good, warnings allowed; 1 where something must be mended; 2 for wrong input."""
        if self.wrong_input:
            return WRONG_INPUT
        return MEND if any(finding.level is Level.FAIL for finding in self.findings) else GOOD

    def lines(self) -> Iterator[str]:
        """Write it for a terminal: a line for each finding, its hint below it, and a summary."""
        yield f"doctor      {self.environment}, {self.at:%Y-%m-%d %H:%M:%S} UTC"
        for finding in self.findings:
            yield f"{finding.level:5} {finding.name:24} {finding.said}"
            if finding.hint and finding.level is not Level.OK:
                yield f"{'':30} -> {finding.hint}"
        counts = {level: sum(finding.level is level for finding in self.findings) for level in Level}
        yield f"{counts[Level.OK]} good, {counts[Level.WARN]} to look at, {counts[Level.FAIL]} to mend"

    def json(self) -> str:
        """Write it as one JSON object; docs/doctor.md describes the fields."""
        shown = {
            "environment": self.environment,
            "at": self.at,
            "exit_code": self.exit_code,
            "findings": [{"name": f.name, "level": f.level, "said": f.said, "hint": f.hint} for f in self.findings],
        }
        return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()

    def without(self, hide: Callable[[str], str]) -> "Diagnosis":
        """Return it with what is secret taken out of every text."""
        clean = tuple(Finding(f.name, f.level, hide(f.said), hide(f.hint)) for f in self.findings)
        return Diagnosis(environment=self.environment, at=self.at, findings=clean, wrong_input=self.wrong_input)


def ok(name: str, said: str) -> Finding:
    """Return a good finding."""
    return Finding(name, Level.OK, said)


def warn(name: str, said: str, hint: str) -> Finding:
    """Return a finding worth a look."""
    return Finding(name, Level.WARN, said, hint)


def fail(name: str, said: str, hint: str) -> Finding:
    """Return a finding that must be mended."""
    return Finding(name, Level.FAIL, said, hint)


Check = Callable[[], Sequence[Finding]]
