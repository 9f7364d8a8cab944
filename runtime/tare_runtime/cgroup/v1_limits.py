"""linux.resources → writes to the files of cgroup v1. Pure."""

from __future__ import annotations

from tare_runtime.config.rules_linux import UNSET
from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.plan.ops import Op

    Problems = list[tuple[str, str]]

_AT = "/linux/resources/"

# Members that are written as they are: (section, member, controller, file), in the order of the writes.
_PLAIN = (
    ("memory", "reservation", "memory", "memory.soft_limit_in_bytes"),
    ("memory", "swappiness", "memory", "memory.swappiness"),
    ("cpu", "shares", "cpu", "cpu.shares"),
    ("cpu", "realtimePeriod", "cpu", "cpu.rt_period_us"),
    ("cpu", "realtimeRuntime", "cpu", "cpu.rt_runtime_us"),
    ("cpu", "period", "cpu", "cpu.cfs_period_us"),
    ("cpu", "quota", "cpu", "cpu.cfs_quota_us"),
    ("cpu", "burst", "cpu", "cpu.cfs_burst_us"),
    ("cpu", "idle", "cpu", "cpu.idle"),
    ("cpu", "cpus", "cpuset", "cpuset.cpus"),
    ("cpu", "mems", "cpuset", "cpuset.mems"),
    ("network", "classID", "net_cls", "net_cls.classid"),
    ("blockIO", "leafWeight", "blkio", "blkio.leaf_weight"),
)
# The word for "not set" of Go's managers: a zero here leaves the kernel's own value.
_ZERO_IS_UNSET = frozenset(
    ("shares", "quota", "period", "burst", "realtimePeriod", "realtimeRuntime", "cpus", "mems", "classID",
     "reservation", "leafWeight")
)  # fmt: skip

_THROTTLES = (
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device"),
)


class _Writes:
    """The operations so far, and the limits that have no controller here."""

    def __init__(self, paths: dict[str, str], problems: Problems) -> None:
        self.paths = paths
        self.problems = problems
        self.ops: list[Op] = []

    def add(self, field: str, controller: str, file: str, text: str) -> None:
        base = self.paths.get(controller)
        if base is None:
            problem = f"cannot be applied: there is no {controller} controller to use"
            self.problems.append((_AT + field, problem))
        else:
            self.ops.append(ops.host_write(_AT + field, f"{base}/{file}", text))


def limit_ops(
    resources: dict[str, Any],
    paths: dict[str, str],
    problems: Problems,
    warn: Callable[[str], None] | None,
) -> list[Op]:
    """The writes for all limits but device rules, which are an access list."""
    writes = _Writes(paths, problems)
    _memory(resources.get("memory", {}), writes, warn)
    for section, member, controller, file in _PLAIN:
        value = resources.get(section, {}).get(member)
        if value is None or (not value and member in _ZERO_IS_UNSET):
            continue
        if member == "swappiness" and value == UNSET:
            continue
        writes.add(f"{section}/{member}", controller, file, str(value))
    if resources.get("blockIO"):
        _block_io(resources["blockIO"], writes)
    for index, limit in enumerate(resources.get("hugepageLimits", ())):
        file = f"hugetlb.{limit['pageSize']}.limit_in_bytes"
        writes.add(f"hugepageLimits/{index}", "hugetlb", file, str(limit["limit"]))
        if "hugetlb" in paths:
            rsvd = f"{paths['hugetlb']}/hugetlb.{limit['pageSize']}.rsvd.limit_in_bytes"
            field = f"{_AT}hugepageLimits/{index}"
            writes.ops.append(ops.host_write_present(field, rsvd, str(limit["limit"])))
    for index, entry in enumerate(resources.get("network", {}).get("priorities", ())):
        text = f"{entry.get('name', '')} {entry.get('priority', 0)}"
        writes.add(f"network/priorities/{index}", "net_prio", "net_prio.ifpriomap", text)
    for device, limits in resources.get("rdma", {}).items():
        names = (("hca_handle", "hcaHandles"), ("hca_object", "hcaObjects"))
        words = [f"{name}={limits[key]}" for name, key in names if key in limits]
        writes.add(f"rdma/{device}", "rdma", "rdma.max", " ".join([device, *words]))
    if resources.get("unified"):
        problems.append((_AT + "unified", "cannot be applied: this host's controllers are on cgroup v1"))
    if "pids" in resources:  # the last one: see CgroupPlan.late
        limit = resources["pids"]["limit"]
        writes.add("pids/limit", "pids", "pids.max", "max" if limit < 0 else str(limit))
    return writes.ops


def _memory(memory: dict[str, Any], writes: _Writes, warn: Callable[[str], None] | None) -> None:
    """Limit and limit with swap, in the order that a new cgroup accepts.

    memory.memsw may never be below memory.limit: so an unlimited one goes first, a limited one last.
    """
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    if limit == -1 and not swap:
        swap = -1  # the memory is without limit: a limit of both together would be one
    if swap and swap != -1 and limit > swap:
        problem = f"counts memory and swap together, so it must not be below the limit {limit}, is {swap}"
        writes.problems.append((_AT + "memory/swap", problem))
        return
    if swap and swap != -1 and not limit:
        problem = "cannot be set without memory.limit on cgroup v1, as it counts memory and swap together"
        writes.problems.append((_AT + "memory/swap", problem))
        return
    if swap == -1:
        writes.add("memory/swap", "memory", "memory.memsw.limit_in_bytes", "-1")
    if limit:
        writes.add("memory/limit", "memory", "memory.limit_in_bytes", str(limit))
    if swap and swap != -1:
        writes.add("memory/swap", "memory", "memory.memsw.limit_in_bytes", str(swap))
    if memory.get("disableOOMKiller"):
        writes.add("memory/disableOOMKiller", "memory", "memory.oom_control", "1")
    if memory.get("useHierarchy"):
        writes.add("memory/useHierarchy", "memory", "memory.use_hierarchy", "1")
    if warn:
        for member in ("kernel", "kernelTCP"):
            if memory.get(member):
                warn(f"linux.resources.memory.{member} has no effect: the kernel has given this limit up")


def _block_io(block_io: dict[str, Any], writes: _Writes) -> None:
    if block_io.get("weight"):
        writes.add("blockIO/weight", "blkio", "blkio.bfq.weight", str(block_io["weight"]))
    for index, entry in enumerate(block_io.get("weightDevice", ())):
        field = f"blockIO/weightDevice/{index}"
        device = f"{entry.get('major', 0)}:{entry.get('minor', 0)}"
        if entry.get("weight"):
            writes.add(field, "blkio", "blkio.bfq.weight_device", f"{device} {entry['weight']}")
        if entry.get("leafWeight"):
            writes.add(field, "blkio", "blkio.leaf_weight_device", f"{device} {entry['leafWeight']}")
    for member, file in _THROTTLES:
        for index, entry in enumerate(block_io.get(member, ())):
            text = f"{entry.get('major', 0)}:{entry.get('minor', 0)} {entry.get('rate', 0)}"
            writes.add(f"blockIO/{member}/{index}", "blkio", file, text)
