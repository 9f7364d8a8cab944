"""Commands in every state of a container, beside runc and crun: exit codes, and words that callers match."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.support.bundles import TARE_RUNTIME, Bundle
from tests.support.peers import HIDE_UNIFIED, OURS, RUNTIMES

pytestmark = [pytest.mark.root, pytest.mark.peer]

MISSING, GONE = "container does not exist", "container not running"
# state, command (@: the id), runc's exit code and words, crun's exit code
CELLS = [
    ("missing", "start @", 1, MISSING, 1),
    ("missing", "state @", 1, MISSING, 1),
    ("missing", "kill @ KILL", 1, MISSING, 1),
    ("missing", "pause @", 1, MISSING, 1),
    ("missing", "resume @", 1, MISSING, 1),
    ("missing", "update --pids-limit 50 @", 1, MISSING, 1),
    ("missing", "delete @", 1, "does not exist", 1),
    ("missing", "delete --force @", 0, "", 0),
    ("missing", "exec @ true", 255, MISSING, 1),
    ("missing", "ps @", 1, MISSING, 253),
    ("created", "state @", 0, "", 0),
    ("created", "kill @ 0", 0, "", 0),
    ("created", "kill @ NOPE", 1, "unknown signal", 0),
    ("created", "pause @", 0, "", 0),
    ("created", "resume @", 1, "container not paused", 0),
    ("created", "update --pids-limit 50 @", 0, "", 0),
    ("created", "exec @ true", 0, "", 0),
    ("created", "ps @", 0, "", 0),
    ("created", "delete @", 0, "", 0),
    ("running", "start @", 1, "cannot start an already running container", 1),
    ("running", "resume @", 1, "container not paused", 0),
    ("running", "exec @ nope", 255, "executable file not found in $PATH", 255),
    ("running", "kill --all @ KILL", 0, "", 0),
    ("running", "delete @", 1, "that is not stopped", 1),
    ("running", "delete --force @", 0, "", 0),
    ("running", "create @", 1, "container with given ID already exists", 1),
    ("paused", "start @", 1, "cannot start a container in the paused state", 1),
    ("paused", "state @", 0, "", 0),
    ("paused", "pause @", 1, GONE, 0),
    ("paused", "exec @ true", 255, "cannot exec in a paused container", 1),
    ("paused", "update --pids-limit 50 @", 0, "", 0),
    ("paused", "kill @ KILL", 0, "", 0),
    ("paused", "delete @", 1, "that is not stopped", 1),
    ("paused", "delete --force @", 0, "", 0),
    ("stopped", "start @", 1, "cannot start a container that has stopped", 1),
    ("stopped", "state @", 0, "", 0),
    ("stopped", "kill @", 1, GONE, 1),
    ("stopped", "kill --all @ KILL", 0, "", 0),
    ("stopped", "pause @", 1, GONE, 1),
    ("stopped", "update --pids-limit 50 @", 1, GONE, 0),
    ("stopped", "exec @ true", 255, "cannot exec in a stopped container", 1),
    ("stopped", "ps @", 0, "", None),  # Debian's crun is killed by a fault of its own
    ("stopped", "delete @", 0, "", 0),
]


class Subject:
    """One of the runtimes, with a root of its own."""

    def __init__(self, program: str, bundle: Bundle) -> None:
        self.bundle = bundle
        path = TARE_RUNTIME if program == OURS else program
        hide = HIDE_UNIFIED if program == "crun" else ()
        self.command = [*hide, path, "--root", str(bundle.path / f"state-{program}")]

    def __call__(self, *words: str) -> tuple[int, str]:
        """Exit code and standard error. A container keeps its streams, so they are not pipes."""
        errors = self.bundle.path / "errors"
        with errors.open("w") as err, (self.bundle.path / "output").open("w") as out:
            done = subprocess.run(
                [*self.command, *words],
                cwd=self.bundle.path,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=30,
            )
        return done.returncode, errors.read_text()

    def bring(self, state: str) -> None:
        id = self.bundle.id
        steps = {
            "created": ["create"],
            "running": ["create", "start"],
            "paused": ["create", "start", "pause"],
            "stopped": ["create", "start", "kill"],
        }
        for verb in steps.get(state, ()):
            code, words = self(verb, id, *(["KILL"] if verb == "kill" else []))
            assert code == 0, words
        until = time.monotonic() + 20
        while state == "stopped" and self.status() != "stopped":
            assert time.monotonic() < until

    def status(self) -> str:
        assert self("state", self.bundle.id)[0] == 0
        document: dict[str, str] = json.loads((self.bundle.path / "output").read_text())
        return document["status"]


@pytest.fixture
def subject(request: pytest.FixtureRequest, bundle: Bundle) -> Iterator[Subject]:
    program: str = request.param
    bundle.config["ociVersion"] = "1.0.2"  # the newest that Debian's crun takes
    bundle.args("sleep", "100").write()
    made = Subject(program, bundle)
    yield made
    if made("state", bundle.id)[0] == 0 and made.status() == "paused":
        made("resume", bundle.id)
    made("delete", "--force", bundle.id)


# The others where they say something, or where they differ from one another: the rest is plain success.
CASES = [
    pytest.param(program, *cell, id=f"{program} {cell[0]}: {cell[1].replace(' @', '')}")
    for program in RUNTIMES
    for cell in CELLS
    if program == OURS or (program == "runc" and cell[3]) or (program == "crun" and cell[2] != cell[4])
]


@pytest.mark.parametrize(
    ("subject", "state", "command", "code", "words", "crun_code"), CASES, indirect=["subject"]
)
def test_a_command_answers_as_runc_does(
    subject: Subject, state: str, command: str, code: int, words: str, crun_code: int | None
) -> None:
    subject.bring(state)
    got, said = subject(*command.replace("@", subject.bundle.id).split())
    if "crun" in subject.command:
        assert crun_code is None or got == crun_code, said
        return
    assert (got, words in said) == (code, True), said
    if code == 0:
        assert said == ""


@pytest.mark.parametrize("subject", RUNTIMES, indirect=True)
def test_after_each_command_the_status_is_what_runc_shows(subject: Subject) -> None:
    seen = []
    for verb in ("create", "start", "pause", "resume", "kill"):
        assert subject(verb, subject.bundle.id, *(["KILL"] if verb == "kill" else []))[0] == 0
        until = time.monotonic() + 20
        while verb == "kill" and subject.status() != "stopped":
            assert time.monotonic() < until
        seen.append(subject.status())
    assert seen == ["created", "running", "paused", "running", "stopped"]
