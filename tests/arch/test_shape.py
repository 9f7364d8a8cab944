"""Caps and shapes of files: what keeps a module one thing that a person can read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.arch.source_tree import FOLDERS, ROOT, files_under, package_modules, tracked_files

PYTHON_CAP, C_CAP, MAIN_CAP = 500, 400, 15
VAGUE_NAMES = {"utils", "helpers", "common", "manager", "misc"}


def line_count(path: Path) -> int:
    return path.read_bytes().count(b"\n")


@pytest.mark.parametrize(
    ("suffixes", "cap"),
    [({".py"}, PYTHON_CAP), ({".c", ".h"}, C_CAP)],
    ids=["python", "c"],
)
def test_no_file_outgrows_its_cap(suffixes: set[str], cap: int) -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines, cap {cap}"
        for path in tracked_files()
        if path.suffix in suffixes and (lines := line_count(path)) > cap
    ]
    assert not long, "split these by what they do:\n" + "\n".join(long)


def test_main_modules_stay_a_few_lines_because_they_are_never_cached() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines, cap {MAIN_CAP}"
        for folder in FOLDERS.values()
        for path in files_under(folder, ".py")
        if path.name == "__main__.py" and (lines := line_count(path)) > MAIN_CAP
    ]
    assert not long, "\n".join(long)


def test_init_modules_are_empty() -> None:
    """Importing any module of a package runs every `__init__` above it, so they hold nothing.

    The one exception is the runtime's own, which offers its API by a lazy `__getattr__`.
    """
    filled = [
        str(path.relative_to(ROOT))
        for package in FOLDERS
        for path in package_modules(package).values()
        if path.name == "__init__.py"
        and path != ROOT / "runtime/tare_runtime/__init__.py"
        and ast.parse(path.read_bytes()).body
    ]
    assert not filled, "\n".join(filled)


def test_the_runtimes_init_imports_nothing_by_itself() -> None:
    body = ast.parse((ROOT / "runtime/tare_runtime/__init__.py").read_bytes()).body
    for node in body:
        allowed = isinstance(node, (ast.FunctionDef, ast.Assign, ast.AnnAssign, ast.If)) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        )
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        assert allowed or future, f"line {node.lineno}: only a lazy __getattr__ may live here"
        if isinstance(node, ast.If):
            assert isinstance(node.test, ast.Name), f"line {node.lineno}"
            assert node.test.id == "TYPE_CHECKING", f"line {node.lineno}"


def test_no_module_is_named_after_nothing_in_particular() -> None:
    vague = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in {".py", ".c", ".h"}
        and (VAGUE_NAMES & {part.removesuffix(path.suffix) for part in path.relative_to(ROOT).parts})
    ]
    assert not vague, "\n".join(vague)


def test_every_module_says_its_job_in_a_docstring() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for package in FOLDERS
        for path in package_modules(package).values()
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(path.read_bytes()))
    ]
    assert not silent, "\n".join(silent)


def test_packages_carry_the_marker_for_type_checkers() -> None:
    missing = [
        package for package, folder in FOLDERS.items() if not (ROOT / folder / package / "py.typed").exists()
    ]
    assert not missing


def test_only_the_command_line_ends_the_process() -> None:
    """`sys.exit` in the depth hides errors from whoever imports us.

    It belongs to `__main__`, to `cli`, and to the last lines of a file that is run as a script.
    """
    found = []
    for package in FOLDERS:
        for name, path in package_modules(package).items():
            if name.endswith("__main__") or ".cli" in name:
                continue
            importable = path.read_text().partition('\nif __name__ == "__main__":')[0]
            for number, line in enumerate(importable.splitlines(), 1):
                if re.search(r"\bsys\.exit\(|\braise SystemExit\b", line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
