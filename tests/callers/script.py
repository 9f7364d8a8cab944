"""A script of client commands and the transcript of what a user would see of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.callers.command import Outcome

# Runtimes word their errors differently, and callers read only these classes out of them.
CLASSES = (
    ("not found", ("executable file not found", "no such file or directory", "not found")),
    ("refused", ("permission denied", "is a directory", "operation not permitted")),
    ("not running", ("not running", "no such process", "can only kill running", "already finished")),
    ("no such container", ("no such container", "does not exist", "no container with")),
    ("paused", ("is paused", "paused")),
)


@dataclass
class Transcript:
    """What was seen, with everything replaced that may differ between two right runs."""

    private: list[str]  # names to be replaced: container names, the runtime's name and path
    lines: list[str] = field(default_factory=list)

    def show(self, outcome: Outcome, *, output: bool = True) -> Outcome:
        """Record a command's exit code, its output and the class of its error text."""
        self.lines.append(f"exit {outcome.code}{_error_class(outcome)}")
        if output:
            self.lines += [self._plain(line) for line in outcome.out.splitlines() if not _is_error(line)]
        return outcome

    def say(self, text: str) -> None:
        self.lines += [self._plain(line) for line in text.splitlines()]

    def _plain(self, line: str) -> str:
        for name in sorted(self.private, key=len, reverse=True):
            line = line.replace(name, "NAME")
        return re.sub(r"\b[0-9a-f]{64}\b", "ID", line).rstrip()


@dataclass(frozen=True)
class Step:
    """One thing that users do. `quick` ones are run at every test; the rest by ./dev callers."""

    name: str
    act: Callable[..., None]
    quick: bool


def _is_error(line: str) -> bool:
    """Docker says on stdout, in the runtime's words, that an exec could not be started. It and ctr say
    that a terminal's size came after its process had ended, or before there was one."""
    return line.startswith("OCI runtime exec failed: ") or "resize pty" in line or "resize tty" in line


def _error_class(outcome: Outcome) -> str:
    if outcome.code == 0:
        return ""
    text = (outcome.err or outcome.out).lower()
    for name, phrases in CLASSES:
        if any(phrase in text for phrase in phrases):
            return f", {name}"
    return ""
