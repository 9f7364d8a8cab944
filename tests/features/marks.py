"""Which tests stand for which feature: the `flag` and `field` marks of tests, as pytest sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/runtime", "tests/vm", "tests/callers")
KINDS = ("flag", "field")
_OUT = "TARE_MARKS_FILE"

Marks = dict[str, dict[str, list[str]]]  # kind → name → files with tests of it


def collect() -> Marks:
    """Ask a pytest of its own, since some marks are made by code."""
    target = ROOT / f".marks-{os.getpid()}.json"
    folders = [folder for folder in FOLDERS if (ROOT / folder).exists()]
    command = [sys.executable, "-m", "pytest", "-p", "tests.features.marks", "--collect-only", "-q", *folders]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, _OUT: str(target)}, capture_output=True, text=True
        )
        assert done.returncode in (0, 5), done.stdout[-2000:] + done.stderr
        marks: Marks = json.loads(target.read_text())
        return marks
    finally:
        target.unlink(missing_ok=True)


def pytest_collection_finish(session: object) -> None:
    """The plugin's side: write down what the tests of this session are marked with."""
    if _OUT not in os.environ:
        return
    marks: dict[str, dict[str, set[str]]] = {kind: {} for kind in KINDS}
    for item in _items(session):
        for kind in KINDS:
            for mark in item.iter_markers(kind):
                for name in mark.args:
                    marks[kind].setdefault(name, set()).add(item.path.relative_to(ROOT).as_posix())
    found = {
        kind: {name: sorted(files) for name, files in sorted(names.items())} for kind, names in marks.items()
    }
    Path(os.environ[_OUT]).write_text(json.dumps(found))


def _items(session: object) -> Iterable[object]:  # pytest's own types would make this module import pytest
    return session.items  # type: ignore[attr-defined,no-any-return]
