"""Where cgroups go and what is written to them, planned for hosts that are only described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tare_runtime.cgroup.paths import Hierarchy, parse_hierarchy, usual_places
from tare_runtime.cgroup.plan import plan_cgroup
from tare_runtime.cgroup.v1 import DEFAULT_DEVICES
from tare_runtime.cgroup.v2_limits import shares_to_weight
from tare_runtime.errors import ConfigError, RuntimeFailure

MOUNTINFO_V1 = """\
22 1 8:1 / / rw - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
OWN_V1 = "5:pids:/user\n4:memory:/a/b\n3:cpuset:/\n2:cpu,cpuacct:/x\n6:devices:/\n1:name=systemd:/s\n0::/s\n"
MOUNTINFO_V2 = "29 22 0:25 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

V1 = Hierarchy(
    1,
    {name: f"/cg/{name}" for name in ("cpu", "cpuset", "memory", "devices", "pids", "blkio")},
    {name: f"/cg/{name}/own" for name in ("cpu", "cpuset", "memory", "devices", "pids", "blkio")},
)
V2 = Hierarchy(2, {"": "/cg"}, {"": "/cg/own.slice"})


def planned(hierarchy: Hierarchy, resources: dict[str, Any], path: str = "/c") -> list[tuple[str, str, str]]:
    """The writes to the container's own cgroups: (pointer below resources, file, text)."""
    config = {"linux": {"cgroupsPath": path, "resources": resources}}
    plan = plan_cgroup(config, "id", hierarchy=hierarchy)
    return [
        (op[1].removeprefix("/linux/resources/"), str(op[2][0]).rpartition("/")[2], str(op[2][1]))
        for op in plan.host_ops
        if op[0] == "host_write" and str(op[2][0]).rpartition("/")[0] in plan.paths.values()
    ]


def limits(hierarchy: Hierarchy, resources: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [write for write in planned(hierarchy, resources) if not write[1].startswith("devices.")]


def test_hierarchies_of_v1_are_found_with_our_own_place_in_them() -> None:
    found = parse_hierarchy(MOUNTINFO_V1, OWN_V1)
    assert found.version == 1
    assert found.mounts["cpu"] == found.mounts["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct"
    assert found.own["memory"] == "/sys/fs/cgroup/memory/a/b"
    assert found.own["cpuset"] == "/sys/fs/cgroup/cpuset"
    assert found.own["name=systemd"] == "/sys/fs/cgroup/systemd/s"
    assert "" not in found.mounts


def test_the_usual_places_say_the_same_as_the_mount_table() -> None:
    own_cgroups = Path("/proc/self/cgroup").read_text()
    quick = usual_places(own_cgroups)
    if quick is None:
        pytest.skip("this host has no hierarchies of v1 where they usually are")
    slow = parse_hierarchy(Path("/proc/self/mountinfo").read_text(), own_cgroups)
    assert (quick.version, quick.mounts, quick.own) == (slow.version, slow.mounts, slow.own)


@pytest.mark.parametrize("kind", ["missing", "plain-directory", "part-of-a-hierarchy"])
def test_what_is_no_hierarchy_is_not_taken_for_one(tmp_path: Path, kind: str) -> None:
    top = tmp_path
    if kind == "plain-directory":
        (tmp_path / "cpu").mkdir()
        (tmp_path / "cpu" / "tasks").write_text("")
    elif kind == "part-of-a-hierarchy":
        (tmp_path / "cpu").symlink_to("/proc/sys")  # not the root of its file system
    assert usual_places("1:cpu:/\n0::/\n", str(top)) is None


def test_v2_alone_is_v2() -> None:
    found = parse_hierarchy(MOUNTINFO_V2, "0::/user.slice/a.scope\n")
    assert (found.version, found.mounts, found.own) == (
        2,
        {"": "/sys/fs/cgroup"},
        {"": "/sys/fs/cgroup/user.slice/a.scope"},
    )


def test_a_named_hierarchy_beside_v2_leaves_it_v2() -> None:
    text = MOUNTINFO_V2 + "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
    assert parse_hierarchy(text, "1:name=systemd:/\n0::/\n").version == 2


def test_a_mount_that_shows_a_part_of_the_hierarchy_is_understood() -> None:
    text = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    assert parse_hierarchy(text, "4:memory:/docker/abc/x\n").own["memory"] == "/sys/fs/cgroup/memory/x"
    assert parse_hierarchy(text, "4:memory:/docker/abcdef\n").own["memory"] == "/sys/fs/cgroup/memory"


def test_spaces_in_mount_points_are_understood() -> None:
    text = "35 31 0:32 / /my\\040cgroups/memory rw - cgroup cgroup rw,memory\n"
    assert parse_hierarchy(text, "4:memory:/\n").mounts["memory"] == "/my cgroups/memory"


@pytest.mark.parametrize(
    ("path", "memory"),
    [
        ("/docker/abc", "/cg/memory/docker/abc"),
        ("//docker/./abc/", "/cg/memory/docker/abc"),
        ("/../../etc", "/cg/memory/etc"),
        ("/a/../../b", "/cg/memory/b"),
        ("", "/cg/memory/own/id"),
        ("rel/x", "/cg/memory/own/rel/x"),
        ("../../x", "/cg/memory/own/x"),
    ],
)
def test_cgroups_path_leads_below_the_root_or_below_our_own(path: str, memory: str) -> None:
    plan = plan_cgroup({"linux": {"cgroupsPath": path}}, "id", hierarchy=V1)
    assert plan.paths["memory"] == memory
    assert ("host_open_cgroup", "/linux/cgroupsPath", (memory + "/tasks",)) in plan.open_ops


def test_every_directory_on_the_way_is_made_and_only_the_last_is_ours() -> None:
    plan = plan_cgroup({"linux": {"cgroupsPath": "/a/b"}}, "id", hierarchy=V1)
    made = [op[2][0] for op in plan.host_ops if op[0] == "host_mkdir"]
    assert made[:2] == ["/cg/cpu/a", "/cg/cpu/a/b"]
    assert plan.created == [f"/cg/{name}/a/b" for name in V1.mounts]


def test_cpuset_is_filled_from_its_parent_at_each_step_before_limits() -> None:
    resources = {"cpu": {"cpus": "0"}}
    config = {"linux": {"cgroupsPath": "/a/b", "resources": resources}}
    plan = plan_cgroup(config, "id", hierarchy=V1)
    about = [(op[0], *op[2]) for op in plan.host_ops if str(op[2][0]).startswith("/cg/cpuset")]
    assert about == [
        ("host_mkdir", "/cg/cpuset/a"),
        ("host_copy_parent", "/cg/cpuset/a", "cpuset.cpus"),
        ("host_copy_parent", "/cg/cpuset/a", "cpuset.mems"),
        ("host_mkdir", "/cg/cpuset/a/b"),
        ("host_copy_parent", "/cg/cpuset/a/b", "cpuset.cpus"),
        ("host_copy_parent", "/cg/cpuset/a/b", "cpuset.mems"),
        ("host_write", "/cg/cpuset/a/b/cpuset.cpus", "0"),
    ]


def test_controllers_that_are_mounted_together_are_made_and_joined_once() -> None:
    plan = plan_cgroup({}, "id", hierarchy=parse_hierarchy(MOUNTINFO_V1, OWN_V1))
    assert plan.paths["cpu"] == plan.paths["cpuacct"]
    joined = [op[2][0] for op in plan.open_ops]
    assert len(joined) == len(set(joined)) == 6


ALL = {"allow": True, "access": "rwm"}
NONE = {"allow": False, "access": "rwm"}
NULL = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"}
ANY_BLOCK = {"allow": False, "type": "b", "access": "m"}
DEFAULTS = [("devices.allow", text) for text in DEFAULT_DEVICES]


@pytest.mark.parametrize(
    ("rules", "writes"),
    [
        pytest.param([], [("devices.deny", "a"), *DEFAULTS], id="none"),
        pytest.param([NONE], [("devices.deny", "a"), *DEFAULTS], id="deny-all"),
        pytest.param([ALL], [("devices.allow", "a")], id="allow-all"),
        pytest.param([NONE, ALL], [("devices.deny", "a"), ("devices.allow", "a")], id="allow-all-last"),
        pytest.param(
            [ALL, ANY_BLOCK], [("devices.allow", "a"), ("devices.deny", "b *:* m"), *DEFAULTS], id="all-but"
        ),
        pytest.param(
            [NONE, NULL], [("devices.deny", "a"), ("devices.allow", "c 1:3 rw"), *DEFAULTS], id="one"
        ),
        pytest.param(
            [NULL], [("devices.deny", "a"), ("devices.allow", "c 1:3 rw"), *DEFAULTS], id="one-without-deny"
        ),
        pytest.param(
            [NONE, {"allow": True, "access": "r", "major": 9}],
            [("devices.deny", "a"), ("devices.allow", "c 9:* r"), ("devices.allow", "b 9:* r"), *DEFAULTS],
            id="both-kinds-in-part",
        ),
    ],
)
def test_device_rules_keep_their_order_and_end_with_the_default_ones(
    rules: list[dict[str, Any]], writes: list[tuple[str, str]]
) -> None:
    found = [(file, text) for _, file, text in planned(V1, {"devices": rules})]
    assert found == writes


@pytest.mark.parametrize(
    ("resources", "writes"),
    [
        (
            {"memory": {"limit": 1000}},
            [("memory/limit", "memory.limit_in_bytes", "1000")],
        ),
        (
            {"memory": {"limit": 1000, "swap": 2000, "reservation": 500}},
            [
                ("memory/limit", "memory.limit_in_bytes", "1000"),
                ("memory/swap", "memory.memsw.limit_in_bytes", "2000"),
                ("memory/reservation", "memory.soft_limit_in_bytes", "500"),
            ],
        ),
        (
            {"memory": {"limit": -1}},
            [
                ("memory/swap", "memory.memsw.limit_in_bytes", "-1"),
                ("memory/limit", "memory.limit_in_bytes", "-1"),
            ],
        ),
        (
            {"memory": {"limit": 1000, "swap": -1, "swappiness": 0, "disableOOMKiller": True}},
            [
                ("memory/swap", "memory.memsw.limit_in_bytes", "-1"),
                ("memory/limit", "memory.limit_in_bytes", "1000"),
                ("memory/disableOOMKiller", "memory.oom_control", "1"),
                ("memory/swappiness", "memory.swappiness", "0"),
            ],
        ),
        ({"memory": {"limit": 0, "disableOOMKiller": False}}, []),
        (
            {"cpu": {"shares": 512, "period": 50000, "quota": 25000, "burst": 5, "idle": 1}},
            [
                ("cpu/shares", "cpu.shares", "512"),
                ("cpu/period", "cpu.cfs_period_us", "50000"),
                ("cpu/quota", "cpu.cfs_quota_us", "25000"),
                ("cpu/burst", "cpu.cfs_burst_us", "5"),
                ("cpu/idle", "cpu.idle", "1"),
            ],
        ),
        (
            {"cpu": {"realtimePeriod": 7, "realtimeRuntime": 5, "cpus": "0-1", "mems": "0"}},
            [
                ("cpu/realtimePeriod", "cpu.rt_period_us", "7"),
                ("cpu/realtimeRuntime", "cpu.rt_runtime_us", "5"),
                ("cpu/cpus", "cpuset.cpus", "0-1"),
                ("cpu/mems", "cpuset.mems", "0"),
            ],
        ),
        ({"cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""}}, []),
        ({"pids": {"limit": 5}}, [("pids/limit", "pids.max", "5")]),
        ({"pids": {"limit": 0}}, [("pids/limit", "pids.max", "0")]),
        ({"pids": {"limit": -1}}, [("pids/limit", "pids.max", "max")]),
        (
            {
                "blockIO": {
                    "weight": 500,
                    "weightDevice": [{"major": 8, "minor": 0, "weight": 300}],
                    "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 100}],
                    "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 9}],
                }
            },
            [
                ("blockIO/weight", "blkio.bfq.weight", "500"),
                ("blockIO/weightDevice/0", "blkio.bfq.weight_device", "8:0 300"),
                ("blockIO/throttleReadBpsDevice/0", "blkio.throttle.read_bps_device", "8:0 100"),
                ("blockIO/throttleWriteIOPSDevice/0", "blkio.throttle.write_iops_device", "8:16 9"),
            ],
        ),
    ],
    ids=lambda value: "+".join(f"{key}({','.join(item)})" for key, item in value.items())
    if isinstance(value, dict)
    else "",
)
def test_limits_become_writes_to_the_files_of_v1(
    resources: dict[str, Any], writes: list[tuple[str, str, str]]
) -> None:
    assert limits(V1, resources) == writes


@pytest.mark.parametrize(
    ("resources", "pointer", "words"),
    [
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}, "hugepageLimits/0", "hugetlb controller"),
        ({"network": {"classID": 5}}, "network/classID", "net_cls controller"),
        ({"network": {"priorities": [{"name": "lo", "priority": 1}]}}, "network/priorities/0", "net_prio"),
        ({"rdma": {"mlx": {"hcaHandles": 1}}}, "rdma/mlx", "rdma controller"),
        ({"unified": {"memory.high": "1"}}, "unified", "cgroup v1"),
        ({"memory": {"limit": 10, "swap": 5}}, "memory/swap", "below the limit 10"),
        ({"memory": {"swap": 5}}, "memory/swap", "without memory.limit"),
    ],
)
def test_a_limit_that_v1_cannot_apply_is_named(resources: dict[str, Any], pointer: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(V1, resources)
    ((where, problem, section),) = caught.value.violations
    assert where == "/linux/resources/" + pointer
    assert words in problem
    assert section.startswith("config-linux.md")


def test_limits_that_the_kernel_has_given_up_are_warned_of() -> None:
    said: list[str] = []
    config = {"linux": {"resources": {"memory": {"kernel": 1, "kernelTCP": 1}}}}
    plan_cgroup(config, "id", hierarchy=V1, warn=said.append)
    assert len(said) == 2
    assert "memory.kernel has no effect" in said[0]


@pytest.mark.parametrize(
    ("resources", "writes"),
    [
        ({"memory": {"limit": 1000}}, [("memory/limit", "memory.max", "1000")]),
        (
            {"memory": {"limit": 1000, "swap": 1500, "reservation": 10}},
            [
                ("memory/swap", "memory.swap.max", "500"),
                ("memory/limit", "memory.max", "1000"),
                ("memory/reservation", "memory.low", "10"),
            ],
        ),
        (
            {"memory": {"limit": -1}},
            [("memory/swap", "memory.swap.max", "max"), ("memory/limit", "memory.max", "max")],
        ),
        ({"cpu": {"quota": 500, "period": 1000}}, [("cpu/quota", "cpu.max", "500 1000")]),
        ({"cpu": {"quota": -1}}, [("cpu/quota", "cpu.max", "max")]),
        ({"cpu": {"period": 1000}}, [("cpu/period", "cpu.max", "max 1000")]),
        ({"cpu": {"shares": 1024}}, [("cpu/shares", "cpu.weight", "100")]),
        ({"cpu": {"cpus": "0"}}, [("cpu/cpus", "cpuset.cpus", "0")]),
        ({"pids": {"limit": -1}}, [("pids/limit", "pids.max", "max")]),
        ({"blockIO": {"weight": 1000}}, [("blockIO/weight", "io.weight", "default 10000")]),
        (
            {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 7}]}},
            [("blockIO/throttleReadBpsDevice/0", "io.max", "8:0 rbps=7")],
        ),
        (
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 4}]},
            [("hugepageLimits/0", "hugetlb.2MB.max", "4")],
        ),
        ({"unified": {"memory.high": "9"}}, [("unified/memory.high", "memory.high", "9")]),
    ],
)
def test_limits_become_writes_to_the_files_of_v2(
    resources: dict[str, Any], writes: list[tuple[str, str, str]]
) -> None:
    assert limits(V2, resources) == writes


def test_v2_enables_each_controller_in_every_cgroup_above() -> None:
    config = {"linux": {"cgroupsPath": "/a/b", "resources": {"memory": {"limit": 1}, "pids": {"limit": 1}}}}
    plan = plan_cgroup(config, "id", hierarchy=V2)
    assert [(op[0], *op[2]) for op in plan.host_ops[:4]] == [
        ("host_enable_controllers", "/cg"),
        ("host_mkdir", "/cg/a"),
        ("host_enable_controllers", "/cg/a"),
        ("host_mkdir", "/cg/a/b"),
    ]
    assert plan.open_ops == [("host_open_cgroup", "/linux/cgroupsPath", ("/cg/a/b/cgroup.procs",))]


def test_v2_swap_needs_a_limit_below_it() -> None:
    with pytest.raises(ConfigError, match="memory and swap together"):
        planned(V2, {"memory": {"limit": 10, "swap": 5}})


@pytest.mark.parametrize(("shares", "weight"), [(1, 1), (2, 1), (1024, 100), (262144, 10000), (10**6, 10000)])
def test_cpu_shares_become_weights(shares: int, weight: int) -> None:
    assert shares_to_weight(shares) == weight


def test_cpu_weights_never_fall_as_shares_rise() -> None:
    weights = [shares_to_weight(shares) for shares in range(2, 262145, 97)]
    assert weights == sorted(weights)
    assert weights[0] >= 1
    assert weights[-1] <= 10000


def test_a_host_without_cgroups_refuses_limits_only() -> None:
    bare = Hierarchy(1, {}, {})
    assert plan_cgroup({"linux": {}}, "id", hierarchy=bare).host_ops == []
    with pytest.raises(RuntimeFailure, match="no cgroup file system"):
        plan_cgroup({"linux": {"resources": {"pids": {"limit": 1}}}}, "id", hierarchy=bare)
