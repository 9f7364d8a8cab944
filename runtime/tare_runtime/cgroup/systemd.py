"""Cgroups that systemd makes: a scope for each container, with its limits as properties. Pure.

systemd is asked to put the container's process into a new scope; what its properties do not cover is then
written to the scope's cgroup as in the other driver, which it leaves to us (Delegate=yes). The limits go both
ways: systemd writes those it knows again at every daemon-reload.
"""

from __future__ import annotations

from tare_runtime.cgroup.paths import CgroupPlan, Hierarchy
from tare_runtime.cgroup.systemd_names import Bad, slice_path, unit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.cgroup.systemd_properties import Property

    Problems = list[tuple[str, str]]

_PATH = "/linux/cgroupsPath"
SUBGROUP = "run.oci.systemd.subgroup"


class Unit:
    """The scope to be made. user: by the user's own systemd; path: its cgroup below the mount's root."""

    __slots__ = ("name", "path", "properties", "slice", "user")

    def __init__(self, name: str, slice: str, path: str, properties: list[Property], *, user: bool) -> None:
        self.name = name
        self.slice = slice
        self.path = path
        self.properties = properties
        self.user = user


def plan(
    config: dict[str, Any],
    id: str,
    hierarchy: Hierarchy,
    warn: Callable[[str], None] | None,
    *,
    user: bool,
    manager_cgroup: str | None = None,
) -> tuple[CgroupPlan, Problems]:
    """As the other drivers' `plan`. Pure if `manager_cgroup` (where the user's systemd is) is given."""
    from tare_runtime.cgroup.systemd_properties import annotated, limits

    linux = config.get("linux", {})
    annotations = config.get("annotations") or {}
    if user and hierarchy.version == 1:
        problem = "cannot be had from the user's systemd: it has no cgroups of v1 to give (use cgroup v2)"
        return CgroupPlan(1, {}, [], [], []), [(_PATH, problem)]
    base = ""
    if user:
        base = manager_cgroup if manager_cgroup is not None else _manager_cgroup()
    try:
        slice, name = unit_of(linux.get("cgroupsPath", ""), id)
        slice = slice or ("user.slice" if user else "system.slice")
        path = "/".join([base.rstrip("/"), *slice_path(slice), name])
    except Bad as error:
        return CgroupPlan(hierarchy.version, {}, [], [], []), [(_PATH, str(error))]
    path = path if path[0] == "/" else "/" + path
    result, problems = _directories(linux, path, id, hierarchy, warn)
    properties, bad = annotated(annotations)
    problems += bad
    known = limits(linux.get("resources", {}), hierarchy.version)
    properties = [*_always(slice, hierarchy.version), *known, *properties]
    result.unit = Unit(name, slice, path, properties, user=user)
    # All of it waits for the scope, which waits for the process.
    result.late = len(result.host_ops) + len(result.open_ops)
    subgroup = annotations.get(SUBGROUP, "")
    if subgroup:
        _use_subgroup(result, subgroup, problems)
    return result, problems


def _directories(
    linux: dict[str, Any], path: str, id: str, hierarchy: Hierarchy, warn: Callable[[str], None] | None
) -> tuple[CgroupPlan, Problems]:
    at = {**linux, "cgroupsPath": path}
    if hierarchy.version == 2:
        from tare_runtime.cgroup.v2 import plan as plan_v2

        return plan_v2(at, id, hierarchy, warn)
    from tare_runtime.cgroup.v1 import plan as plan_v1

    result, problems = plan_v1(at, id, hierarchy, warn)
    if hierarchy.unified:
        # Where systemd keeps its own books in a hybrid: what `exec` starts must be found there too.
        from tare_runtime.plan.ops import host_open_cgroup

        result.paths["unified"] = hierarchy.unified + path
        result.open_ops.append(host_open_cgroup(_PATH, result.paths["unified"] + "/cgroup.procs"))
    return result, problems


def _always(slice: str, version: int) -> list[Property]:
    return [
        ("Slice", "s", slice),
        ("Description", "s", "container of tare-runtime"),
        ("Delegate", "b", True),
        ("DefaultDependencies", "b", False),
        ("CPUAccounting", "b", True),
        ("MemoryAccounting", "b", True),
        ("IOAccounting" if version == 2 else "BlockIOAccounting", "b", True),
        ("TasksAccounting", "b", True),
    ]


def _use_subgroup(result: CgroupPlan, subgroup: str, problems: Problems) -> None:
    """The process goes below the scope, whose limits and device rules hold for all in it."""
    pointer = "/annotations/" + SUBGROUP
    if result.version == 1:
        problems.append((pointer, "needs cgroup v2"))
    elif "/" in subgroup or subgroup in (".", ".."):
        problems.append((pointer, f"must be the name of one directory, is {subgroup!r}"))
    else:
        from tare_runtime.plan.ops import host_mkdir, host_open_cgroup

        path = f"{result.paths['']}/{subgroup}"
        result.subgroup = "/" + subgroup
        result.host_ops.insert(0, host_mkdir(pointer, path))
        result.open_ops = [host_open_cgroup(_PATH, path + "/cgroup.procs")]
        result.late += 1


def _manager_cgroup() -> str:
    from tare_runtime.cgroup.systemd_unit import manager_cgroup

    return manager_cgroup(user=True)
