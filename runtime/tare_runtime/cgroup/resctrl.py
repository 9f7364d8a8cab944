"""linux.intelRdt → operations: cache and memory bandwidth by groups of the resctrl file system.

A group is a directory; a process joins it by its file `tasks`, as it joins a cgroup. Loaded where a config
has the field. Spec: runtime-spec 1.3, config-linux.md "IntelRdt"; Documentation/filesystems/resctrl.rst.
"""

from __future__ import annotations

import posix

from tare_runtime.cgroup.paths import read_text
from tare_runtime.errors import ConfigError
from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cgroup.paths import CgroupPlan
    from tare_runtime.plan.ops import Op

_AT = "/linux/intelRdt"


def find_mount() -> str:
    """Where resctrl is mounted, or ""."""
    for line in read_text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("resctrl "):
            return left.split(" ")[4]
    return ""


def add_group(given: dict[str, Any], id: str, mount: str, plan: CgroupPlan) -> None:
    """Add to `plan` the container's group, what is to be written there, and what `delete` removes.

    Raises: ConfigError where a group that is there already is not what the config says.
    """
    lines = schemata_of(given)
    name = given.get("closID")
    group = mount if name == "/" else f"{mount}/{name or id}"
    there = posix.access(group, posix.F_OK)
    if name and not there and not lines:
        raise _error("closID", f"{name!r} is no group in {mount}, and there is no schema to make it with")
    made: list[Op] = []
    if name and there and lines:
        _compare(group, lines)
    else:
        if not there:
            made.append(ops.host_mkdir(_AT, group))
            if not name:
                plan.created.append(group)
        if lines:
            made.append(ops.host_write(_AT + "/schemata", group + "/schemata", "\n".join(lines) + "\n"))
    tasks = [group + "/tasks"]
    if given.get("enableMonitoring"):
        monitor = f"{group}/mon_groups/{id}"
        made.append(ops.host_mkdir(_AT + "/enableMonitoring", monitor))
        plan.created.append(monitor)
        tasks.append(monitor + "/tasks")
    at = len(plan.host_ops) - plan.late
    plan.host_ops[at:at] = made
    plan.open_ops += [ops.host_open_cgroup(_AT, file) for file in tasks]
    plan.more_tasks = tasks


def schemata_of(given: dict[str, Any]) -> list[str]:
    """The lines for the file `schemata`, in the order that the specification wants."""
    first = [given[field] for field in ("l3CacheSchema", "memBwSchema") if given.get(field)]
    return [*first, *(given.get("schemata") or ())]


def _compare(group: str, lines: list[str]) -> None:
    have = dict(_parsed(line) for line in read_text(group + "/schemata").splitlines() if ":" in line)
    for line in lines:
        resource, domains = _parsed(line)
        if any(have.get(resource, {}).get(domain) != value for domain, value in domains.items()):
            raise _error("closID", f"the group {group} is there already, and not with {line!r}")


def _parsed(line: str) -> tuple[str, dict[str, int]]:
    """L3:0=7f0;1=1f as its resource and the value of each domain; bandwidths are decimal, masks are not."""
    resource, _, rest = line.strip().partition(":")
    domains = {}
    for part in rest.split(";"):
        domain, _, value = part.partition("=")
        try:
            domains[domain.strip()] = int(value, 10 if resource == "MB" else 16)
        except ValueError:
            raise _error("schemata", f"{line!r} is not RESOURCE:DOMAIN=VALUE;…") from None
    return resource, domains


def _error(field: str, problem: str) -> ConfigError:
    return ConfigError([(f"{_AT}/{field}", problem, 'config-linux.md, "IntelRdt"')])
