"""What the runtime says when it fails: each failure made for real, its message compared with a golden text.

TARE_GOLDEN=write (./dev golden) writes the texts anew; what changed is then read as a diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tare_runtime.cgroup.paths import discover

from tests.support.bundles import Bundle
from tests.support.failures.table import GROUPS, Failure, golden_text, load, said, sections
from tests.support.faults import everything_left

pytestmark = pytest.mark.root

TABLE = load()
FOLDER = Path(__file__).parent / "errors"
WRITE = os.environ.get("TARE_GOLDEN") == "write"
LEAST = 80


@pytest.mark.parametrize("one", TABLE, ids=lambda one: f"{one.group}-{one.name}")
def test_a_failure_says_what_was_tried_and_why_golden(bundle: Bundle, one: Failure) -> None:
    if one.only_v1 and discover().version != 1:
        pytest.skip("the limit is written to other files on cgroup v2")
    done = one.make(bundle)
    text = golden_text(one, said(done, bundle))
    path = FOLDER / f"{one.group}.txt"
    if WRITE:
        kept = sections(path) | {one.name: text}
        order = [other.name for other in TABLE if other.group == one.group]
        path.write_text("\n".join(kept[name] for name in order if name in kept))
    assert sections(path).get(one.name) == text
    assert done.returncode not in (0, None)
    assert done.stdout == ""


def test_a_failure_leaves_nothing_behind(bundle: Bundle) -> None:
    """One of those that come latest; the others are tried at every point by the tests of crashes."""
    bundle.args("nothing-like-it").run()
    assert everything_left(bundle) == []


def test_the_table_is_large_and_its_texts_are_all_used() -> None:
    assert len(TABLE) >= LEAST
    assert len({(one.group, one.name) for one in TABLE}) == len(TABLE)
    for group in GROUPS:
        names = {one.name for one in TABLE if one.group == group}
        assert set(sections(FOLDER / f"{group}.txt")) == names


def test_the_page_of_errors_is_made_of_these_texts_golden() -> None:
    from tests.support.failures.page import PAGE, page

    if WRITE:
        PAGE.write_text(page())
    assert PAGE.read_text() == page()
