"""The six kinds of hooks in a container's life: when, where, with what, and what a failure does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle
from tests.support.peers import OURS, run_by

pytestmark = pytest.mark.root

# kind → the status that the hook is told, in the order of a life
KINDS = {
    "prestart": "creating",
    "createRuntime": "creating",
    "createContainer": "creating",
    "startContainer": "created",
    "poststart": "running",
    "poststop": "stopped",
}
INSIDE = ("startContainer",)  # whose path counts in the container


def hook(bundle: Bundle, kind: str, body: str, **more: Any) -> None:
    """A script, where the kind looks for it."""
    name = f"hook-{kind}"
    path = (bundle.rootfs if kind in INSIDE else bundle.path) / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    entry = {"path": f"/{name}" if kind in INSIDE else str(path), **more}
    bundle.config.setdefault("hooks", {}).setdefault(kind, []).append(entry)


def marked(kinds: Any) -> list[Any]:
    return [pytest.param(kind, marks=pytest.mark.field(f"hooks.{kind}"), id=kind) for kind in kinds]


FATAL = marked(kind for kind in KINDS if kind != "poststop")


@pytest.mark.peer
@pytest.mark.parametrize("program", [OURS, "runc"])
def test_hooks_run_in_the_order_of_a_life(bundle: Bundle, program: str) -> None:
    for kind in KINDS:
        log = "/log" if kind in INSIDE else bundle.rootfs / "log"
        hook(bundle, kind, f"echo {kind} >>{log}")
    done = run_by(program, bundle.args("sleep", "0.2"))
    assert done.code == 0, done.err
    order = (bundle.rootfs / "log").read_text().split()
    assert sorted(order) == sorted(KINDS)
    if program == OURS:  # Debian's runc runs poststart before startContainer
        assert order == list(KINDS)


@pytest.mark.parametrize("kind", marked(KINDS))
def test_a_hook_gets_the_state_its_arguments_and_its_environment(bundle: Bundle, kind: str) -> None:
    place = bundle.rootfs if kind in INSIDE else bundle.path
    out = "/out" if kind in INSIDE else place / "out"
    hook(bundle, kind, f"(cat; echo; echo $1; echo $KEY) >{out}", args=["name", "one"], env=["KEY=value"])
    done = bundle.args("true").run()
    assert done.returncode == 0, done.stderr
    state, *rest = (place / "out").read_text().splitlines()
    assert rest == ["one", "value"]
    document = json.loads(state)
    assert (document["id"], document["bundle"]) == (bundle.id, str(bundle.path))
    assert document["status"] == KINDS[kind]


@pytest.mark.parametrize("kind", FATAL)
def test_a_failing_hook_ends_the_container_and_is_named(bundle: Bundle, kind: str) -> None:
    hook(bundle, kind, "echo sorry >&2; exit 3")
    done = bundle.args("sleep", "1").run()
    assert done.returncode == 1
    assert f"error running {kind} hook #0" in done.stderr
    assert bundle.leftovers() == []


@pytest.mark.field("hooks.poststop")
def test_a_failing_poststop_hook_is_warned_of(bundle: Bundle) -> None:
    hook(bundle, "poststop", "exit 3")
    done = bundle.args("true").run()
    assert done.returncode == 0
    assert "poststop hook #0" in done.stderr
    assert bundle.leftovers() == []


@pytest.mark.field("hooks.timeout")
@pytest.mark.parametrize("kind", ["createRuntime", "createContainer", "startContainer", "poststart"])
def test_a_hook_that_takes_too_long_is_ended(bundle: Bundle, kind: str) -> None:
    hook(bundle, kind, "exec sleep 60", timeout=1)
    done = bundle.args("sleep", "5").run()
    assert done.returncode == 1
    assert f"error running {kind} hook #0" in done.stderr
    assert bundle.leftovers() == []


@pytest.mark.field("hooks.createContainer", "hooks.createRuntime")
def test_hooks_are_in_the_namespaces_that_the_specification_says(bundle: Bundle) -> None:
    for kind in ("createRuntime", "createContainer"):
        hook(bundle, kind, f"readlink /proc/self/ns/mnt >{bundle.path}/{kind}")
    done = bundle.args("true").run()
    assert done.returncode == 0, done.stderr
    own = str(Path("/proc/self/ns/mnt").readlink())
    assert (bundle.path / "createRuntime").read_text().strip() == own
    assert (bundle.path / "createContainer").read_text().strip() not in ("", own)
