"""linux.resources → writes to the files of cgroup v2. Pure."""

from __future__ import annotations

from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.plan.ops import Op

    Problems = list[tuple[str, str]]

_AT = "/linux/resources/"

# v1 knows these and v2 has nothing like them; the other runtimes are silent about them.
_GONE = (
    ("memory", "swappiness"),
    ("memory", "disableOOMKiller"),
    ("memory", "kernel"),
    ("memory", "kernelTCP"),
    ("memory", "useHierarchy"),
    ("cpu", "realtimeRuntime"),
    ("cpu", "realtimePeriod"),
    ("blockIO", "leafWeight"),
    ("network", "classID"),
    ("network", "priorities"),
)
_RATES = (
    ("throttleReadBpsDevice", "rbps"),
    ("throttleWriteBpsDevice", "wbps"),
    ("throttleReadIOPSDevice", "riops"),
    ("throttleWriteIOPSDevice", "wiops"),
)


class _Writes:
    """The operations so far, and for each controller in use the first field that needs it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.ops: list[Op] = []
        self.needed: dict[str, str] = {}

    def add(self, field: str, file: str, text: str, controller: str = "") -> None:
        self.ops.append(ops.host_write(_AT + field, f"{self.path}/{file}", text))
        controller = controller or file.partition(".")[0]
        if controller != "cgroup":  # files that every cgroup has
            self.needed.setdefault(controller, _AT + field)


def limit_ops(
    resources: dict[str, Any], path: str, problems: Problems, warn: Callable[[str], None] | None
) -> tuple[list[Op], dict[str, str]]:
    """The writes for all limits, and the controllers that they need (controller → pointer)."""
    writes = _Writes(path)
    _memory(resources.get("memory", {}), writes, problems)
    _cpu(resources.get("cpu", {}), writes)
    _block_io(resources.get("blockIO", {}), writes)
    for index, limit in enumerate(resources.get("hugepageLimits", ())):
        field = f"hugepageLimits/{index}"
        writes.add(field, f"hugetlb.{limit['pageSize']}.max", str(limit["limit"]))
        rsvd = f"{path}/hugetlb.{limit['pageSize']}.rsvd.max"
        writes.ops.append(ops.host_write_present(_AT + field, rsvd, str(limit["limit"])))
    for device, limits in resources.get("rdma", {}).items():
        names = (("hca_handle", "hcaHandles"), ("hca_object", "hcaObjects"))
        words = [f"{name}={limits[key]}" for name, key in names if key in limits]
        writes.add(f"rdma/{device}", "rdma.max", " ".join([device, *words]))
    for file, text in resources.get("unified", {}).items():
        for line in text.splitlines() or [""]:
            writes.add(f"unified/{file}", file, line)
    for section, member in _GONE:
        if resources.get(section, {}).get(member) and warn:
            warn(f"linux.resources.{section}.{member} has no effect: cgroup v2 has no such limit")
    if "pids" in resources:  # the last one: see CgroupPlan.late
        limit = resources["pids"]["limit"]
        writes.add("pids/limit", "pids.max", "max" if limit < 0 else str(limit))
    return writes.ops, writes.needed


def _memory(memory: dict[str, Any], writes: _Writes, problems: Problems) -> None:
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    if limit == -1 and not swap:
        swap = -1
    if swap == -1:
        writes.add("memory/swap", "memory.swap.max", "max")
    elif swap:
        # The config counts memory and swap together, v2 counts them apart.
        if limit <= 0 or swap < limit:
            problem = f"counts memory and swap together, so it needs a memory limit not above it, has {limit}"
            problems.append((_AT + "memory/swap", problem))
        else:
            writes.add("memory/swap", "memory.swap.max", str(swap - limit))
    if limit:
        writes.add("memory/limit", "memory.max", _or_max(limit))
    if memory.get("reservation"):
        writes.add("memory/reservation", "memory.low", _or_max(memory["reservation"]))


def _cpu(cpu: dict[str, Any], writes: _Writes) -> None:
    if cpu.get("idle") is not None:
        writes.add("cpu/idle", "cpu.idle", str(cpu["idle"]))
    if cpu.get("shares") and not cpu.get("idle"):  # an idle group has no weight to set
        writes.add("cpu/shares", "cpu.weight", str(shares_to_weight(cpu["shares"])))
    quota, period, burst = cpu.get("quota", 0), cpu.get("period", 0), cpu.get("burst", 0)
    if quota or period:
        text = "max" if quota <= 0 else str(quota)
        field = "cpu/quota" if quota else "cpu/period"
        writes.add(field, "cpu.max", f"{text} {period}" if period else text)
    if burst:
        writes.add("cpu/burst", "cpu.max.burst", str(burst))
    for member in ("cpus", "mems"):
        if cpu.get(member):
            writes.add(f"cpu/{member}", f"cpuset.{member}", cpu[member])


def _block_io(block_io: dict[str, Any], writes: _Writes) -> None:
    if block_io.get("weight"):
        # 10…1000 of the config to 1…10000 of io.weight, as every runtime does.
        weight = 1 + (block_io["weight"] - 10) * 9999 // 990
        writes.add("blockIO/weight", "io.weight", f"default {weight}")
    for index, entry in enumerate(block_io.get("weightDevice", ())):
        if entry.get("weight"):
            weight = 1 + (entry["weight"] - 10) * 9999 // 990
            device = f"{entry.get('major', 0)}:{entry.get('minor', 0)}"
            writes.add(f"blockIO/weightDevice/{index}", "io.weight", f"{device} {weight}")
    for member, word in _RATES:
        for index, entry in enumerate(block_io.get(member, ())):
            rate = entry.get("rate", 0)
            device = f"{entry.get('major', 0)}:{entry.get('minor', 0)}"
            writes.add(f"blockIO/{member}/{index}", "io.max", f"{device} {word}={rate or 'max'}")


def shares_to_weight(shares: int) -> int:
    """cpu.shares (2…262144, 1024 is one CPU's usual) to cpu.weight (1…10000, 100 is usual).

    A quadratic through (2, 1), (1024, 100) and (262144, 10000) on logarithmic scales, which the other
    runtimes use too since 2025; the older straight line made 1024 shares 39.
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    from math import ceil, log2

    exponent = log2(shares)
    return ceil(10 ** ((exponent**2 + 125 * exponent) / 612 - 7 / 34))


def _or_max(value: int) -> str:
    return "max" if value == -1 else str(value)
