"""docs/features.md is what the tests' marks say, and knows every option of the command line."""

from __future__ import annotations

import pytest

from tests.features.marks import Marks, collect
from tests.features.pages import PAGE, load, render, rows_without_option


@pytest.fixture(scope="module")
def marks() -> Marks:
    return collect()


def test_the_committed_page_is_what_the_tests_say(marks: Marks) -> None:
    assert PAGE.read_text() == render(marks), "write it anew: ./dev features"


def test_every_command_and_option_has_a_row() -> None:
    assert rows_without_option(load("commands")) == [], "add them to tests/features/commands.toml"


def test_a_row_without_a_test_is_shown_as_missing(marks: Marks) -> None:
    without: Marks = {**marks, "flag": {k: v for k, v in marks["flag"].items() if k != "update --memory"}}
    assert "| `--memory` |" in render(marks)
    (line,) = [line for line in render(without).splitlines() if line.startswith("| `--memory` |")]
    assert line.endswith("| **missing** |")


def test_a_mark_that_names_nothing_is_an_error(marks: Marks) -> None:
    with pytest.raises(KeyError, match="no-such-flag"):
        render({**marks, "flag": {"no-such-flag": ["x"]}})
