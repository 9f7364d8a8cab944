"""linux.cgroupsPath and linux.resources → operations, for the cgroup version that the host has."""

from __future__ import annotations

from posix import W_OK, access, geteuid

from tare_runtime.cgroup.paths import (
    CgroupPlan,
    Hierarchy,
    discover,
    is_first_user_namespace,
    parse_hierarchy,
    read_text,
)
from tare_runtime.errors import ConfigError, HostError

PIDS_LIMIT = "/linux/resources/pids/limit"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def plan_cgroup(
    config: dict[str, Any],
    id: str,
    *,
    hierarchy: Hierarchy | None = None,
    systemd: bool = False,
    rootless: str = "false",
    warn: Callable[[str], None] | None = None,
) -> CgroupPlan:
    """Plan the cgroups of a container. Pure if `hierarchy` is given and `rootless` is "false".

    rootless ("true", "false", "auto"): whether to leave cgroups out that we may not make.
    `warn` gets limits that have no effect any more. Raises: ConfigError for limits that cannot be applied.
    """
    if systemd:
        return _by_systemd(config, id, hierarchy, rootless, warn)
    if hierarchy is None:
        hierarchy = discover()
    linux = config.get("linux", {})
    if rootless == "true" or (rootless == "auto" and not is_free(hierarchy)):
        from tare_runtime.cgroup.rootless import writable_part

        hierarchy = writable_part(hierarchy, linux.get("cgroupsPath", ""), id)
        if not hierarchy.mounts:
            _refuse_limits(linux)
            if warn and geteuid() == 0:
                warn("no cgroup can be made here: the container has none of its own, and no device rules")
            return CgroupPlan(1, {}, [], [], [])
    if not hierarchy.mounts:
        if linux.get("resources") or linux.get("cgroupsPath"):
            raise HostError("make the container's cgroups: no cgroup file system is mounted")
        return CgroupPlan(1, {}, [], [], [])
    if hierarchy.version == 2:
        from tare_runtime.cgroup.v2 import plan
    else:
        from tare_runtime.cgroup.v1 import plan
    result, problems = plan(linux, id, hierarchy, warn)
    if problems:
        raise _refused(problems)
    _give_away(result, config)
    if result.host_ops and result.host_ops[-1][1] == PIDS_LIMIT:
        result.late = 1
    return result


def is_free(hierarchy: Hierarchy) -> bool:
    """Whether all that cgroups offer can be had: as root of the first user namespace, in no read-only view.

    Containers in containers, and those of podman without root, have one or the other.
    """
    if geteuid() != 0 or not is_first_user_namespace():
        return False
    return access(next(iter(hierarchy.mounts.values()), "/"), W_OK)


def _by_systemd(
    config: dict[str, Any],
    id: str,
    hierarchy: Hierarchy | None,
    rootless: str,
    warn: Callable[[str], None] | None,
) -> CgroupPlan:
    from tare_runtime.cgroup.systemd import plan

    if hierarchy is None:
        # By the mount table: the quick look does not tell where v2 is in a hybrid.
        hierarchy = parse_hierarchy(read_text("/proc/self/mountinfo"), read_text("/proc/self/cgroup"))
    if not hierarchy.mounts:
        raise HostError("make the container's cgroups: no cgroup file system is mounted")
    user = rootless == "true" or (rootless == "auto" and (geteuid() != 0 or not is_first_user_namespace()))
    hierarchy.devices = not user
    result, problems = plan(config, id, hierarchy, warn, user=user)
    if problems:
        raise _refused(problems)
    _give_away(result, config)
    result.late = len(result.host_ops) + len(result.open_ops)
    return result


def _give_away(result: CgroupPlan, config: dict[str, Any]) -> None:
    if result.version == 2 and geteuid() == 0:
        from tare_runtime.cgroup.ownership import ownership_ops

        # The limit on processes stays the last.
        result.host_ops[-1:-1] = ownership_ops(config, result.paths[""] + result.subgroup)


def _refused(problems: list[tuple[str, str]]) -> ConfigError:
    from tare_runtime.config.sections import section_of

    return ConfigError([(pointer, text, section_of(pointer)) for pointer, text in problems])


def _refuse_limits(linux: dict[str, Any]) -> None:
    from tare_runtime.config.sections import section_of

    problem = "cannot be applied: the cgroups here are read-only, or belong to another user"
    limits = [name for name, value in linux.get("resources", {}).items() if value and name != "devices"]
    pointers = [f"/linux/resources/{name}" for name in limits]
    if pointers:
        raise ConfigError([(pointer, problem, section_of(pointer)) for pointer in pointers])


def ensure_unused(plan: CgroupPlan) -> None:
    """Raises: HostError if a process is in the container's cgroup before the container exists.

    Another container's, for example, whose limits this one would change and whose processes it would kill.
    """
    import posix

    # Containers are in all hierarchies alike, so one tells.
    path = plan.paths.get("devices") or next(iter(plan.paths.values()), "")
    try:
        fd = posix.open(path + "/cgroup.procs", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return
    try:
        pids = posix.read(fd, 4096).split()
    finally:
        posix.close(fd)
    if pids:
        raise HostError(
            f"use cgroup {path}: container's cgroup is not empty: {len(pids)} process(es) found",
            "give the container a linux.cgroupsPath of its own",
        )
