"""--regex, --cgroup-manager, --pidfd-socket and other options that only one of the other runtimes has."""

from __future__ import annotations

import array
import json
import os
import select
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


def create_several(bundle: Bundle, *names: str) -> None:
    bundle.args("sleep", "100")
    first = bundle.id
    for name in names:
        bundle.id = f"{first}-{name}"
        assert bundle.create().returncode == 0
    bundle.id = first


def statuses(bundle: Bundle) -> dict[str, str]:
    listed = json.loads(bundle.tare("list", "--format", "json").stdout) or []
    return {entry["id"].rpartition("-")[2]: entry["status"] for entry in listed}


def wait_stopped(bundle: Bundle, *names: str) -> None:
    while any(statuses(bundle).get(name) != "stopped" for name in names):
        pass


@pytest.mark.flag("kill --regex", "delete --regex")
def test_a_pattern_reaches_every_container_it_is_found_in(bundle: Bundle) -> None:
    create_several(bundle, "web1", "web2", "db1")
    try:
        assert bundle.tare("kill", "--regex", "web[0-9]$", "KILL").returncode == 0
        wait_stopped(bundle, "web1", "web2")
        assert statuses(bundle)["db1"] == "created"
        assert bundle.tare("start", f"{bundle.id}-db1").returncode == 0
        done = bundle.tare("delete", "--regex", "1$")
        assert done.returncode == 0, "those that cannot be deleted are warned of"
        assert "that is not stopped" in done.stderr
        assert sorted(statuses(bundle)) == ["db1", "web2"]
        assert bundle.tare("delete", "-f", "-r", ".").returncode == 0
        assert statuses(bundle) == {}
    finally:
        bundle.tare("delete", "-f", "-r", ".")
    assert bundle.tare("kill", "--regex", "nothing").returncode == 0
    bad = bundle.tare("kill", "--regex", "(")
    assert (bad.returncode, "'(' is no pattern" in bad.stderr) == (1, True)


@pytest.mark.flag("--cgroup-manager")
def test_without_a_manager_there_are_no_cgroups_and_limits_are_warned_of(bundle: Bundle) -> None:
    bundle.args("sleep", "100").config["linux"]["resources"] = {"pids": {"limit": 5}}
    bundle.write()
    errors = bundle.path / "err"
    command = bundle.command("--cgroup-manager", "disabled", "run", "-d", bundle.id)
    quiet = subprocess.DEVNULL
    with errors.open("w") as err:
        subprocess.run(command, cwd=bundle.path, stdin=quiet, stdout=quiet, stderr=err, check=True)
    assert "linux.resources (pids) has no effect" in errors.read_text()
    assert bundle.cgroups() == []
    pid = bundle.state()["pid"]
    assert Path(f"/proc/{pid}/cgroup").read_text() == Path("/proc/self/cgroup").read_text()
    assert bundle.tare("exec", bundle.id, "true").returncode == 0
    assert json.loads(bundle.tare("ps", "--format", "json", bundle.id).stdout) == [pid]
    done = bundle.tare("update", "--pids-limit", "5", bundle.id)
    assert "the container has no cgroups of its own" in done.stderr
    assert bundle.tare("kill", "--all", bundle.id, "KILL").returncode == 0
    while bundle.state()["status"] != "stopped":
        pass
    assert bundle.tare("delete", bundle.id).returncode == 0


@pytest.mark.flag("--cgroup-manager")
def test_the_usual_manager_may_be_named(bundle: Bundle) -> None:
    done = bundle.script("cat /proc/self/cgroup").tare("--cgroup-manager=cgroupfs", "run", bundle.id)
    assert done.returncode == 0
    assert bundle.id in done.stdout


def receive_pidfd(server: socket.socket) -> tuple[bytes, int]:
    connection, _ = server.accept()
    with connection:
        name, control, _flags, _address = connection.recvmsg(64, socket.CMSG_SPACE(4))
    (level, kind, data), *_ = control
    assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
    fds = array.array("i")
    fds.frombytes(data[:4])
    return name, fds[0]


@pytest.mark.flag("create --pidfd-socket", "run --pidfd-socket", "exec --pidfd-socket")
def test_a_socket_gets_a_pidfd_of_the_process(bundle: Bundle) -> None:
    path = str(bundle.path / "pidfd.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(4)
        bundle.args("sleep", "100")
        assert bundle.create("--pidfd-socket", path).returncode == 0
        name, pidfd = receive_pidfd(server)
        info = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        assert name == b"standard"
        assert f"Pid:\t{bundle.state()['pid']}\n" in info
        assert bundle.tare("exec", "--pidfd-socket", path, bundle.id, "true").returncode == 0
        name, of_exec = receive_pidfd(server)
        assert name == b"setns"
        assert select.select([of_exec], [], [], 10)[0], "the pidfd does not tell that the process has ended"
        bundle.tare("delete", "--force", bundle.id)
        assert select.select([pidfd], [], [], 10)[0]
        for fd in (pidfd, of_exec):
            os.close(fd)
    done = bundle.tare("run", "--pidfd-socket", path + "-none", bundle.id)
    assert done.returncode == 1
    assert "send a pidfd to --pidfd-socket" in done.stderr
    assert bundle.leftovers() == []


@pytest.mark.flag("create --config", "run --config", "spec --config", "spec")
def test_a_config_may_have_another_name(bundle: Bundle) -> None:
    bundle.script("echo usual").write()
    other = json.loads((bundle.path / "config.json").read_text())
    other["process"]["args"] = ["echo", "other"]
    (bundle.path / "other.json").write_text(json.dumps(other))
    assert bundle.tare("run", "-f", "other.json", bundle.id).stdout == "other\n"
    assert bundle.create("--config", "other.json").returncode == 0
    assert bundle.tare("spec", "-f", "third.json").returncode == 0
    assert json.loads((bundle.path / "third.json").read_text())["hostname"] == "tare"
