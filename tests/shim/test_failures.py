"""What fails half-way, or is killed: a message with a reason, and nothing left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.shim.conftest import TIMEOUT_S, Tare
from tests.support.programs import BIN

pytestmark = pytest.mark.root


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["-d", "{image}", "/no/such/program"], 127, ["no such file or directory"]),
        (["-d", "{image}", "/etc/passwd"], 126, ["permission denied"]),
        (["-d", "--volume", "/etc/passwd:/tmp", "{image}", "true"], 125, ["/tmp"]),
        (["--user", "nobody-of-that-name", "{image}"], 125, ["nobody-of-that-name"]),
        (["--volume", "/nothing/here:/x", "{image}"], 125, ["/nothing/here", "does not exist"]),
        (["--volume", "/etc/passwd:/tmp", "{image}", "true"], 125, ["/tmp"]),
        (["--memory", "lots", "{image}"], 125, ["lots"]),
        (["--cap-add", "nonsense", "{image}", "true"], 125, ["nonsense"]),
        (["oci:/no/such/layout:x"], 125, ["/no/such/layout"]),
        (["store:nobody/has:this"], 125, ["nobody/has"]),
        (["Not/A_Reference::"], 125, ["Not/A_Reference"]),
        (["127.0.0.1:{port}/x/y:z"], 125, ["127.0.0.1:{port}", "refused"]),
        (["--network", "bridge", "{image}"], 2, ["bridge"]),
        (["--no-such-flag", "{image}"], 2, ["--no-such-flag"]),
        ([], 2, ["IMAGE"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_run_that_cannot_be_says_why_and_leaves_nothing(
    tare: Tare, arguments: list[str], status: int, words: list[str]
) -> None:
    fill = {"image": tare.image, "port": str(free_port())}
    done = tare("run", *(word.format(**fill) for word in arguments), want=status)
    message = done.stderr.decode()
    assert all(word.format(**fill) in message for word in words), message
    assert "Traceback" not in message
    assert not tare.leftovers()


def test_a_missing_runtime_is_named(tare: Tare) -> None:
    done = tare("--runtime", "no-such-runtime", "run", tare.image, want=125)
    assert b"no-such-runtime" in done.stderr
    assert not tare.leftovers()


def test_a_runtime_that_is_none_leaves_nothing(tare: Tare) -> None:
    done = tare("--runtime", "/bin/false", "run", tare.image, want=None)
    assert done.returncode != 0
    assert not tare.leftovers()


def test_a_damaged_record_hides_nothing_else_and_can_be_removed(tare: Tare) -> None:
    name, other = tare.name(), tare.name()
    tare("run", "--name", name, tare.image, "true")
    tare("run", "--name", other, tare.image, "true")
    container_id = os.readlink(tare.store / "names" / name)
    (tare.store / "containers" / container_id / "record.json").write_text("{")
    assert other.encode() in tare("ps", "-a").stdout
    assert b"read the record" in tare("exec", name, "true", want=125).stderr
    tare("rm", name, other)
    assert not tare.leftovers()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_run_that_is_ended_while_it_pulls_undoes_what_it_began(
    tare: Tare, number: signal.Signals, status: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        image = f"127.0.0.1:{silent.getsockname()[1]}/x/y:z"
        child = subprocess.Popen(
            [str(BIN / "tare"), "run", image], env=tare.environment, stderr=subprocess.PIPE
        )
        connection, _ = silent.accept()
        child.send_signal(number)
        _, said = child.communicate(timeout=TIMEOUT_S)
        connection.close()
    assert child.returncode == status, said
    assert not tare.leftovers()


@pytest.mark.parametrize("command", [["logs"], ["rm"], ["exec"]], ids=lambda words: words[0])
def test_a_container_that_does_not_exist_is_not_found(tare: Tare, command: list[str]) -> None:
    done = tare(*command, "nobody", *(["true"] if command == ["exec"] else []), want=125)
    assert b"nobody" in done.stderr
    assert b"hint: " in done.stderr


def test_a_container_whose_monitor_was_killed_is_dead_and_can_be_removed(tare: Tare) -> None:
    name = tare.name()
    tare("run", "-d", "--name", name, tare.image, "sleep", "1000")
    holder = holding_process(tare, name)
    os.kill(holder, signal.SIGKILL)
    deadline = time.monotonic() + TIMEOUT_S
    while b"dead" not in tare("ps", "-a").stdout:
        assert time.monotonic() < deadline
    tare("rm", "-f", name)
    assert not tare.leftovers()


def holding_process(tare: Tare, name: str) -> int:
    """The monitor: found by the record it was given on its command line."""
    rows = json.loads(tare("ps", "-a", "--json").stdout)
    record = str(tare.store / "containers" / next(row["id"] for row in rows if row["name"] == name))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if record.encode() in words and b"tare_shim.monitor" in words:
                return int(entry.name)
    raise AssertionError("the container has no monitor")


@pytest.mark.parametrize("delay_s", [0.1, 0.25, 0.4, 0.6])
def test_a_run_killed_at_any_moment_can_be_cleared_away(tare: Tare, delay_s: float) -> None:
    """The moments are spread over a run's life; whatever stands then, `tare rm -f` takes down."""
    name = tare.name()
    child = subprocess.Popen(
        [str(BIN / "tare"), "run", "--name", name, tare.image, "sleep", "1000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=tare.environment,
        start_new_session=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(delay_s)
    child.kill()
    child.wait()
    tare("rm", "-f", name, want=None)
    tare("run", "--rm", "--name", name, tare.image, "true")
    assert not tare.leftovers()
