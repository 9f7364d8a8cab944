"""Cgroup v2 with all its controllers, used directly: places, limits, freezing, killing, what is left."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle
from tests.vm.units import cgroup_of

MB = 1 << 20


def started(bundle: Bundle) -> Path:
    """Create and start the container; its cgroup."""
    done = bundle.create()
    assert done.returncode == 0, done.stderr
    assert bundle.tare("start", bundle.id).returncode == 0
    state = json.loads((bundle.root / bundle.id / "state.json").read_text())
    return Path(state["cgroup"]["paths"][""])


def values(folder: Path, names: Any) -> dict[str, str]:
    return {name: (folder / name).read_text().strip() for name in names}


def test_a_container_runs_in_a_cgroup_of_its_own(bundle: Bundle) -> None:
    bundle.config["linux"]["cgroupsPath"] = "/tare/" + bundle.id
    done = bundle.script("cat /proc/self/cgroup").run()
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"0::/tare/{bundle.id}\n"
    assert bundle.leftovers() == []


@pytest.mark.parametrize("path", [pytest.param("", id="none"), pytest.param("a/b", id="relative")])
def test_a_relative_path_counts_from_above_our_own_cgroup(bundle: Bundle, path: str) -> None:
    """Our own has processes in it, and so can give no controllers to one below."""
    own = cgroup_of(os.getpid())
    assert own != "/"
    bundle.config["linux"]["cgroupsPath"] = path
    bundle.config["linux"]["resources"] = {"memory": {"limit": 64 * MB}}
    done = bundle.script("cat /proc/self/cgroup").run()
    assert done.stdout.strip() == "0::" + os.path.join(os.path.dirname(own), path or bundle.id), done.stderr


RESOURCES: dict[str, Any] = {
    "memory": {"limit": 64 * MB, "reservation": 32 * MB, "swap": 96 * MB},
    "cpu": {"shares": 512, "quota": 30000, "period": 50000, "burst": 1000, "cpus": "0", "mems": "0"},
    "pids": {"limit": 30},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 2 * MB}],
    "unified": {"memory.high": str(48 * MB), "memory.oom.group": "1", "cgroup.max.descendants": "5"},
    "blockIO": {"throttleReadBpsDevice": [{"major": 254, "minor": 0, "rate": 4096}]},
}
FILES = {
    "memory.max": str(64 * MB),
    "memory.low": str(32 * MB),
    "memory.swap.max": str(32 * MB),
    "memory.high": str(48 * MB),
    "memory.oom.group": "1",
    "cpu.max": "30000 50000",
    "cpu.max.burst": "1000",
    "cpu.weight": "59",
    "cpuset.cpus": "0",
    "cpuset.mems": "0",
    "pids.max": "30",
    "hugetlb.2MB.max": str(2 * MB),
    "hugetlb.2MB.rsvd.max": str(2 * MB),
    "cgroup.max.descendants": "5",
    "io.max": "254:0 rbps=4096 wbps=max riops=max wiops=max",
}


def test_every_limit_is_in_its_file(bundle: Bundle) -> None:
    (disk,) = [p for p in Path("/sys/block").iterdir() if p.name.startswith("vda")]
    major, minor = (disk / "dev").read_text().split(":")
    RESOURCES["blockIO"]["throttleReadBpsDevice"][0].update(major=int(major), minor=int(minor))
    bundle.config["linux"]["resources"] = RESOURCES
    folder = started(bundle.args("sleep", "1000"))
    expected = {**FILES, "io.max": FILES["io.max"].replace("254:0", f"{major}:{int(minor)}")}
    assert values(folder, FILES) == expected


def test_an_idle_container_has_no_weight(bundle: Bundle) -> None:
    bundle.config["linux"]["resources"] = {"cpu": {"idle": 1, "shares": 512}}
    folder = started(bundle.args("sleep", "1000"))
    assert values(folder, ["cpu.idle"]) == {"cpu.idle": "1"}


def test_statistics_are_there_without_limits(bundle: Bundle) -> None:
    """Managers read them: all controllers are enabled, not only those that a limit needs."""
    folder = started(bundle.args("sleep", "1000"))
    assert int((folder / "memory.current").read_text()) > 0
    assert int((folder / "pids.current").read_text()) == 1
    assert "usage_usec" in (folder / "cpu.stat").read_text()


def test_a_memory_limit_kills_and_is_counted(bundle: Bundle) -> None:
    bundle.config["linux"]["resources"] = {"memory": {"limit": 16 * MB, "swap": 16 * MB}}
    folder = started(bundle.script("(x=0123456789abcdef; while true; do x=$x$x; done); sleep 1000"))
    end = time.monotonic() + 60
    while "oom_kill 1" not in (folder / "memory.events").read_text():
        assert time.monotonic() < end
    assert bundle.state()["status"] == "running"


def test_a_limit_of_processes_stops_the_next(bundle: Bundle) -> None:
    bundle.config["linux"]["resources"] = {"pids": {"limit": 3}}
    done = bundle.script("sleep 5 & sleep 5 & sleep 5 & sleep 5 & true").run()
    assert "can't fork" in done.stderr


def test_a_pause_has_stopped_everything_when_it_returns(bundle: Bundle) -> None:
    folder = started(bundle.script("while true; do true; done & while true; do true; done"))
    assert bundle.tare("pause", bundle.id).returncode == 0
    assert "frozen 1" in (folder / "cgroup.events").read_text()
    assert bundle.state()["status"] == "paused"
    assert bundle.tare("resume", bundle.id).returncode == 0
    assert "frozen 0" in (folder / "cgroup.events").read_text()
    assert bundle.tare("pause", bundle.id).returncode == 0
    assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert bundle.leftovers() == []


def test_kill_all_reaches_what_forks_meanwhile(bundle: Bundle) -> None:
    """A process namespace shared with the host: nobody else ends them. cgroup.kill leaves no gap."""
    namespaces = bundle.config["linux"]["namespaces"]
    bundle.config["linux"]["namespaces"] = [item for item in namespaces if item["type"] != "pid"]
    folder = started(bundle.script("forks() { forks & sleep 0; }; while true; do sleep 0 & sleep 0 & done"))
    done = bundle.tare("kill", "--all", bundle.id, "KILL")
    assert done.returncode == 0, done.stderr
    end = time.monotonic() + 30
    while "populated 1" in (folder / "cgroup.events").read_text():
        assert time.monotonic() < end
    assert bundle.tare("delete", bundle.id).returncode == 0
    assert bundle.leftovers() == []


def test_exec_follows_a_container_that_has_made_cgroups_of_its_own(bundle: Bundle) -> None:
    """As systemd does inside: once controllers go on from there, the container's cgroup takes no process."""
    bundle.config["linux"]["namespaces"].append({"type": "cgroup"})
    bundle.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"})
    bundle.script(
        "mkdir /sys/fs/cgroup/leaf && echo 1 >/sys/fs/cgroup/leaf/cgroup.procs &&"
        " echo +memory >/sys/fs/cgroup/cgroup.subtree_control && touch /tmp/ready && sleep 1000"
    )
    folder = started(bundle)
    end = time.monotonic() + 30
    while not (bundle.rootfs / "tmp/ready").exists():
        assert time.monotonic() < end
    assert (folder / "cgroup.subtree_control").read_text().split() == ["memory"]
    done = bundle.tare("exec", bundle.id, "cat", "/proc/self/cgroup")
    assert done.stdout == "0::/leaf\n", done.stderr
    assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert bundle.leftovers() == []


def test_a_cgroup_is_given_to_the_containers_root(bundle: Bundle) -> None:
    """Delegation: root of a user namespace can make cgroups below its own, and cannot lift its own limits."""
    for folder in bundle.path.parents[:3]:
        folder.chmod(0o755)  # root of the namespace is nobody in the directories of pytest
    linux = bundle.config["linux"]
    linux["namespaces"] += [{"type": "user"}, {"type": "cgroup"}]
    linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    linux["resources"] = {"memory": {"limit": 64 * MB}}
    bundle.config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"})
    done = bundle.script(
        "cd /sys/fs/cgroup && mkdir sub && echo 1 >sub/cgroup.procs && echo +memory >cgroup.subtree_control"
        " && cat sub/memory.max && ! echo max >memory.max"
    ).run()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "max\n"
    assert "ermission denied" in done.stderr
    assert bundle.leftovers() == []


def test_update_changes_the_files(bundle: Bundle) -> None:
    folder = started(bundle.args("sleep", "1000"))
    flags = ["--memory", str(32 * MB), "--pids-limit", "9", "--cpu-quota", "20000", "--cpu-period", "40000"]
    done = bundle.tare("update", *flags, "--cpuset-cpus", "0", bundle.id)
    assert done.returncode == 0, done.stderr
    assert values(folder, ["memory.max", "pids.max", "cpu.max", "cpuset.cpus"]) == {
        "memory.max": str(32 * MB),
        "pids.max": "9",
        "cpu.max": "20000 40000",
        "cpuset.cpus": "0",
    }
