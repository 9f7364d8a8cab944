"""podman, containerd and Docker see the same of our runtime as they see of runc."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.callers.compare import CALLERS, REFERENCE, Caller, compare, fresh_folder, steps_of
from tests.callers.script import Step

OURS = "tare-runtime"
PROGRAMS = {"podman": ("podman", "conmon"), "ctr": ("containerd", "ctr"), "docker": ("dockerd", "docker")}
QUICK = [(name, step) for name in CALLERS for step in steps_of(name) if step.quick]

pytestmark = [pytest.mark.root, pytest.mark.peer]


@pytest.fixture(scope="module")
def callers() -> Iterator[dict[str, Caller]]:
    """Callers that have been started, by name; each is stopped at the end and must leave nothing behind."""
    started: dict[str, Caller] = {}
    yield started
    for caller in started.values():
        caller.__exit__(None, None, None)
    assert {caller.name: caller.left for caller in started.values() if caller.left} == {}


@pytest.mark.parametrize(("name", "step"), QUICK, ids=[f"{name}: {step.name}" for name, step in QUICK])
def test_step_looks_the_same_as_under_runc(callers: dict[str, Caller], name: str, step: Step) -> None:
    caller = callers.get(name) or _start(name)
    callers[name] = caller
    compared = compare(caller, step, OURS)
    assert compared.difference == "", compared.difference


def _start(name: str) -> Caller:
    if os.geteuid() != 0:
        pytest.skip("containers are started: root only")
    missing = [program for program in (*PROGRAMS[name], REFERENCE) if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    subjects = {
        program: str(Path(shutil.which(program) or program).absolute()) for program in (REFERENCE, OURS)
    }
    return CALLERS[name](fresh_folder(), subjects).__enter__()
