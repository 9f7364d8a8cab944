"""A user who is not root, in a session of systemd: scopes of the user's own manager."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import TARE_RUNTIME, default_config, make_rootfs
from tests.vm.units import TOP, cgroup_of

USER = pwd.getpwnam("someone")
MANAGER = f"/user.slice/user-{USER.pw_uid}.slice/user@{USER.pw_uid}.service"
RUNTIME_DIR = f"/run/user/{USER.pw_uid}"
NO_BUS = ["env", "-u", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR=/nowhere"]


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    """The user's manager, as a login starts it."""
    subprocess.run(["systemctl", "start", f"user@{USER.pw_uid}.service"], check=True)
    yield
    subprocess.run(["systemctl", "stop", f"user@{USER.pw_uid}.service"], check=True)


@pytest.fixture
def home() -> Iterator[Path]:
    """A bundle of the user's: busybox, and ids of the user alone."""
    folder = Path(USER.pw_dir) / "bundle"
    make_rootfs(folder / "rootfs")
    config = default_config()
    linux = config["linux"]
    linux["namespaces"] = [item for item in linux["namespaces"] if item["type"] != "network"]
    linux["namespaces"].append({"type": "user"})
    for member, id in (("uidMappings", USER.pw_uid), ("gidMappings", USER.pw_gid)):
        linux[member] = [{"containerID": 0, "hostID": id, "size": 1}]
    config["mounts"] = [m for m in config["mounts"] if m["destination"] not in ("/sys", "/dev/pts")]
    linux["maskedPaths"] = linux["readonlyPaths"] = []
    (folder / "config.json").write_text(json.dumps(config))
    subprocess.run(["chown", "-R", f"{USER.pw_uid}:{USER.pw_gid}", folder], check=True)
    yield folder
    as_user(folder, TARE_RUNTIME, "delete", "--force", "box")
    shutil.rmtree(folder)


def as_user(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """In the user's own manager, as a program of a login session is: below a cgroup of the user's."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": USER.pw_dir,
        "USER": USER.pw_name,
        "XDG_RUNTIME_DIR": RUNTIME_DIR,
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={RUNTIME_DIR}/bus",
    }
    return subprocess.run(
        command,
        cwd=folder,
        user=USER.pw_uid,
        group=USER.pw_gid,
        extra_groups=[],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def change(folder: Path, **members: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    for pointer, value in members.items():
        place = config
        *above, last = pointer.split("__")
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    (folder / "config.json").write_text(json.dumps(config))


def test_the_users_container_is_a_scope_below_the_users_manager(home: Path) -> None:
    change(home, process__args=["cat", "/proc/self/cgroup"])
    done = as_user(home, TARE_RUNTIME, "--systemd-cgroup", "run", "box")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"0::{MANAGER}/user.slice/tare-box.scope\n"
    assert not (TOP / MANAGER[1:] / "user.slice/tare-box.scope").exists()


def test_limits_of_delegated_controllers_hold(home: Path) -> None:
    change(
        home,
        process__args=["sleep", "1000"],
        linux__cgroupsPath="app.slice:mine:box",
        linux__resources={"memory": {"limit": 64 << 20}, "pids": {"limit": 12}},
    )
    shell = f"{TARE_RUNTIME} --systemd-cgroup create box >/dev/null 2>err || {{ cat err; exit 1; }}"
    done = as_user(home, "sh", "-c", shell)
    assert done.returncode == 0, done.stdout
    place = f"{MANAGER}/app.slice/mine-box.scope"
    state = json.loads(as_user(home, TARE_RUNTIME, "state", "box").stdout)
    assert cgroup_of(state["pid"]) == place
    folder = TOP / place[1:]
    assert (folder / "memory.max").read_text().strip() == str(64 << 20)
    assert (folder / "pids.max").read_text().strip() == "12"
    assert as_user(home, TARE_RUNTIME, "start", "box").returncode == 0
    assert as_user(home, TARE_RUNTIME, "exec", "box", "true").returncode == 0
    assert as_user(home, TARE_RUNTIME, "pause", "box").returncode == 0
    assert as_user(home, TARE_RUNTIME, "resume", "box").returncode == 0
    # Even where its systemd is out of reach.
    root = f"{RUNTIME_DIR}/tare-runtime"
    done = as_user(home, *NO_BUS, TARE_RUNTIME, "--root", root, "delete", "--force", "box")
    assert done.returncode == 0, done.stderr
    assert not folder.exists()


def test_without_a_bus_the_error_says_what_was_looked_for(home: Path) -> None:
    change(home, process__args=["true"])
    done = as_user(home, *NO_BUS, TARE_RUNTIME, "--root", str(home / "r"), "--systemd-cgroup", "run", "box")
    assert done.returncode == 1
    assert "the user's systemd cannot be reached" in done.stderr
    assert "XDG_RUNTIME_DIR" in done.stderr
    assert not list((home / "r").glob("box*"))


PODMAN = ["podman", "--runtime", TARE_RUNTIME, "--network-cmd-path", "/bin/true"]


@pytest.mark.parametrize("manager", ["systemd", pytest.param("cgroupfs", marks=pytest.mark.slow)])
def test_podman_without_root(home: Path, manager: str) -> None:
    """Its conmon hands the container to the user's systemd; ids are those of /etc/subuid."""
    image = ["sh", "-c", f"tar -C {home}/rootfs -c . | podman import - box 2>&1"]
    done = as_user(home, *image)
    assert done.returncode == 0, done.stdout
    flags = ["--cgroup-manager", manager, "run", "--rm", "--network=host", "--memory=64m", "--pids-limit=30"]
    done = as_user(
        home, *PODMAN, *flags, "box", "sh", "-c", "id -u; cat /proc/self/cgroup; cat /proc/self/uid_map"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "0"
    assert "libpod" in lines[1] or lines[1] == "0::/"
    assert len(lines) > 3, "a range of ids, not one"
