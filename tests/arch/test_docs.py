"""What the documents say about the code, where a program can check it."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest
from tare_imagetools import errors as image_errors

from tests.arch.source_tree import ROOT, tracked_files

DOCUMENTS = [path for path in tracked_files() if path.suffix == ".md"]
DECISIONS = sorted((ROOT / "docs/adr").glob("*.md"))
PAGE_LINES = 60


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", path.read_text())
    broken = [target for target in targets if not (path.parent / target).exists()]
    assert not broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_dev_that_are_named_exist(path: Path) -> None:
    offered = set(re.findall(r"^    ([a-z]+)\) ", (ROOT / "dev").read_text(), re.MULTILINE))
    named = set(re.findall(r"\./dev ([a-z]+)\b", path.read_text()))
    assert named <= offered, f"{path.name} names {sorted(named - offered)}"


def test_every_dependency_has_its_reason_written_down() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for name in extras if name != "dev" for line in extras[name])]
    reasons = "\n".join(path.read_text() for path in DECISIONS)
    names = [re.split(r"[<>=;\s]", line)[0] for line in lines]
    assert not [name for name in names if not re.search(rf"\b{re.escape(name)}\b", reasons)]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_a_decision_is_one_numbered_page(path: Path) -> None:
    text = path.read_text()
    number = int(path.name[:4])
    assert text.startswith(f"# {number}. "), "the title carries the file's number"
    assert all(f"\n## {part}\n" in text for part in ("Context", "Decision", "Consequences"))
    assert text.count("\n") <= PAGE_LINES


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in DECISIONS]
    assert numbers == [f"{index:04d}" for index in range(1, len(numbers) + 1)]


def test_the_image_tools_exit_statuses_are_those_of_the_table() -> None:
    section = (ROOT / "docs/errors.md").read_text().split("## tare-image\n")[1].split("\n## ")[0]
    table = {int(status) for status in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    classes = [found for _, found in inspect.getmembers(image_errors, inspect.isclass)]
    raised = {found.exit_code for found in classes if issubclass(found, image_errors.ImageToolError)}
    assert raised <= table
    assert table - raised <= {0, 4, 5, 130}, "set on instances, or by the command line itself"
