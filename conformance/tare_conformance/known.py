"""The list of failures that are expected of a subject, each with its reason.

`known.toml` holds [[known]] tables: `subject` (a name), `cases` (a list of ids), `reason`, and if it is not
for every version `version`, a text that the first line of --version contains. `sometimes = true` is for a
race: a pass is then no surprise.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tare_conformance.errors import KnownError
from tare_conformance.subject import Subject

SHIPPED = Path(__file__).with_name("known.toml")


@dataclass(frozen=True)
class Known:
    """One entry."""

    subject: str
    cases: tuple[str, ...]
    reason: str
    version: str = ""
    sometimes: bool = False


def read_known(path: Path = SHIPPED) -> list[Known]:
    """Raises: KnownError if the file cannot be read or an entry has not the right members."""
    try:
        tables = tomllib.loads(path.read_text()).get("known", [])
        return [Known(**{**table, "cases": tuple(table["cases"])}) for table in tables]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise KnownError(f"read known failures, on {path}: {error}") from error


def expected(known: list[Known], subject: Subject, case: str) -> Known | None:
    """The entry that expects this case to fail under this subject, if there is one."""
    for entry in known:
        if entry.subject == subject.name and case in entry.cases and entry.version in subject.version:
            return entry
    return None
