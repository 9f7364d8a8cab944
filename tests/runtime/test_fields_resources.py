"""Limits of `linux.resources` on cgroup v1, read by the container itself, beside the other runtimes.

On v2 the same table is in test_cgroup_plan.py, and real containers are in test_cgroup_v2.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.cgroup.paths import discover

from tests.support.bundles import Bundle
from tests.support.field_cases import Case, Refusal, check, check_refusal, put, refusals, rows
from tests.support.peers import OURS, RUNTIMES

FOUND = discover()
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(FOUND.version != 1, reason="this host has cgroup v2"),
]

US = (OURS,)
NOT_CRUN = (OURS, "runc")
CGROUPS = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid"]}
MB = 1 << 20
OWN_PIDS = 'while IFS=: read -r n c p; do [ "$c" != pids ] || echo $p; done </proc/self/cgroup'


def a_disk() -> tuple[int, int]:
    """Some block device of this machine, a whole one."""
    for path in sorted(Path("/sys/block").iterdir()):
        if path.name.startswith(("vd", "sd", "loop", "nvme")):
            major, minor = (path / "dev").read_text().split(":")
            return int(major), int(minor)
    return 0, 0


MAJOR, MINOR = a_disk()


def limit(section: str, **members: Any) -> Any:
    return put(f"linux/resources/{section}", members)


def cat(*files: str) -> str:
    return "cat " + " ".join("/sys/fs/cgroup/" + file for file in files)


def throttle(member: str, file: str) -> Case:
    return Case(
        "linux.resources.blockIO.throttle",
        member,
        limit("blockIO", **{member: [{"major": MAJOR, "minor": MINOR, "rate": 9 * MB}]}),
        cat(f"blkio/blkio.throttle.{file}"),
        f"{MAJOR}:{MINOR} {9 * MB}",
    )


FUSE_RULES = [
    {"allow": False, "access": "rwm"},
    {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
]
_AT = "linux.resources."
CASES = [
    Case(
        _AT + "memory.limit",
        "bytes",
        limit("memory", limit=64 * MB),
        cat("memory/memory.limit_in_bytes"),
        str(64 * MB),
    ),
    Case(
        _AT + "memory.reservation",
        "bytes",
        limit("memory", reservation=32 * MB),
        cat("memory/memory.soft_limit_in_bytes"),
        str(32 * MB),
    ),
    Case(
        _AT + "memory.swap",
        "with memory",
        limit("memory", limit=64 * MB, swap=80 * MB),
        cat("memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes"),
        f"{64 * MB} {80 * MB}",
    ),
    Case(
        _AT + "memory.swappiness",
        "percent",
        limit("memory", swappiness=17),
        cat("memory/memory.swappiness"),
        "17",
    ),
    Case(
        _AT + "memory.disableOOMKiller",
        "true",
        limit("memory", disableOOMKiller=True),
        cat("memory/memory.oom_control") + " | head -n 1",
        "oom_kill_disable 1",
    ),
    Case(
        _AT + "memory.useHierarchy",
        "true",
        limit("memory", useHierarchy=True),
        cat("memory/memory.use_hierarchy"),
        "1",
    ),
    Case(_AT + "cpu.shares", "weight", limit("cpu", shares=512), cat("cpu/cpu.shares"), "512"),
    Case(
        _AT + "cpu.quota",
        "with period",
        limit("cpu", quota=40000, period=80000),
        cat("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"),
        "40000 80000",
    ),
    Case(
        _AT + "cpu.burst",
        "below quota",
        limit("cpu", quota=40000, period=80000, burst=10000),
        cat("cpu/cpu.cfs_burst_us"),
        "10000",
        US,
    ),
    Case(
        _AT + "cpu.realtimeRuntime",
        "with period",
        limit("cpu", realtimeRuntime=9000, realtimePeriod=900000),
        cat("cpu/cpu.rt_runtime_us", "cpu/cpu.rt_period_us"),
        "9000 900000",
        NOT_CRUN,
    ),
    Case(
        _AT + "cpu.cpus",
        "and mems",
        limit("cpu", cpus="0", mems="0"),
        cat("cpuset/cpuset.cpus", "cpuset/cpuset.mems"),
        "0 0",
    ),
    Case(_AT + "cpu.idle", "one", limit("cpu", idle=1), cat("cpu/cpu.idle"), "1", US),
    Case(_AT + "pids.limit", "number", limit("pids", limit=33), cat("pids/pids.max"), "33"),
    Case(_AT + "pids.limit", "none", limit("pids", limit=-1), cat("pids/pids.max"), "max", NOT_CRUN),
    throttle("throttleReadBpsDevice", "read_bps_device"),
    throttle("throttleWriteBpsDevice", "write_bps_device"),
    throttle("throttleReadIOPSDevice", "read_iops_device"),
    throttle("throttleWriteIOPSDevice", "write_iops_device"),
    Case(
        _AT + "devices",
        "rule",
        put("linux/resources/devices", FUSE_RULES),
        cat("devices/devices.list") + " | busybox grep 10:229",
        "c 10:229 rw",
    ),
    Case(
        "linux.cgroupsPath",
        "absolute",
        put("linux/cgroupsPath", "/tare-fields/below"),
        OWN_PIDS,
        "/tare-fields/below",
    ),
    Case("mounts.type.cgroup", "v1", put("x", 0), "ls -d /sys/fs/cgroup/pids", "/sys/fs/cgroup/pids"),
]


@pytest.mark.parametrize(("program", "case"), rows(CASES))
def test_the_container_reads_its_limit(bundle: Bundle, program: str, case: Case) -> None:
    if "blockIO" in case.field and MAJOR == 0:
        pytest.skip("this machine has no block device")
    bundle.config["linux"]["cgroupsPath"] = "/" + bundle.id
    bundle.config["mounts"].append(dict(CGROUPS))
    try:
        check(bundle, program, case)
    finally:
        for top in Path("/sys/fs/cgroup").glob("*/tare-fields"):
            os.rmdir(top)


HUGE = [{"pageSize": "2MB", "limit": 1}]
WITHOUT_CONTROLLER = [
    ("hugetlb", _AT + "hugepageLimits", put("linux/resources/hugepageLimits", HUGE)),
    ("net_cls", _AT + "network", limit("network", classID=7)),
    ("net_prio", _AT + "network", limit("network", priorities=[{"name": "lo", "priority": 1}])),
    ("rdma", _AT + "rdma", put("linux/resources/rdma", {"mlx5_1": {"hcaHandles": 3}})),
]
NO_DISK = [{"major": 4000, "minor": 1, "weight": 20}]

REFUSED = [
    *[
        Refusal(field, f"no {controller}", change, f"there is no {controller} controller")
        for controller, field, change in WITHOUT_CONTROLLER
        if controller not in FOUND.mounts
    ],
    Refusal(
        _AT + "unified", "on v1", put("linux/resources/unified", {"memory.high": "1"}), "are on cgroup v1"
    ),
    Refusal(
        _AT + "memory.swap",
        "too low",
        limit("memory", limit=64 * MB, swap=32 * MB),
        "counts memory and swap together",
    ),
    Refusal(
        _AT + "devices",
        "no access",
        put("linux/resources/devices", [{"allow": True}]),
        "must be letters of rwm",
    ),
    Refusal(_AT + "cpu.cpus", "not there", limit("cpu", cpus="4000"), "/linux/resources/cpu/cpus"),
    Refusal(
        _AT + "cpu.burst",
        "above quota",
        limit("cpu", quota=40000, period=80000, burst=50000),
        "/linux/resources/cpu/burst",
    ),
    Refusal(
        _AT + "blockIO.leafWeight",
        "given up",
        limit("blockIO", leafWeight=20),
        "/linux/resources/blockIO/leafWeight",
    ),
    Refusal(
        _AT + "blockIO.weightDevice",
        "no device",
        limit("blockIO", weightDevice=NO_DISK),
        "/linux/resources/blockIO/weightDevice/0",
    ),
]


@pytest.mark.parametrize("case", refusals(REFUSED))
def test_a_limit_that_cannot_be_is_refused_by_name(bundle: Bundle, case: Refusal) -> None:
    check_refusal(bundle, case)


@pytest.mark.field("linux.resources.blockIO.weight")
def test_a_weight_is_set_where_the_kernel_has_weights_and_named_where_not(bundle: Bundle) -> None:
    bundle.config["mounts"].append(dict(CGROUPS))
    limit("blockIO", weight=300)(bundle.config)
    done = bundle.script(cat("blkio/blkio.bfq.weight")).run()
    if done.returncode:
        assert "/linux/resources/blockIO/weight" in done.stderr
    else:
        assert done.stdout == "300\n"


@pytest.mark.field("linux.resources.memory.kernel")
@pytest.mark.parametrize("member", ["kernel", "kernelTCP"])
def test_a_limit_that_no_kernel_has_any_more_is_warned_of(bundle: Bundle, member: str) -> None:
    limit("memory", **{member: 9 * MB})(bundle.config)
    done = bundle.run()
    assert done.returncode == 0
    assert f"linux.resources.memory.{member} has no effect" in done.stderr


@pytest.mark.peer
@pytest.mark.field("mounts.type.cgroup")
@pytest.mark.parametrize("program", RUNTIMES)
def test_in_a_cgroup_namespace_the_containers_cgroup_is_the_root(bundle: Bundle, program: str) -> None:
    bundle.config["mounts"].append(dict(CGROUPS))
    bundle.config["linux"]["namespaces"].append({"type": "cgroup"})
    script = f"{OWN_PIDS}; {cat('pids/pids.max')}"
    check(bundle, program, Case("mounts.type.cgroup", "", limit("pids", limit=21), script, "/ 21"))


@pytest.mark.field("linux.resources.devices")
def test_a_device_that_is_denied_cannot_be_opened_and_the_usual_ones_can(bundle: Bundle) -> None:
    fuse = {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666}
    bundle.config["linux"]["devices"] = [fuse]
    put("linux/resources/devices", FUSE_RULES[:1])(bundle.config)
    done = bundle.script("echo x >/dev/null && echo null; cat /dev/fuse || echo denied").run()
    assert done.stdout.split() == ["null", "denied"], done.stderr
    assert "Operation not permitted" in done.stderr
