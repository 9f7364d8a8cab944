"""config-linux.md, "Control groups", on version 1 hierarchies."""

from __future__ import annotations

import errno
from pathlib import Path

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put
from tare_conformance.verdict import equal, true

MIB = 1 << 20


def setting(lab: Lab, controller: str, file: str) -> str:
    """One file of the group of a container with the bundle's resources, while it runs."""
    lab.controller(controller)
    box = lab.run("hold")
    box.facts()
    return (lab.group_of(box, controller) / file).read_text().strip()


@case("config-linux.md, Cgroups Path", put("/linux/cgroupsPath", "/TOKEN/elsewhere"))
def the_container_is_in_the_group_asked_for(lab: Lab) -> None:
    """An absolute cgroupsPath is a path from the mount point of each hierarchy; the process is in it."""
    lab.controller("pids")
    box = lab.run("hold")
    box.facts()
    lines = Path(f"/proc/{box.pid}/cgroup").read_text().splitlines()
    paths = {
        name: path for _, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")
    }
    for name in ("pids", "memory", "devices", "cpu"):
        if name in paths:
            true(
                f"the {name} group ends as asked: {paths[name]}",
                paths[name].endswith(f"/{lab.token}/{box.id}"),
            )


@case("config-linux.md, Cgroups Path", put("/linux/cgroupsPath", "TOKEN/elsewhere"))
def a_relative_path_is_the_same_each_time(lab: Lab) -> None:
    """A relative cgroupsPath is taken from a place of the runtime's choice, the same for each container."""
    lab.controller("pids")
    found = []
    for _ in range(2):
        box = lab.create("hold", cgroups_path=f"{lab.token}/again")
        box.start().demand()
        box.facts()
        line = next(
            line for line in Path(f"/proc/{box.pid}/cgroup").read_text().splitlines() if ":pids:" in line
        )
        found.append(line.split(":", 2)[2])
        box.kill("KILL").demand()
        box.wait()
        box.delete().demand()
    equal("second time", found[1], found[0])
    true("the path ends as asked", found[0].endswith(f"{lab.token}/again"))


@case("config-linux.md, PIDs", drop("/linux/resources/pids"), put("/linux/resources/pids/limit", 18))
def pids_limit_is_set(lab: Lab) -> None:
    """pids.limit is the largest number of tasks."""
    lab.linux["resources"] = {"pids": {"limit": 17}}
    equal("pids.max", setting(lab, "pids", "pids.max"), "17")


@case(
    "config-linux.md, Memory", drop("/linux/resources/memory"), put("/linux/resources/memory/limit", 65 * MIB)
)
def memory_limit_is_set(lab: Lab) -> None:
    """memory.limit is the limit in bytes."""
    lab.linux["resources"] = {"memory": {"limit": 64 * MIB}}
    equal("memory.limit_in_bytes", setting(lab, "memory", "memory.limit_in_bytes"), str(64 * MIB))


@case("config-linux.md, Memory", drop("/linux/resources/memory/reservation"))
def memory_reservation_is_set(lab: Lab) -> None:
    """memory.reservation is the soft limit in bytes."""
    lab.linux["resources"] = {"memory": {"limit": 64 * MIB, "reservation": 32 * MIB}}
    equal("memory.soft_limit_in_bytes", setting(lab, "memory", "memory.soft_limit_in_bytes"), str(32 * MIB))


@case("config-linux.md, CPU", drop("/linux/resources/cpu"), put("/linux/resources/cpu/shares", 1024))
def cpu_shares_are_set(lab: Lab) -> None:
    """cpu.shares is the relative share of processor time."""
    lab.linux["resources"] = {"cpu": {"shares": 513}}
    equal("cpu.shares", setting(lab, "cpu", "cpu.shares"), "513")


@case(
    "config-linux.md, CPU",
    drop("/linux/resources/cpu/quota"),
    put("/linux/resources/cpu/period", 100000),
)
def cpu_quota_and_period_are_set(lab: Lab) -> None:
    """cpu.quota microseconds of processor time are allowed in each cpu.period."""
    group = lab.controller("cpu")
    if not (group / "cpu.cfs_quota_us").exists() and not list(group.glob("*/cpu.cfs_quota_us")):
        lab.skip("this kernel has no CFS bandwidth control")
    lab.linux["resources"] = {"cpu": {"quota": 20000, "period": 50000}}
    box = lab.run("hold")
    box.facts()
    found = lab.group_of(box, "cpu")
    equal("cpu.cfs_quota_us", (found / "cpu.cfs_quota_us").read_text().strip(), "20000")
    equal("cpu.cfs_period_us", (found / "cpu.cfs_period_us").read_text().strip(), "50000")


@case("config-linux.md, CPU", drop("/linux/resources/cpu/cpus"))
def cpus_are_set(lab: Lab) -> None:
    """cpu.cpus is the list of processors that the container may use."""
    lab.linux["resources"] = {"cpu": {"cpus": "0", "mems": "0"}}
    equal("cpuset.cpus", setting(lab, "cpuset", "cpuset.cpus"), "0")


@case(
    "config-linux.md, Allowed Device list",
    drop("/linux/resources/devices"),
    put("/linux/resources/devices/1", {"allow": False, "access": "rwm"}),
    put("/linux/resources/devices/1/minor", 9),
)
def device_rules_are_applied_in_order(lab: Lab) -> None:
    """A device can be opened when the last rule that speaks of it allows it: all denied, one allowed."""
    lab.controller("devices")
    lab.linux["devices"] = [
        {"path": "/dev/allowed", "type": "c", "major": 60, "minor": 7, "fileMode": 0o666},
        {"path": "/dev/denied", "type": "c", "major": 60, "minor": 8, "fileMode": 0o666},
    ]
    lab.linux["resources"] = {
        "devices": [
            {"allow": False, "access": "rwm"},
            {"allow": True, "type": "c", "major": 60, "minor": 7, "access": "r"},
        ]
    }
    facts = lab.observe("open=/dev/allowed", "write=/dev/allowed", "open=/dev/denied")
    # No driver has these numbers: an open that the rules let through ends with ENXIO.
    equal("reading the allowed one", facts["open=/dev/allowed"], errno.ENXIO)
    equal("writing the allowed one", facts["write=/dev/allowed"], errno.EPERM)
    equal("reading the denied one", facts["open=/dev/denied"], errno.EPERM)


@case("config-linux.md, Control groups", put("/linux/resources/pids/limit", 100))
def limits_hold_from_the_first_moment(lab: Lab) -> None:
    """Limits are in force when the container is created, before its program runs."""
    lab.controller("pids")
    lab.linux["resources"] = {"pids": {"limit": 33}}
    box = lab.create("hold")
    equal(
        "pids.max of the created container",
        (lab.group_of(box, "pids") / "pids.max").read_text().strip(),
        "33",
    )
