"""Filters that ask somebody: who gets the listener, with what, and that nothing of ours waits for itself."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle
from tests.support.seccomp_agent import Agent

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="calls are given by their x86_64 numbers"),
]

MKDIR, SENDMSG, EXECVE, WRITE = 83, 46, 59, 1


@pytest.fixture
def socket_path(tmp_path: Path) -> Iterator[Path]:
    path = Path(f"/tmp/tare-agent-{os.getpid()}-{tmp_path.name[-20:]}")
    yield path
    path.unlink(missing_ok=True)


def asking(bundle: Bundle, path: Path, *names: str, **more: Any) -> None:
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(path),
        "listenerMetadata": "für dich",
        "syscalls": [{"names": list(names), "action": "SCMP_ACT_NOTIFY"}],
        **more,
    }


def no_directories(number: int, args: tuple[int, ...]) -> int:
    return errno.EXDEV if number == MKDIR else 0


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_run_hands_the_listener_on_with_the_container_process_state(
    bundle: Bundle, socket_path: Path, no_new_privileges: bool
) -> None:
    asking(bundle, socket_path, "mkdir")
    bundle.config["process"]["noNewPrivileges"] = no_new_privileges
    bundle.config["annotations"] = {"name": "value"}
    with Agent(socket_path, no_directories) as agent:
        done = bundle.script("mkdir /dev/one; echo ran").run()
    assert "Invalid cross-device link" in done.stderr
    assert done.stdout == "ran\n"
    assert agent.asked == [MKDIR]
    (state,) = agent.states
    assert agent.fd_counts == [1]
    assert state["fds"] == ["seccompFd"]
    assert state["metadata"] == "für dich"
    assert state["ociVersion"] == "1.3.0"
    assert state["pid"] == state["state"]["pid"] > 1
    assert state["state"]["id"] == bundle.id
    assert state["state"]["status"] == "creating"
    assert state["state"]["bundle"] == str(bundle.path)
    assert state["state"]["annotations"] == {"name": "value"}


def test_start_and_exec_hand_on_a_listener_each(bundle: Bundle, socket_path: Path) -> None:
    asking(bundle, socket_path, "mkdir")
    with Agent(socket_path, no_directories) as agent:
        bundle.args("sleep", "60").create()
        assert agent.states == [], "the filter is loaded by start"
        assert bundle.tare("start", bundle.id).returncode == 0
        done = bundle.tare("exec", bundle.id, "mkdir", "/dev/one")
        assert "Invalid cross-device link" in done.stderr
        pid = bundle.state()["pid"]
        assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert [state["state"]["status"] for state in agent.states] == ["created", "running"]
    assert agent.states[0]["pid"] == pid
    assert agent.states[1]["pid"] != pid == agent.states[1]["state"]["pid"]
    assert agent.asked == [MKDIR]


@pytest.mark.parametrize("kind", ["words-of-ours", "default"])
def test_calls_that_we_make_ourselves_can_be_asked_about(
    bundle: Bundle, socket_path: Path, kind: str
) -> None:
    if kind == "default":
        asking(bundle, socket_path, "mkdir", defaultAction="SCMP_ACT_NOTIFY")
    else:
        names = ("sendmsg", "write", "close", "recvmsg", "execve", "futex", "mmap", "exit")
        asking(bundle, socket_path, *names)
    with Agent(socket_path) as agent:
        done = bundle.script("echo ran").run()
    assert (done.stdout, done.returncode) == ("ran\n", 0), done.stderr
    assert {SENDMSG, EXECVE, WRITE} <= set(agent.asked)


def test_crun_s_annotation_names_the_receiver(bundle: Bundle, socket_path: Path) -> None:
    asking(bundle, socket_path, "mkdir")
    del bundle.config["linux"]["seccomp"]["listenerPath"]
    del bundle.config["linux"]["seccomp"]["listenerMetadata"]
    bundle.config["annotations"] = {"run.oci.seccomp.receiver": str(socket_path)}
    with Agent(socket_path, no_directories) as agent:
        assert bundle.script("mkdir /dev/one; true").run().returncode == 0
    assert agent.asked == [MKDIR]


@pytest.mark.parametrize("verb", ["run", "create"])
def test_a_program_does_not_run_where_nobody_takes_its_listener(
    bundle: Bundle, socket_path: Path, verb: str
) -> None:
    asking(bundle, socket_path, "mkdir", "sendmsg", "exit_group")
    bundle.script("echo ran")
    if verb == "run":
        done = bundle.run()
        assert bundle.tare("list", "-q").stdout == ""
    else:
        bundle.create()
        done = bundle.tare("start", bundle.id)
        assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert done.returncode == 1
    assert "ran" not in done.stdout
    assert f"send the seccomp listener to linux.seccomp.listenerPath {socket_path}" in done.stderr
    assert "no such file" in done.stderr.lower()


def test_the_program_does_not_hold_its_own_listener(bundle: Bundle, socket_path: Path) -> None:
    asking(bundle, socket_path, "mkdir", flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])
    with Agent(socket_path, no_directories):
        done = bundle.script("ls -l /proc/self/fd; mkdir /dev/one; cat /proc/self/status").run()
    assert "seccomp" not in done.stdout
    assert "Threads:\t1\n" in done.stdout
    assert "Invalid cross-device link" in done.stderr


def test_one_task_is_enough(bundle: Bundle, socket_path: Path) -> None:
    """With a pids limit of 1 there is no room for a second thread."""
    asking(bundle, socket_path, "mkdir")
    bundle.config["linux"]["resources"] = {"pids": {"limit": 1}}
    with Agent(socket_path, no_directories) as agent:
        done = bundle.args("mkdir", "/dev/one").run()
    assert "Invalid cross-device link" in done.stderr
    assert agent.asked == [MKDIR]
