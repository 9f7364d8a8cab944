"""Who may import whom: `shim → imagetools → spec ← conformance`, the runtime stands alone."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.arch.source_tree import (
    FOLDERS,
    ROOT,
    Import,
    chain_to,
    imports_of,
    package_modules,
    top_level,
    tracked_files,
)

# package → (packages of ours, libraries) that its modules may import
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "tare_spec": (set(), {"jsonschema", "referencing"}),
    "tare_runtime": (set(), {"click"}),
    "tare_imagetools": (
        {"tare_spec"},
        {"click", "requests", "urllib3", "oras", "isal", "rich", "backports", "h11", "bcrypt"},
    ),
    "tare_conformance": ({"tare_spec"}, {"click", "requests", "urllib3", "jsonschema", "referencing"}),
    "tare_shim": ({"tare_imagetools", "tare_spec"}, {"click"}),
}
# In the standard library of an interpreter newer than the oldest we run on.
NEWER_STDLIB = {"compression"}
# What a package may name for the type checker alone.
TYPING_ALLOWED = {"tare_runtime": {"tare_spec"}, "tare_imagetools": {"_typeshed"}, "tare_spec": {"_typeshed"}}
# The runtime's only module that may know click: the help side, never loaded by a container's life.
CLICK_IN_RUNTIME = {"tare_runtime.cli.cold"}
# Linked into the one-file command, where the interpreter has no `_json`; installed nowhere.
LINKED_IN = {"tare_runtime.json_text": "simplejson"}


def violations(package: str) -> list[str]:
    ours, libraries = ALLOWED[package]
    allowed = ours | libraries | {package} | set(sys.stdlib_module_names) | NEWER_STDLIB
    found = []
    for name, path in package_modules(package).items():
        for edge in imports_of(path):
            target = top_level(edge.imported)
            if target in allowed and not (package == "tare_runtime" and target == "click"):
                continue
            if edge.typing_only and target in TYPING_ALLOWED.get(package, set()):
                continue
            if (target == "click" and name in CLICK_IN_RUNTIME) or target == LINKED_IN.get(name):
                continue
            found.append(_describe(package, path, edge))
    return found


def _describe(package: str, path: Path, edge: Import) -> str:
    chain = " → ".join([*chain_to(package, edge.importer), edge.imported])
    return f"{path.relative_to(ROOT)}:{edge.line}: {chain}"


@pytest.mark.parametrize("package", sorted(FOLDERS))
def test_a_package_imports_only_what_its_place_allows(package: str) -> None:
    found = violations(package)
    assert not found, "imports against the direction of the packages:\n" + "\n".join(found)


def test_nothing_imports_the_tests() -> None:
    found = [
        _describe(package, path, edge)
        for package in FOLDERS
        for path in package_modules(package).values()
        for edge in imports_of(path)
        if top_level(edge.imported) in {"tests", "conftest", "bench"}
    ]
    assert not found, "\n".join(found)


def test_every_third_party_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for name in extras.keys() - {"dev"} for line in extras[name])]
    declared = {re.split(r"[<>=;.\s]", line)[0] for line in lines}
    used = set().union(*(libraries for _, libraries in ALLOWED.values()))
    assert used <= declared, f"allowed here, not declared in pyproject.toml: {sorted(used - declared)}"


@pytest.mark.parametrize("package", sorted(FOLDERS))
def test_the_folders_ruff_file_bans_what_the_rule_forbids(package: str) -> None:
    """The linter says it while one types; this file says it for good. They must not disagree."""
    path = ROOT / FOLDERS[package] / "ruff.toml"
    config = tomllib.loads(path.read_text())
    banned = set(config["lint"]["flake8-tidy-imports"]["banned-api"])
    forbidden = FOLDERS.keys() - ALLOWED[package][0] - TYPING_ALLOWED.get(package, set()) - {package}
    assert config["extend"] == "../pyproject.toml"
    assert forbidden <= banned, f"{path}: not banned: {sorted(forbidden - banned)}"


def test_the_walk_sees_imports_wherever_they_hide(tmp_path: Path) -> None:
    """The rule is only as good as its eyes: each spelling of an import is found, with its guard."""
    sample = ROOT / "shim" / "tare_shim" / "sample_never_written.py"
    source = (
        "import a.b\n"
        "from . import c\n"
        "from .d import e\n"
        "def f():\n    from tare_runtime.x import y\n"
        "TYPE_CHECKING = False\n"
        "if TYPE_CHECKING:\n    import g\nelse:\n    import h\n"
        "__import__('i')\nimportlib.import_module('j.k')\n"
    )
    import ast

    from tests.arch import source_tree

    found: list[Import] = []
    source_tree._walk(ast.parse(source), source_tree.module_name(sample), "tare_shim", False, found)
    assert {(edge.imported, edge.typing_only) for edge in found} == {
        ("a.b", False),
        ("tare_shim.c", False),
        ("tare_shim.d.e", False),
        ("tare_runtime.x.y", False),
        ("g", True),
        ("h", False),
        ("i", False),
        ("j.k", False),
    }


def test_the_packages_are_really_looked_at() -> None:
    assert len(tracked_files()) > 20
    assert all(package_modules(package) for package in FOLDERS)
