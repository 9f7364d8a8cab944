"""`tare-image tags` and `login` against registries that mislead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import hostile_rules as rules
from tests.support.hostile_registry import PASSWORD, USER, HostileRegistry, Rule, as_json
from tests.support.image_program import Surroundings, assert_clear_failure
from tests.support.layouts import make_layout

TAGS = r"/v2/.+/tags/list"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[HostileRegistry]:
    with HostileRegistry(make_layout(tmp_path / "image", tag="v1")).running() as server:
        yield server


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


def answer_tags(document: object) -> list[Rule]:
    return [Rule("GET", TAGS, lambda registry, seen: as_json(document))]


ROWS: dict[str, list[Rule]] = {
    "a page that links to itself": rules.tags_for_ever(new=False),
    "a list without tags": answer_tags({"name": "box", "tags": "v1"}),
    "a list of numbers": answer_tags({"name": "box", "tags": [1, 2]}),
    "a list that is none": answer_tags(["v1"]),
    "a tag that drives the terminal": answer_tags({"name": "box", "tags": ["v1\x1b[2J"]}),
    "a list without end": rules.always(
        r"/v2/.+/tags/list", lambda: rules.Reply(200, {}, rules.endless(), None)
    ),
    "404": rules.refuse(404, "NAME_UNKNOWN", r"/v2/.+/tags/list"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_tag_list_that_misleads_is_refused(
    registry: HostileRegistry, around: Surroundings, name: str
) -> None:
    registry.rules = ROWS[name]
    command = ("tags", f"docker://{registry.address}/box")
    failed = around.run(*command)
    assert_clear_failure(failed, registry.address)
    assert "\x1b" not in failed.stdout + failed.stderr
    registry.rules = []
    assert around.run_here(*command).stdout == "v1\n"


def test_pages_that_never_end_are_ended(registry: HostileRegistry, around: Surroundings) -> None:
    registry.rules = rules.tags_for_ever(new=True)
    failed = around.run("tags", f"docker://{registry.address}/box", timeout=120)
    assert_clear_failure(failed, registry.address)


def test_a_login_that_is_refused_keeps_nothing(registry: HostileRegistry, around: Surroundings) -> None:
    registry.rules = rules.basic_for_ever()
    failed = around.run("login", "--username", USER, "--password", PASSWORD, registry.address)
    assert_clear_failure(failed, registry.address)
    assert PASSWORD not in failed.stderr + failed.stdout
    assert not [path for path in around.home.rglob("*") if path.is_file()]
