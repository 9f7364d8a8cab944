"""Cgroups of real containers on cgroup v1: limits read back, freezing, killing, removing."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.cgroup import freeze, life
from tare_runtime.cgroup.paths import discover
from tare_runtime.state.store import StateStore

from tests.support.runtime import Runtime, make_bundle, unique_id

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(discover().version != 1, reason="this host has cgroup v2"),
]


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(tmp_path / "root") as made:
        yield made


def record(runtime: Runtime, id: str) -> dict[str, Any]:
    with StateStore(str(runtime.root)).open(id) as state_dir:
        return state_dir.read()


def created(runtime: Runtime, tmp_path: Path, resources: dict[str, Any], *args: str) -> str:
    id = unique_id("v1")
    path = "/" + unique_id("cg")
    devices = {"devices": [{"allow": False, "access": "rwm"}]}
    linux = {"cgroupsPath": path, "resources": {**devices, **resources}}
    runtime.create(make_bundle(tmp_path / id, *(args or ("sleep", "100")), linux=linux), id)
    return id


@pytest.mark.parametrize(
    ("resources", "file", "text"),
    [
        ({"memory": {"limit": 64 << 20}}, "memory/memory.limit_in_bytes", str(64 << 20)),
        (
            {"memory": {"limit": 64 << 20, "swap": 96 << 20}},
            "memory/memory.memsw.limit_in_bytes",
            str(96 << 20),
        ),
        ({"memory": {"limit": 64 << 20, "swap": -1}}, "memory/memory.limit_in_bytes", str(64 << 20)),
        ({"memory": {"reservation": 32 << 20}}, "memory/memory.soft_limit_in_bytes", str(32 << 20)),
        ({"memory": {"swappiness": 5}}, "memory/memory.swappiness", "5"),
        ({"cpu": {"shares": 333}}, "cpu/cpu.shares", "333"),
        ({"cpu": {"quota": 20000, "period": 40000}}, "cpu/cpu.cfs_quota_us", "20000"),
        ({"cpu": {"quota": 20000, "period": 40000}}, "cpu/cpu.cfs_period_us", "40000"),
        ({"cpu": {"quota": 20000, "period": 40000, "burst": 100}}, "cpu/cpu.cfs_burst_us", "100"),
        ({"cpu": {"idle": 1}}, "cpu/cpu.idle", "1"),
        ({"cpu": {"cpus": "0"}}, "cpuset/cpuset.cpus", "0"),
        ({"pids": {"limit": 7}}, "pids/pids.max", "7"),
        ({"pids": {"limit": -1}}, "pids/pids.max", "max"),
    ],
)
def test_a_limit_is_what_the_kernel_then_says(
    runtime: Runtime, tmp_path: Path, resources: dict[str, Any], file: str, text: str
) -> None:
    controller, _, name = file.partition("/")
    paths = discover().mounts
    if controller not in paths:
        pytest.skip(f"no {controller} controller here")
    id = created(runtime, tmp_path, resources)
    path = Path(record(runtime, id)["cgroup"]["paths"][controller])
    assert (path / name).read_text().strip() == text


def test_the_container_is_in_every_hierarchy_and_leaves_none_behind(runtime: Runtime, tmp_path: Path) -> None:
    id = created(runtime, tmp_path, {})
    state = record(runtime, id)
    paths = {Path(path) for path in state["cgroup"]["paths"].values()}
    assert len(paths) == len(set(discover().mounts.values()))
    for path in paths:
        assert (path / "cgroup.procs").read_text().split() == [str(state["pid"])], path
    runtime.good("delete", "--force", id)
    assert not [path for path in paths if path.exists()]


def test_devices_are_denied_but_for_the_usual_ones(runtime: Runtime, tmp_path: Path) -> None:
    id = created(runtime, tmp_path, {"devices": [{"allow": False, "access": "rwm"}, {
        "allow": True, "type": "b", "major": 7, "minor": 5, "access": "r"}]})  # fmt: skip
    rules = Path(record(runtime, id)["cgroup"]["paths"]["devices"] + "/devices.list").read_text().splitlines()
    assert "b 7:5 r" in rules
    assert {"c *:* m", "b *:* m", "c 1:3 rwm", "c 136:* rwm", "c 10:200 rwm"} <= set(rules)
    assert "a *:* rwm" not in rules


def test_a_pids_limit_stops_a_fork(runtime: Runtime, tmp_path: Path) -> None:
    id = unique_id("pids")
    linux = {"cgroupsPath": "/" + id, "resources": {"pids": {"limit": 1}}}
    bundle = make_bundle(tmp_path / "b", "sh", "-c", "ls / | cat", linux=linux)
    done = runtime("run", "--bundle", str(bundle), id)
    assert done.returncode != 0
    assert "fork" in done.stderr


def test_a_program_that_does_not_fork_runs_under_a_limit_of_one(runtime: Runtime, tmp_path: Path) -> None:
    id = unique_id("pids")
    linux = {"cgroupsPath": "/" + id, "resources": {"pids": {"limit": 1}}}
    runtime.good("run", "--bundle", str(make_bundle(tmp_path / "b", "true", linux=linux)), id)


def test_a_frozen_container_stands_still_and_goes_on(runtime: Runtime, tmp_path: Path) -> None:
    script = "while :; do echo x >>/count; sleep 0.01; done"
    id = unique_id("freeze")
    bundle = make_bundle(tmp_path / "b", "sh", "-c", script, root={"readonly": False})
    runtime.create(bundle, id)
    runtime.good("start", id)
    count = bundle / "rootfs" / "count"
    wait_for(lambda: count.exists() and count.stat().st_size > 4)
    state = record(runtime, id)
    freeze.freeze(state)
    assert freeze.is_frozen(state)
    assert runtime.state(id)["status"] == "paused"
    size = count.stat().st_size
    done = runtime("exec", id, "true")
    assert done.returncode == 255
    assert "cannot exec in a paused container" in done.stderr
    assert count.stat().st_size == size
    freeze.thaw(state)
    assert not freeze.is_frozen(state)
    wait_for(lambda: count.stat().st_size > size)


def test_a_paused_container_is_deleted_by_force(runtime: Runtime, tmp_path: Path) -> None:
    id = created(runtime, tmp_path, {})
    runtime.good("start", id)
    runtime.good("pause", id)
    runtime.good("delete", "--force", id)
    assert runtime.good("list", "-q") == ""


def test_processes_below_are_found_killed_and_their_cgroups_removed(tmp_path: Path) -> None:
    base = Path(discover().mounts["pids"]) / unique_id("life")
    inner = base / "a" / "b"
    inner.mkdir(parents=True)
    sleepers = [subprocess.Popen(["sleep", "100"]) for _ in range(3)]
    try:
        for sleeper, directory in zip(sleepers, (base, base / "a", inner), strict=True):
            (directory / "cgroup.procs").write_text(str(sleeper.pid))
        state = {"id": "x", "cgroup": {"version": 1, "paths": {"pids": str(base)}, "created": [str(base)]}}
        assert life.cgroup_pids(state) == sorted(sleeper.pid for sleeper in sleepers)
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
        assert life.kill_all(state, 9) == 0
        life.remove_cgroups(state)
        assert not base.exists()
        life.remove_cgroups(state)  # a second time is no error
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def test_an_out_of_memory_kill_is_counted(runtime: Runtime, tmp_path: Path) -> None:
    id = unique_id("oom")
    limit = {"memory": {"limit": 8 << 20, "swap": 8 << 20}}
    script = "dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 100"
    bundle = make_bundle(
        tmp_path / "b", "sh", "-c", script, linux={"cgroupsPath": "/" + id, "resources": limit}
    )
    runtime.create(bundle, id)
    state = record(runtime, id)
    assert life.oom_count(state) == 0
    runtime.good("start", id)
    wait_for(lambda: life.oom_count(state) > 0)


def test_a_cgroup_that_another_container_uses_is_refused(runtime: Runtime, tmp_path: Path) -> None:
    first = created(runtime, tmp_path, {})
    path = record(runtime, first)["cgroup"]["paths"]["pids"].removeprefix(discover().mounts["pids"])
    bundle = make_bundle(tmp_path / "b2", linux={"cgroupsPath": path})
    second = unique_id("second")
    done = runtime("run", "--bundle", str(bundle), second)
    assert done.returncode == 1
    assert "container's cgroup is not empty" in done.stderr
    assert runtime.good("list", "-q").split() == [first]
    assert runtime.state(first)["status"] == "created"


def test_an_id_that_is_taken_says_so_before_the_cgroup_does(runtime: Runtime, tmp_path: Path) -> None:
    id = created(runtime, tmp_path, {})
    done = runtime("run", "--bundle", str(tmp_path / id), id)
    assert done.returncode == 1
    assert "container with given ID already exists" in done.stderr
    assert runtime.state(id)["status"] == "created"


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass within 20 s"
        os.sched_yield()
