"""Runs a step under two runtimes and compares what was seen."""

from __future__ import annotations

import difflib
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from tests.callers.containerd import Containerd
from tests.callers.ctr_steps import STEPS as CTR_STEPS
from tests.callers.ctr_steps import Ctr
from tests.callers.docker import Docker
from tests.callers.engine import Engine
from tests.callers.engine_steps import DOCKER_STEPS, PODMAN_STEPS
from tests.callers.podman import Podman
from tests.callers.script import Step

Caller = Docker | Podman | Containerd
CALLERS: dict[str, type[Docker] | type[Podman] | type[Containerd]] = {
    kind.name: kind for kind in (Podman, Containerd, Docker)
}
REFERENCE = "runc"


@dataclass(frozen=True)
class Comparison:
    """One step under both runtimes; `difference` is a unified diff, empty when nothing differs."""

    caller: str
    step: str
    reference_s: float
    subject_s: float
    difference: str
    lines: list[str]


def fresh_folder() -> Path:
    """A folder for a caller's whole state, removed by it; its name is a legal containerd namespace."""
    folder = Path("/var/tmp") / f"tare-callers-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    return folder


def steps_of(caller: str) -> list[Step]:
    return {Containerd.name: CTR_STEPS, Docker.name: DOCKER_STEPS, Podman.name: PODMAN_STEPS}[caller]


def compare(caller: Caller, step: Step, subject: str) -> Comparison:
    """Run STEP under the reference and under SUBJECT."""
    expected, reference_s = _act(caller, step, REFERENCE)
    seen, subject_s = _act(caller, step, subject)
    diff = difflib.unified_diff(expected, seen, REFERENCE, subject, lineterm="")
    return Comparison(caller.name, step.name, reference_s, subject_s, "\n".join(diff), expected)


def _act(caller: Caller, step: Step, subject: str) -> tuple[list[str], float]:
    session = Ctr(caller, subject) if isinstance(caller, Containerd) else Engine(caller, subject)
    began = time.monotonic()
    step.act(session)
    return session.transcript.lines, time.monotonic() - began
