"""Containers in scopes that systemd makes, cgroup v2: where they are, what holds in them, what is left."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.support.bundles import Bundle
from tests.vm.units import TOP, cgroup_of, created, is_loaded, show

KMSG = {"type": "c", "path": "/dev/kmsg", "major": 1, "minor": 11, "fileMode": 438}
MB = 1 << 20


def test_a_container_is_a_scope_in_its_slice(bundle: Bundle) -> None:
    bundle.config["linux"]["cgroupsPath"] = f"tare-vm.slice:box:{bundle.id}"
    created(bundle.args("sleep", "1000"))
    unit = f"box-{bundle.id}.scope"
    place = f"/tare.slice/tare-vm.slice/{unit}"
    assert show(unit, "Slice", "Delegate", "ControlGroup", "DefaultDependencies", "ActiveState") == {
        "Slice": "tare-vm.slice",
        "Delegate": "yes",
        "ControlGroup": place,
        "DefaultDependencies": "no",
        "ActiveState": "active",
    }
    assert cgroup_of(bundle.state()["pid"]) == place
    inside = bundle.tare("exec", bundle.id, "cat", "/proc/self/cgroup").stdout
    assert inside == f"0::{place}\n"
    done = bundle.tare("delete", "--force", bundle.id)
    assert done.returncode == 0, done.stderr
    assert not is_loaded(unit)
    assert not (TOP / place[1:]).exists()
    assert bundle.leftovers() == []


def test_without_a_path_the_scope_is_in_the_systems_slice(bundle: Bundle) -> None:
    done = bundle.script("cat /proc/self/cgroup").tare("--systemd-cgroup", "run", bundle.id)
    assert done.stdout == f"0::/system.slice/tare-{bundle.id}.scope\n", done.stderr
    assert not is_loaded(f"tare-{bundle.id}.scope")


RESOURCES: dict[str, Any] = {
    "memory": {"limit": 64 * MB, "reservation": 32 * MB, "swap": 96 * MB},
    "cpu": {"shares": 512, "quota": 30000, "period": 50000, "cpus": "0", "burst": 1000},
    "pids": {"limit": 30},
    "blockIO": {"weight": 500},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 2 * MB}],
    "unified": {"memory.high": str(48 * MB), "cgroup.max.depth": "3"},
    "devices": [{"allow": False, "access": "rwm"}],
}
FILES = {
    "memory.max": str(64 * MB),
    "memory.low": str(32 * MB),
    "memory.swap.max": str(32 * MB),
    "memory.high": str(48 * MB),
    "cpu.max": "30000 50000",
    "cpu.max.burst": "1000",
    "cpu.weight": "59",
    "cpuset.cpus": "0",
    "pids.max": "30",
    "hugetlb.2MB.max": str(2 * MB),
    "cgroup.max.depth": "3",
}


def read(folder: str, names: Any) -> dict[str, str]:
    return {name: (TOP / folder[1:] / name).read_text().strip() for name in names}


def test_limits_and_device_rules_outlive_a_reload_of_systemd(bundle: Bundle) -> None:
    bundle.config["linux"]["resources"] = RESOURCES
    bundle.config["linux"]["devices"] = [KMSG]
    created(bundle.args("sleep", "1000"))
    unit = f"tare-{bundle.id}.scope"
    place = cgroup_of(bundle.state()["pid"])
    assert read(place, FILES) == FILES
    assert show(unit, "MemoryMax", "TasksMax", "CPUWeight", "AllowedCPUs") == {
        "MemoryMax": str(64 * MB),
        "TasksMax": "30",
        "CPUWeight": "59",
        "AllowedCPUs": "0",
    }
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "set-property", "--runtime", unit, "IOAccounting=yes"], check=True)
    assert read(place, FILES) == FILES
    denied = bundle.tare("exec", bundle.id, "head", "-c", "1", "/dev/kmsg")
    assert "Operation not permitted" in denied.stderr
    assert bundle.tare("exec", bundle.id, "head", "-c", "1", "/dev/zero").returncode == 0


def test_annotations_become_properties_of_the_scope(bundle: Bundle) -> None:
    bundle.config["annotations"] = {
        "org.systemd.property.TimeoutStopSec": "7",
        "org.systemd.property.CollectMode": "'inactive-or-failed'",
        "org.systemd.property.Documentation": "['man:tare(1)', 'man:cgroups(7)']",
        "org.systemd.property.MemoryMin": "uint64 4096",
    }
    created(bundle.args("sleep", "1000"))
    shown = show(f"tare-{bundle.id}.scope", "TimeoutStopUSec", "CollectMode", "Documentation", "MemoryMin")
    assert shown == {
        "TimeoutStopUSec": "7s",
        "CollectMode": "inactive-or-failed",
        "Documentation": '"man:tare(1)" "man:cgroups(7)"',
        "MemoryMin": "4096",
    }


def test_a_property_that_systemd_does_not_know_is_told(bundle: Bundle) -> None:
    bundle.config["annotations"] = {"org.systemd.property.NoSuchThing": "true"}
    done = bundle.tare("--systemd-cgroup", "run", bundle.id)
    assert done.returncode == 1
    assert "NoSuchThing" in done.stderr
    assert bundle.leftovers() == []
    assert not is_loaded(f"tare-{bundle.id}.scope")


def test_a_subgroup_holds_the_process_and_the_scope_the_limits(bundle: Bundle) -> None:
    bundle.config["annotations"] = {"run.oci.systemd.subgroup": "inner"}
    bundle.config["linux"]["resources"] = {"pids": {"limit": 30}}
    created(bundle.args("sleep", "1000"))
    scope = f"/system.slice/tare-{bundle.id}.scope"
    assert cgroup_of(bundle.state()["pid"]) == scope + "/inner"
    assert read(scope, ["pids.max"]) == {"pids.max": "30"}
    assert bundle.tare("exec", bundle.id, "cat", "/proc/self/cgroup").stdout == f"0::{scope}/inner\n"
    assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert not (TOP / scope[1:]).exists()


def test_a_unit_of_another_is_left_alone(bundle: Bundle) -> None:
    bundle.config["linux"]["cgroupsPath"] = f":box:{bundle.id}"
    unit = f"box-{bundle.id}.scope"
    with subprocess.Popen(
        ["systemd-run", "--scope", f"--unit={unit}", "sleep", "1000"], stderr=subprocess.DEVNULL
    ) as other:
        subprocess.run(
            ["timeout", "20", "sh", "-c", f"until systemctl -q is-active {unit}; do :; done"], check=True
        )
        done = bundle.tare("--systemd-cgroup", "run", bundle.id)
        assert done.returncode == 1
        assert "not empty" in done.stderr
        assert show(unit, "ActiveState")["ActiveState"] == "active"
        assert other.poll() is None
        other.kill()


def test_what_a_failed_unit_leaves_is_cleared_for_the_next(bundle: Bundle) -> None:
    """A scope whose process was killed for want of memory stays behind as failed."""
    bundle.config["linux"]["resources"] = {"memory": {"limit": 16 * MB, "swap": 16 * MB}}
    bundle.config["linux"]["cgroupsPath"] = f":box:{bundle.id}"
    bundle.script("x=0123456789abcdef; while true; do x=$x$x; done")
    first = bundle.tare("--systemd-cgroup", "run", bundle.id)
    assert first.returncode == 137, first.stderr
    second = bundle.args("true").tare("--systemd-cgroup", "run", bundle.id)
    assert second.returncode == 0, second.stderr
    assert not is_loaded(f"box-{bundle.id}.scope")


def test_update_tells_systemd_too(bundle: Bundle) -> None:
    bundle.config["linux"]["resources"] = {"memory": {"limit": 64 * MB}, "pids": {"limit": 30}}
    created(bundle.args("sleep", "1000"))
    place = cgroup_of(bundle.state()["pid"])
    done = bundle.tare("update", "--memory", str(32 * MB), "--pids-limit", "20", bundle.id)
    assert done.returncode == 0, done.stderr
    unit = f"tare-{bundle.id}.scope"
    assert show(unit, "MemoryMax", "TasksMax") == {"MemoryMax": str(32 * MB), "TasksMax": "20"}
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    assert read(place, ["memory.max", "pids.max"]) == {"memory.max": str(32 * MB), "pids.max": "20"}


def test_pause_resume_and_kill_all(bundle: Bundle) -> None:
    created(bundle.script("sleep 1000 & sleep 1000"))
    assert bundle.tare("pause", bundle.id).returncode == 0
    assert bundle.state()["status"] == "paused"
    assert bundle.tare("resume", bundle.id).returncode == 0
    assert bundle.state()["status"] == "running"
    assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert not is_loaded(f"tare-{bundle.id}.scope")


def test_a_path_that_is_no_scope_is_refused_by_name(bundle: Bundle) -> None:
    bundle.config["linux"]["cgroupsPath"] = "/a/path"
    done = bundle.tare("--systemd-cgroup", "run", bundle.id)
    assert done.returncode == 1
    assert "/linux/cgroupsPath" in done.stderr
    assert "slice:prefix:name" in done.stderr


@pytest.mark.slow
def test_without_a_bus_systemds_own_socket_serves(bundle: Bundle) -> None:
    subprocess.run(["systemctl", "stop", "dbus.service", "dbus.socket"], check=True)
    try:
        done = bundle.args("true").tare("--systemd-cgroup", "run", bundle.id, timeout_s=120)
        assert done.returncode == 0, done.stderr
        assert bundle.leftovers() == []
    finally:
        subprocess.run(["systemctl", "start", "dbus.socket", "dbus.service"], check=True)
