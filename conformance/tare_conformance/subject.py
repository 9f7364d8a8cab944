"""A program that is judged: known by its command line only."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tare_conformance.errors import UsageError
from tare_conformance.mutants import Mutant

WRAPPER = Path(__file__).with_name("broken.py")


@dataclass(frozen=True)
class Subject:
    """`argv` is what every call begins with. `mutant` is the one thing that is wrong on purpose."""

    name: str
    argv: tuple[str, ...]
    version: str = ""
    mutant: Mutant | None = None

    def broken(self, mutant: Mutant) -> Subject:
        """The same program, to be called through the wrapper that spoils one thing."""
        return replace(self, mutant=mutant)

    def command(self, verb: str) -> tuple[str, ...]:
        """What a call of `verb` begins with."""
        if self.mutant is None or verb not in self.mutant.verbs:
            return self.argv
        return (sys.executable, "-I", "-S", str(WRAPPER), self.mutant.encoded(), "--", *self.argv)


def parse_subject(text: str) -> Subject:
    """Read NAME-or-path[=ARGUMENTS].

    Raises: UsageError if there is no such program.
    """
    program, _, arguments = text.partition("=")
    path = shutil.which(program)
    if path is None and "/" not in program:  # what the same environment installed, not on PATH
        path = shutil.which(str(Path(sys.executable).with_name(program)))
    if path is None:
        raise UsageError(
            f"subject {program!r}: no such program", "name one that is on PATH, or give its path"
        )
    return Subject(Path(program).name, (path, *shlex.split(arguments)), version_of(path))


def version_of(path: str) -> str:
    """The first line of --version, or nothing."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().split("\n")[0]
