"""Controllers on v1, systemd's books on v2 beside them: scopes in both."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.bundles import Bundle
from tests.vm.units import TOP, cgroup_of, created, is_loaded, show

KMSG = {"type": "c", "path": "/dev/kmsg", "major": 1, "minor": 11, "fileMode": 438}
MB = 1 << 20


def test_a_scope_is_the_container_in_every_hierarchy(bundle: Bundle) -> None:
    bundle.config["linux"]["cgroupsPath"] = f"tare.slice:box:{bundle.id}"
    created(bundle.args("sleep", "1000"))
    place = f"/tare.slice/box-{bundle.id}.scope"
    pid = bundle.state()["pid"]
    for name in ("", "name=systemd", "memory", "devices", "pids", "cpuset", "freezer"):
        assert cgroup_of(pid, name) == place, name
    inside = bundle.tare("exec", bundle.id, "cat", "/proc/self/cgroup").stdout
    assert inside
    assert {line.split(":", 2)[2] for line in inside.splitlines()} == {place}
    assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert not is_loaded(f"box-{bundle.id}.scope")
    assert not [path for path in TOP.glob(f"*/tare.slice/box-{bundle.id}.scope") if path.exists()]


def test_limits_and_device_rules_outlive_a_reload_of_systemd(bundle: Bundle) -> None:
    bundle.config["linux"]["resources"] = {
        "memory": {"limit": 64 * MB},
        "cpu": {"shares": 512, "quota": 30000, "period": 50000},
        "pids": {"limit": 30},
        "devices": [{"allow": False, "access": "rwm"}],
    }
    bundle.config["linux"]["devices"] = [KMSG]
    created(bundle.args("sleep", "1000"))
    unit = f"tare-{bundle.id}.scope"
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "set-property", "--runtime", unit, "CPUShares=500"], check=True)
    assert show(unit, "MemoryLimit", "TasksMax") == {"MemoryLimit": str(64 * MB), "TasksMax": "30"}

    def value(controller: str, file: str) -> str:
        return (TOP / controller / "system.slice" / unit / file).read_text().strip()

    assert value("memory", "memory.limit_in_bytes") == str(64 * MB)
    assert value("pids", "pids.max") == "30"
    assert value("cpu", "cpu.cfs_quota_us") == "30000"
    denied = bundle.tare("exec", bundle.id, "head", "-c", "1", "/dev/kmsg")
    assert "Operation not permitted" in denied.stderr
    assert bundle.tare("exec", bundle.id, "head", "-c", "1", "/dev/zero").returncode == 0


def test_a_container_without_systemd_is_in_all_hierarchies_too(bundle: Bundle) -> None:
    bundle.config["linux"]["cgroupsPath"] = "/tare/" + bundle.id
    bundle.config["linux"]["resources"] = {"pids": {"limit": 30}}
    done = bundle.script("cat /proc/self/cgroup").run()
    assert done.returncode == 0, done.stderr
    places = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in done.stdout.splitlines()}
    assert places["pids"] == places["name=systemd"] == f"/tare/{bundle.id}"
    assert bundle.leftovers() == []


def test_pause_and_resume(bundle: Bundle) -> None:
    created(bundle.args("sleep", "1000"))
    assert bundle.tare("pause", bundle.id).returncode == 0
    assert bundle.state()["status"] == "paused"
    assert "D" in Path(f"/proc/{bundle.state()['pid']}/stat").read_text().rpartition(")")[2].split()[0]
    assert bundle.tare("resume", bundle.id).returncode == 0
    assert bundle.state()["status"] == "running"
