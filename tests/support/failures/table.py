"""The table of failures: each is a way to make a command fail for real, and where people met it.

A case gets a good bundle, spoils something, and returns the command that failed. What it said is kept beside
the test, in tests/runtime/errors, and is what docs/runtime-errors.md shows.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.support.bundles import Bundle

Done = subprocess.CompletedProcess[str]
Case = Callable[[Bundle], Done]

GROUPS = {
    "program": "The program",
    "files": "Bundle and root file system",
    "mounts": "Mounts and devices",
    "namespaces": "Namespaces, id maps, sysctls",
    "cgroups": "Cgroups and limits",
    "identity": "Users, capabilities, security",
    "hooks": "Hooks and terminals",
    "life": "A container's life",
    "command": "The command line",
}


@dataclass(frozen=True)
class Failure:
    group: str
    name: str
    seen: tuple[str, ...]  # owner/repository#number, or the short name of one of the runtimes
    what: str
    make: Case
    only_v1: bool


TABLE: list[Failure] = []


def failure(group: str, seen: str, what: str, *, only_v1: bool = False) -> Callable[[Case], Case]:
    """Enter a case. `seen`: threads, by blanks; `what`: what was done wrong."""

    def enter(make: Case) -> Case:
        name = make.__name__.replace("_", "-")
        TABLE.append(Failure(group, name, tuple(seen.split()), what, make, only_v1))
        return make

    return enter


def load() -> list[Failure]:
    """The whole table, by groups."""
    for group in GROUPS:
        import_module(f"tests.support.failures.{group}")
    return sorted(TABLE, key=lambda one: list(GROUPS).index(one.group))


def said(done: Done, bundle: Bundle) -> str:
    """What a command said, without what is different each time; then how it ended."""
    text = done.stderr.replace(str(bundle.path), "BUNDLE").replace(bundle.id, "ID")
    text = re.sub(r"/tmp/tare-\w{8}\b", "BUNDLE", text)
    text = re.sub(r"\bpid \d+|process \d+", lambda match: match[0].split()[0] + " N", text)
    return f"{text.rstrip()}\nexit status {done.returncode}\n"


def golden_text(one: Failure, text: str) -> str:
    """A section of a golden file."""
    seen = f"# seen: {' '.join(one.seen)}\n" if one.seen else ""
    return f"== {one.name}\n# {one.what}\n{seen}{text}"


def sections(path: Path) -> dict[str, str]:
    """Name → section of a golden file, headings included."""
    if not path.exists():
        return {}
    parts = re.split(r"^(?=== )", path.read_text(), flags=re.MULTILINE)
    return {part.partition("\n")[0][3:]: part.rstrip() + "\n" for part in parts if part.startswith("== ")}
