"""The runtime, or init, dies at any point: `delete --force` finds and removes all that is left."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import Bundle
from tests.support.faults import everything_left, faulty, processes_of, running

pytestmark = pytest.mark.root

# The system call at whose entry the runtime is killed, and which one of them.
MAKING = [
    pytest.param("mkdir", 1, id="before the state directory"),
    pytest.param("flock", 1, id="before the lock"),
    pytest.param("renameat", 1, id="before the first state"),
    pytest.param("mkdir", 2, id="before the first cgroup"),
    pytest.param("mkdir", 5, id="between cgroups"),
    pytest.param("socketpair", 1, id="before init"),
    pytest.param("vfork", 1, id="as init is started"),
    pytest.param("recvmsg", 1, id="as init enters the cgroups"),
    pytest.param("renameat2", 3, id="before the pid is known"),
    pytest.param("sendmsg", 1, id="before init may go on"),
    pytest.param("recvmsg", 2, id="as init sets up"),
    pytest.param("renameat2", 4, id="before the last state"),
]


def assert_all_can_be_removed(bundle: Bundle) -> None:
    deleted = bundle.tare("delete", "--force", bundle.id)
    assert (deleted.returncode, deleted.stderr) == (0, "")
    assert everything_left(bundle) == []


@pytest.mark.parametrize(
    ("call", "nth"),
    [
        *MAKING,
        pytest.param("bind", 1, id="before the gate"),
        pytest.param("linkat", 1, id="before the pid file"),
    ],
)
def test_a_create_that_was_killed_can_be_deleted_and_done_again(bundle: Bundle, call: str, nth: int) -> None:
    bundle.root.mkdir()
    bundle.args("sleep", "60")
    create = ("create", "--pid-file", str(bundle.path / "pid"), bundle.id)
    assert faulty(bundle, call, "signal=KILL", *create, nth=nth).returncode == -9
    assert_all_can_be_removed(bundle)
    again = bundle.create()
    assert again.returncode == 0, again.stderr
    assert_all_can_be_removed(bundle)


@pytest.mark.parametrize(
    ("call", "nth"),
    [
        *MAKING,
        pytest.param("signalfd4", 1, id="before signals are taken"),
        pytest.param("poll", 1, id="as the container runs"),
    ],
)
def test_a_run_that_was_killed_can_be_deleted_and_done_again(bundle: Bundle, call: str, nth: int) -> None:
    bundle.root.mkdir()
    bundle.args("sleep", "60")
    assert faulty(bundle, call, "signal=KILL", "run", bundle.id, nth=nth).returncode == -9
    assert_all_can_be_removed(bundle)
    assert bundle.args("true").run().returncode == 0
    assert everything_left(bundle) == []


@pytest.mark.parametrize(("call", "nth"), [MAKING[2], MAKING[4], MAKING[11]])
def test_a_create_takes_the_place_of_one_that_was_killed(bundle: Bundle, call: str, nth: int) -> None:
    bundle.root.mkdir()
    bundle.args("sleep", "60")
    assert faulty(bundle, call, "signal=KILL", "create", bundle.id, nth=nth).returncode == -9
    again = bundle.create()
    assert again.returncode == 0, again.stderr
    assert len(list(processes_of(bundle))) == 1
    assert_all_can_be_removed(bundle)


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_a_runtime_that_is_killed_while_a_hook_hangs_leaves_nothing(bundle: Bundle, kind: str) -> None:
    fifo = bundle.path / "hold"
    os.mkfifo(fifo)
    bundle.config["hooks"] = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo here > {fifo}; read x < {fifo}"]}]
    }
    bundle.args("sleep", "60").write()
    runtime = subprocess.Popen(bundle.command("create", bundle.id), cwd=bundle.path, stdin=subprocess.DEVNULL)
    assert fifo.read_text() == "here\n"
    runtime.kill()
    runtime.wait()
    deleted = bundle.tare("delete", "--force", bundle.id)
    assert (deleted.returncode, deleted.stderr) == (0, "")
    assert everything_left(bundle) == []  # a hook on the host has ended with the runtime, too


@pytest.mark.parametrize(
    ("call", "nth"),
    [
        pytest.param("connect", 1, id="before the gate"),
        pytest.param("unlinkat", 1, id="behind the gate"),
        pytest.param("sendmsg", 1, id="before the word"),
        pytest.param("recvmsg", 1, id="as the program begins"),
    ],
)
def test_a_start_that_was_killed_leaves_a_container_that_can_be_deleted(
    bundle: Bundle, call: str, nth: int
) -> None:
    bundle.args("sleep", "60").create()
    assert faulty(bundle, call, "signal=KILL", "start", bundle.id, nth=nth).returncode == -9
    assert bundle.state()["status"] in ("created", "stopped", "running")
    assert_all_can_be_removed(bundle)


def test_an_exec_that_was_killed_harms_nobody(bundle: Bundle) -> None:
    points = [("pidfd_open", 1), ("vfork", 1), ("recvmsg", 1), ("sendmsg", 1), ("recvmsg", 2), ("poll", 1)]
    with running(bundle, "sleep", "60") as pid:
        for call, nth in points:
            done = faulty(bundle, call, "signal=KILL", "exec", bundle.id, "sleep", "0.2", nth=nth)
            assert done.returncode == -9, (call, nth)
        assert bundle.tare("exec", bundle.id, "true").returncode == 0
        assert bundle.state()["status"] == "running"
        assert bundle.state()["pid"] == pid
    assert_all_can_be_removed(bundle)


@pytest.mark.parametrize(
    ("call", "nth"),
    [
        pytest.param("pidfd_send_signal", 1, id="before the kill"),
        pytest.param("rmdir", 1, id="before the first cgroup"),
        pytest.param("rmdir", 4, id="between cgroups"),
        pytest.param("unlink", 1, id="before the state goes"),
    ],
)
def test_a_delete_that_was_killed_can_be_done_again(bundle: Bundle, call: str, nth: int) -> None:
    with running(bundle, "sleep", "60"):
        pass
    assert faulty(bundle, call, "signal=KILL", "delete", "--force", bundle.id, nth=nth).returncode == -9
    assert_all_can_be_removed(bundle)


@pytest.mark.parametrize(
    "call",
    ["execveat", "clone3", "setsid", "open_tree", "pivot_root", "capset"],
)
@pytest.mark.parametrize("verb", ["create", "run"])
def test_an_init_that_is_killed_is_reported_and_leaves_nothing(bundle: Bundle, verb: str, call: str) -> None:
    bundle.args("sleep", "60")
    done = faulty(bundle, call, "signal=KILL", verb, bundle.id, follow=True)
    assert done.returncode == 1
    assert "container init was killed before it was ready" in done.stderr
    assert everything_left(bundle) == []


def test_a_stage_of_exec_that_is_killed_is_reported(bundle: Bundle) -> None:
    with running(bundle, "sleep", "60"):
        for call in ("execveat", "setns", "clone3", "capset"):
            done = faulty(bundle, call, "signal=KILL", "exec", bundle.id, "true", follow=True)
            assert done.returncode == 255, call
            assert "container init was killed before it was ready" in done.stderr
        assert len(list(processes_of(bundle))) == 1
    assert_all_can_be_removed(bundle)


def test_the_temporary_file_of_a_pid_is_gone_with_a_killed_create(bundle: Bundle) -> None:
    pids = bundle.path / "pids"
    pids.mkdir()
    create = ("create", "--pid-file", str(pids / "pid"), bundle.id)
    assert faulty(bundle.args("sleep", "60"), "linkat", "signal=KILL", *create).returncode == -9
    assert list(pids.iterdir()) == []
    pids.rmdir()
    assert_all_can_be_removed(bundle)


@pytest.mark.flag("create --pid-file")
def test_a_pid_file_of_before_is_replaced(bundle: Bundle) -> None:
    file = Path(bundle.path / "pid")
    file.write_text("1234567890")
    assert bundle.args("sleep", "60").create("--pid-file", str(file)).returncode == 0
    assert file.read_text() == str(bundle.state()["pid"])
    assert_all_can_be_removed(bundle)
