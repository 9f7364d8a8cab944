"""What a run found, as the reports read it."""

from __future__ import annotations

from dataclasses import dataclass, field

# How a case can end for one subject. `known` is a failure that the list of known failures expects, `fixed`
# a pass that it does not; `error` is the suite's own fault.
STATUSES = ("pass", "known", "skip", "fixed", "fail", "error")
GOOD = ("pass", "known", "skip")


@dataclass(frozen=True)
class Result:
    """One case under one subject. `reason` says why a failure is known."""

    subject: str
    case: str
    clause: str
    title: str
    status: str
    message: str = ""
    details: str = ""
    leaks: list[str] = field(default_factory=list)
    seconds: float = 0.0
    reason: str = ""

    @property
    def section(self) -> str:
        """The part of the specification."""
        return self.case.split("/", 1)[0]


@dataclass(frozen=True)
class Run:
    """All results, by subject and then case; `subjects` maps each name to its --version line."""

    suite: str
    subjects: dict[str, str]
    host: str
    results: list[Result]
    seconds: float

    def count(self, subject: str) -> dict[str, int]:
        """How many cases ended in each status, for one subject."""
        mine = [result.status for result in self.results if result.subject == subject]
        return {status: mine.count(status) for status in STATUSES if status in mine}

    @property
    def ok(self) -> bool:
        """Whether nothing is unexpected."""
        return all(result.status in GOOD for result in self.results)
