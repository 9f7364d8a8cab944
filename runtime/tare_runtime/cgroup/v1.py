"""Cgroup v1: one directory in each hierarchy, device rules and limits as writes to its files. Pure."""

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

# What every container may do, after the config's own rules: make nodes, and use these devices.
DEFAULT_DEVICES = (
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",  # null
    "c 1:5 rwm",  # zero
    "c 1:7 rwm",  # full
    "c 1:8 rwm",  # random
    "c 1:9 rwm",  # urandom
    "c 5:0 rwm",  # tty
    "c 5:2 rwm",  # ptmx
    "c 136:* rwm",  # pts
    "c 10:200 rwm",  # tun: programs in containers that were allowed to make it expect it to work
)


def plan(
    linux: dict[str, Any], id: str, hierarchy: Hierarchy, warn: Callable[[str], None] | None
) -> tuple[CgroupPlan, Problems]:
    """Plan for `linux`; the second part lists limits that cannot be applied, as (pointer, problem)."""
    from_root, parts = container_base(linux.get("cgroupsPath", ""), id)
    bases = hierarchy.mounts if from_root else hierarchy.own
    cpuset = bases.get("cpuset")
    paths: dict[str, str] = {}
    host: list[Op] = []
    join: list[Op] = []
    created: list[str] = []
    for controller, base in bases.items():
        path = base + "/" + "/".join(parts)
        if path not in created:  # else it is mounted together with one that we have had
            directory = base
            for part in parts:
                directory += "/" + part
                host.append(ops.host_mkdir(_PATH, directory))
                if base == cpuset:
                    host.append(ops.host_copy_parent(_PATH, directory, "cpuset.cpus"))
                    host.append(ops.host_copy_parent(_PATH, directory, "cpuset.mems"))
            join.append(ops.host_open_cgroup(_PATH, path + "/tasks"))
            created.append(path)
        paths[controller] = path
    problems: Problems = []
    resources = linux.get("resources", {})
    if "devices" in paths:
        host += device_ops(resources.get("devices", ()), paths["devices"])
    if resources.keys() - {"devices"}:
        from tare_runtime.cgroup.v1_limits import limit_ops

        host += limit_ops(resources, paths, problems, warn)
    return CgroupPlan(1, paths, created, host, join), problems


def device_ops(rules: list[dict[str, Any]], path: str) -> list[Op]:
    """Writes to devices.allow and devices.deny: the config's rules in their order, then the default ones.

    A new cgroup has its parent's rules, so unless the config begins with a rule for all, all is denied
    first. Once all is allowed and nothing denied after it, the default rules have nothing to add.
    """
    result: list[Op] = []
    if not rules or not is_for_all(rules[0]):
        result.append(ops.host_write(_DEVICES, path + "/devices.deny", "a"))
    all_allowed = False
    for index, rule in enumerate(rules):
        pointer = f"{_DEVICES}/{index}"
        file = path + ("/devices.allow" if rule["allow"] else "/devices.deny")
        if is_for_all(rule):
            result.append(ops.host_write(pointer, file, "a"))
            all_allowed = rule["allow"]
            continue
        major, minor = rule.get("major", -1), rule.get("minor", -1)
        numbers = f"{'*' if major < 0 else major}:{'*' if minor < 0 else minor}"
        for kind in KINDS[rule.get("type") or "a"]:
            result.append(ops.host_write(pointer, file, f"{kind} {numbers} {rule['access']}"))
        all_allowed = all_allowed and rule["allow"]
    if not all_allowed:
        allow = path + "/devices.allow"
        result += [ops.host_write("", allow, text) for text in DEFAULT_DEVICES]
    return result


# The kernel reads "a" as all devices with all access, whatever follows it; a rule for both kinds that says
# less is written as two.
KINDS = {"a": ("c", "b"), "b": ("b",), "c": ("c",), "u": ("c",)}


def is_for_all(rule: dict[str, Any]) -> bool:
    """Whether the rule is for every use of every device, and so replaces what was said before it."""
    return (
        rule.get("type", "a") in ("a", "")
        and rule.get("major", -1) < 0
        and rule.get("minor", -1) < 0
        and len(set(rule["access"])) == 3
    )
