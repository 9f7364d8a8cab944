"""A container's statistics, read from its cgroups, in the shape that managers know from runc's `events`.

Absent files are absent numbers: a controller that is not there leaves its part at zero.
"""

from __future__ import annotations

import posix

from tare_runtime.cgroup.paths import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Numbers = dict[str, int]

_NO_LIMIT = 2**64 - 1
_TICK_NS = 10_000_000  # USER_HZ is 100 on every architecture
_CPUSET_FLAGS = (
    "cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page",
    "memory_spread_slab", "memory_pressure", "sched_load_balance", "sched_relax_domain_level",
)  # fmt: skip
# Where v1 counts block I/O, the best first: by the scheduler, by the limits, and without the groups below.
_BLKIO_V1 = ("blkio.bfq.{}_recursive", "blkio.throttle.{}_recursive", "blkio.throttle.{}")
_IO_WORDS = {
    "rbytes": ("ioServiceBytesRecursive", "Read"),
    "wbytes": ("ioServiceBytesRecursive", "Write"),
    "rios": ("ioServicedRecursive", "Read"),
    "wios": ("ioServicedRecursive", "Write"),
}


def statistics(state: State) -> dict[str, Any]:
    """The present numbers of a container, from the record of its state."""
    cgroup = state.get("cgroup") or {"version": 1, "paths": {}}
    make = _from_v2 if cgroup["version"] == 2 else _from_v1
    document = make(cgroup["paths"])
    return {**document, "intel_rdt": {}, "network_interfaces": None}


def event(id: str, kind: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """One line of `events`."""
    return {"type": kind, "id": id} if data is None else {"type": kind, "id": id, "data": data}


# --- cgroup v1 -------------------------------------------------------------------------------------------


def _from_v1(paths: dict[str, str]) -> dict[str, Any]:
    memory, pids = paths.get("memory", ""), paths.get("pids", "")
    raw = _table(memory, "memory.stat")
    return {
        "cpu": _cpu_v1(paths.get("cpuacct", ""), paths.get("cpu", "")),
        "cpuset": _cpuset_v1(paths.get("cpuset", "")),
        "memory": {
            **_filled(cache=raw.get("cache", 0)),
            "usage": _memory_v1(memory, "memory"),
            "swap": _memory_v1(memory, "memory.memsw"),
            "kernel": _memory_v1(memory, "memory.kmem"),
            "kernelTCP": _memory_v1(memory, "memory.kmem.tcp"),
            **_filled(raw=raw),
        },
        "pids": _pids(pids),
        "blkio": _blkio_v1(paths.get("blkio", "")),
        "hugetlb": _hugetlb(paths.get("hugetlb", ""), "usage_in_bytes", "max_usage_in_bytes", "failcnt"),
    }


def _cpu_v1(account: str, cpu: str) -> dict[str, Any]:
    by_mode = _table(account, "cpuacct.stat")
    usage = {
        **_filled(
            total=_number(account, "cpuacct.usage"),
            percpu=_list(account, "cpuacct.usage_percpu"),
            percpu_kernel=_list(account, "cpuacct.usage_percpu_sys"),
            percpu_user=_list(account, "cpuacct.usage_percpu_user"),
        ),
        "kernel": by_mode.get("system", 0) * _TICK_NS,
        "user": by_mode.get("user", 0) * _TICK_NS,
    }
    stat = _table(cpu, "cpu.stat")
    throttling = _filled(
        periods=stat.get("nr_periods", 0),
        throttledPeriods=stat.get("nr_throttled", 0),
        throttledTime=stat.get("throttled_time", 0),
    )
    return {"usage": usage, "throttling": throttling}


def _cpuset_v1(path: str) -> dict[str, Any]:
    numbers = {name: _number(path, f"cpuset.{name}") for name in _CPUSET_FLAGS}
    return {
        **_filled(cpus=_ranges(_text(path, "cpuset.cpus"))),
        "cpu_exclusive": numbers.pop("cpu_exclusive"),
        **_filled(mems=_ranges(_text(path, "cpuset.mems"))),
        **numbers,
    }


def _memory_v1(path: str, name: str) -> dict[str, int]:
    return {
        "limit": _number(path, f"{name}.limit_in_bytes"),
        **_filled(
            usage=_number(path, f"{name}.usage_in_bytes"), max=_number(path, f"{name}.max_usage_in_bytes")
        ),
        "failcnt": _number(path, f"{name}.failcnt"),
    }


def _blkio_v1(path: str) -> dict[str, Any]:
    for form in _BLKIO_V1:
        serviced = _blkio_entries(path, form.format("io_serviced"))
        if serviced:
            return {
                "ioServiceBytesRecursive": _blkio_entries(path, form.format("io_service_bytes")),
                "ioServicedRecursive": serviced,
            }
    return {}


def _blkio_entries(path: str, file: str) -> list[dict[str, Any]]:
    """Lines such as "8:0 Read 4096"; the sum in the last one has no device."""
    entries = []
    for line in _text(path, file).splitlines():
        words = line.replace(":", " ").split()
        if len(words) == 4 and words[3].isdigit():
            entries.append(_blkio_entry(int(words[0]), int(words[1]), words[2], int(words[3])))
    return entries


# --- cgroup v2 -------------------------------------------------------------------------------------------


def _from_v2(paths: dict[str, str]) -> dict[str, Any]:
    path = paths.get("", "")
    cpu, raw = _table(path, "cpu.stat"), _table(path, "memory.stat")
    return {
        "cpu": {
            "usage": {
                **_filled(total=cpu.get("usage_usec", 0) * 1000),
                "kernel": cpu.get("system_usec", 0) * 1000,
                "user": cpu.get("user_usec", 0) * 1000,
            },
            "throttling": _filled(
                periods=cpu.get("nr_periods", 0),
                throttledPeriods=cpu.get("nr_throttled", 0),
                throttledTime=cpu.get("throttled_usec", 0) * 1000,
            ),
            **_pressure(path, "cpu"),
        },
        "cpuset": dict.fromkeys(_CPUSET_FLAGS, 0),
        "memory": {
            **_filled(cache=raw.get("file", 0)),
            **_memory_v2(path),
            "kernel": {"limit": 0, "failcnt": 0},
            "kernelTCP": {"limit": 0, "failcnt": 0},
            **_filled(raw=raw),
            **_pressure(path, "memory"),
            "event_count": _table(path, "memory.events"),
        },
        "pids": _pids(path),
        "blkio": {**_blkio_v2(path), **_pressure(path, "io")},
        "hugetlb": _hugetlb(path, "current", "", "events"),
    }


def _memory_v2(path: str) -> dict[str, Any]:
    """Swap is counted with the memory, as v1 does and as readers of these numbers expect."""
    usage, limit = _number(path, "memory.current"), _limit(path, "memory.max")
    swap_limit = _limit(path, "memory.swap.max")
    both = _NO_LIMIT if _NO_LIMIT in (swap_limit, limit) else swap_limit + limit
    return {
        "usage": {"limit": limit, **_filled(usage=usage, max=_number(path, "memory.peak")), "failcnt": 0},
        "swap": {
            "limit": both,
            **_filled(usage=usage + _number(path, "memory.swap.current")),
            "failcnt": 0,
        },
    }


def _blkio_v2(path: str) -> dict[str, Any]:
    """Lines such as "8:0 rbytes=4096 wbytes=0 rios=1 wios=0"."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for line in _text(path, "io.stat").splitlines():
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        for pair in pairs:
            word, _, value = pair.partition("=")
            if word in _IO_WORDS and value.isdigit() and minor.isdigit():
                table, op = _IO_WORDS[word]
                tables.setdefault(table, []).append(_blkio_entry(int(major), int(minor), op, int(value)))
    return tables


def _pressure(path: str, name: str) -> dict[str, Any]:
    """Lines such as "some avg10=0.00 avg60=0.00 avg300=0.00 total=0"."""
    found: dict[str, dict[str, float]] = {}
    for line in filter(None, _text(path, f"{name}.pressure").splitlines()):
        kind, *pairs = line.split()
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        found[kind] = {
            word: int(value) if word == "total" else float(value) for word, value in values.items()
        }
    return {"psi": found} if found else {}


# --- both ------------------------------------------------------------------------------------------------


def _pids(path: str) -> dict[str, int]:
    limit = _limit(path, "pids.max")
    return _filled(current=_number(path, "pids.current"), limit=0 if limit == _NO_LIMIT else limit)


def _hugetlb(path: str, usage: str, peak: str, failures: str) -> dict[str, dict[str, int]]:
    sizes: dict[str, dict[str, int]] = {}
    if not path:
        return sizes
    for file in sorted(posix.listdir(path)):
        parts = file.split(".")
        if parts[0] == "hugetlb" and len(parts) == 3 and parts[2] == usage:
            name = f"hugetlb.{parts[1]}"
            count = _table(path, f"{name}.{failures}").get("max") if failures == "events" else None
            sizes[parts[1]] = {
                **_filled(usage=_number(path, file), max=_number(path, f"{name}.{peak}") if peak else 0),
                "failcnt": _number(path, f"{name}.{failures}") if count is None else count,
            }
    return sizes


def _blkio_entry(major: int, minor: int, op: str, value: int) -> dict[str, Any]:
    return _filled(major=major, minor=minor, op=op, value=value)


def _filled(**members: Any) -> dict[str, Any]:
    """Without those that are empty or zero, which is how Go writes what may be left out."""
    return {name: value for name, value in members.items() if value}


def _table(path: str, file: str) -> Numbers:
    pairs = [line.split() for line in _text(path, file).splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _list(path: str, file: str) -> list[int]:
    return [int(word) for word in _text(path, file).split() if word.isdigit()]


def _ranges(text: str) -> list[int]:
    """ "0-2,4" as its numbers."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            numbers += range(int(first), int(last or first) + 1)
    return numbers


def _number(path: str, file: str) -> int:
    text = _text(path, file).strip()
    return int(text) if text.removeprefix("-").isdigit() else 0


def _limit(path: str, file: str) -> int:
    """A number, or "max"."""
    return _NO_LIMIT if _text(path, file).strip() == "max" else _number(path, file)


def _text(path: str, file: str) -> str:
    if not path:
        return ""
    try:
        return read_text(f"{path}/{file}")
    except OSError:
        return ""
