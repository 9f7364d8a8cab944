"""Cgroup v2: one directory, controllers enabled on the way down, limits as writes to its files. Pure."""

from __future__ import annotations

from tare_runtime.cgroup.paths import CgroupPlan, Hierarchy, container_base
from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.plan.ops import Op

    Problems = list[tuple[str, str]]

_PATH = "/linux/cgroupsPath"
_DEVICES = "/linux/resources/devices"


def plan(
    linux: dict[str, Any], id: str, hierarchy: Hierarchy, warn: Callable[[str], None] | None
) -> tuple[CgroupPlan, Problems]:
    """Plan for `linux`; the second part lists limits that cannot be applied, as (pointer, problem)."""
    from tare_runtime.cgroup.v2_limits import limit_ops

    from_root, parts = container_base(linux.get("cgroupsPath", ""), id)
    top = hierarchy.mounts[""]
    base = top if from_root else above_own(top, hierarchy.own[""])
    path = base + "/" + "/".join(parts)
    problems: Problems = []
    limits, _ = limit_ops(linux.get("resources", {}), path, problems, warn)
    host: list[Op] = []
    directory = base
    for part in parts:
        # In every cgroup above the one that uses them; all of them, as managers read their statistics.
        host.append(ops.host_enable_controllers(_PATH, directory))
        directory += "/" + part
        host.append(ops.host_mkdir(_PATH, directory))
    join = [ops.host_open_cgroup(_PATH, path + "/cgroup.procs")]
    if hierarchy.devices:
        host.append(_device_filter(linux.get("resources", {}).get("devices", []), path))
    host += limits  # at the end, for the one that is late
    return CgroupPlan(2, {"": path}, [path], host, join), problems


def above_own(top: str, own: str) -> str:
    """Where relative paths count from: beside our own cgroup, as one with processes in it takes no others.

    (Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint"; it exempts the root.)
    """
    return own.rpartition("/")[0] if own != top else top


def _device_filter(rules: list[dict[str, Any]], path: str) -> Op:
    """The rules as on v1 (cgroup.v1.device_ops): all denied at first, the default ones at the end."""
    from tare_runtime.cgroup.v1 import DEFAULT_DEVICES
    from tare_runtime.cgroup.v2_devices import device_program

    return ops.host_device_filter(_DEVICES, path, device_program(rules, DEFAULT_DEVICES))
