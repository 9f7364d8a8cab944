"""linux.resources and annotations → properties of a scope. Pure.

Spec: systemd.resource-control(5), org.freedesktop.systemd1(5); for annotations GVariant's text format.
"""

from __future__ import annotations

from tare_runtime.cgroup.v2_limits import shares_to_weight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.host.dbus import Value

    Property = tuple[str, str, Value]  # name, signature, value
    Problems = list[tuple[str, str]]

PREFIX = "org.systemd.property."
_INFINITY = 2**64 - 1
_DEFAULT_PERIOD_US = 100_000
_QUOTA_STEP_US = 10_000  # systemd keeps whole percents


def limits(resources: dict[str, Any], version: int) -> list[Property]:
    """Those limits that systemd has a property for; it writes them anew whenever it is reloaded."""
    known = _common(resources)
    cpu, memory = resources.get("cpu", {}), resources.get("memory", {})
    if version == 1:
        if memory.get("limit"):
            known.append(("MemoryLimit", "t", _number(memory["limit"])))
        if cpu.get("shares"):
            known.append(("CPUShares", "t", cpu["shares"]))
        if resources.get("blockIO", {}).get("weight"):
            known.append(("BlockIOWeight", "t", resources["blockIO"]["weight"]))
        return known + _devices(resources.get("devices", []))
    if memory.get("limit"):
        known.append(("MemoryMax", "t", _number(memory["limit"])))
    if memory.get("reservation"):
        known.append(("MemoryLow", "t", _number(memory["reservation"])))
    if memory.get("swap", 0) > 0 and memory.get("limit", 0) > 0:
        known.append(("MemorySwapMax", "t", memory["swap"] - memory["limit"]))
    elif memory.get("swap") == -1 or memory.get("limit") == -1:
        known.append(("MemorySwapMax", "t", _INFINITY))
    if cpu.get("idle") == 1:
        known.append(("CPUWeight", "t", 0))  # which is its word for idle
    elif cpu.get("shares"):
        known.append(("CPUWeight", "t", shares_to_weight(cpu["shares"])))
    if resources.get("blockIO", {}).get("weight"):
        known.append(("IOWeight", "t", 1 + (resources["blockIO"]["weight"] - 10) * 9999 // 990))
    return known + _unified(resources.get("unified", {}))


def _common(resources: dict[str, Any]) -> list[Property]:
    known: list[Property] = []
    cpu = resources.get("cpu", {})
    quota, period = cpu.get("quota", 0), cpu.get("period", 0)
    if period:
        known.append(("CPUQuotaPeriodUSec", "t", period))
    if quota or period:
        known.append(("CPUQuotaPerSecUSec", "t", _per_second(quota, period)))
    for member, name in (("cpus", "AllowedCPUs"), ("mems", "AllowedMemoryNodes")):
        if cpu.get(member):
            known.append((name, "ay", bit_mask(cpu[member])))
    limit = resources.get("pids", {}).get("limit", 0)
    if limit:
        known.append(("TasksMax", "t", _number(limit)))
    return known


def _per_second(quota: int, period: int) -> int:
    if quota <= 0:
        return _INFINITY
    per_second = quota * 1_000_000 // (period or _DEFAULT_PERIOD_US)
    return -(-per_second // _QUOTA_STEP_US) * _QUOTA_STEP_US


def _number(value: int) -> int:
    return _INFINITY if value < 0 else value


def bit_mask(text: str) -> list[Value]:
    """ "0-2,4" as bytes, lowest first, with a bit for each number."""
    mask = 0
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        for number in range(int(first), int(last if dash else first) + 1):
            mask |= 1 << number
    return list(mask.to_bytes((mask.bit_length() + 7) // 8, "little"))


_UNIFIED = {
    "memory.max": "MemoryMax",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "memory.zswap.max": "MemoryZSwapMax",
    "pids.max": "TasksMax",
    "cpu.weight": "CPUWeight",
}


def _unified(unified: dict[str, str]) -> list[Property]:
    known: list[Property] = []
    for file, text in unified.items():
        word = text.strip()
        if file in _UNIFIED and (word == "max" or word.isdigit()):
            known.append((_UNIFIED[file], "t", _INFINITY if word == "max" else int(word)))
        elif file == "cpu.idle" and word == "1":
            known.append(("CPUWeight", "t", 0))
        elif file in ("cpuset.cpus", "cpuset.mems") and word.replace(",", "").replace("-", "").isdigit():
            name = "AllowedCPUs" if file == "cpuset.cpus" else "AllowedMemoryNodes"
            known.append((name, "ay", bit_mask(word)))
        elif file == "memory.oom.group" and word in ("0", "1"):
            known.append(("OOMPolicy", "s", ("continue", "kill")[int(word)]))
        elif file == "cpu.max" and all(part.isdigit() or part == "max" for part in word.split()):
            quota, _, period = word.partition(" ")
            if period:
                known.append(("CPUQuotaPeriodUSec", "t", int(period)))
            number = 0 if quota == "max" else int(quota)
            known.append(("CPUQuotaPerSecUSec", "t", _per_second(number, int(period or 0))))
    return known


def _devices(rules: list[dict[str, Any]]) -> list[Property]:
    """On v1 systemd writes device rules of its own at a reload: without these, that all is allowed.

    (On v2 they are programs; ours stays beside what it attaches.)
    """
    from tare_runtime.cgroup.v1 import DEFAULT_DEVICES, KINDS, is_for_all

    allowed: list[tuple[str, str]] = []
    everything = False
    for rule in rules:
        if is_for_all(rule):
            everything, allowed = rule["allow"], []
        elif rule["allow"] and rule.get("major", -1) >= 0:
            for kind in KINDS[rule.get("type") or "a"]:
                allowed.append((_device(kind, rule["major"], rule.get("minor", -1)), rule["access"]))
    if everything:
        return [("DevicePolicy", "s", "auto"), ("DeviceAllow", "a(ss)", [])]
    for text in DEFAULT_DEVICES:
        kind, numbers, access = text.split(" ")
        major, minor = (-1 if number == "*" else int(number) for number in numbers.split(":"))
        allowed.append((_device(kind, major, minor), access))
    return [("DevicePolicy", "s", "strict"), ("DeviceAllow", "a(ss)", list(allowed))]


def _device(kind: str, major: int, minor: int) -> str:
    group = "block" if kind == "b" else "char"
    if major < 0:
        return f"{group}-*"
    return f"/dev/{group}/{major}:{minor}" if minor >= 0 else f"{group}-{major}"


# --- annotations -----------------------------------------------------------------------------------------


def annotated(annotations: dict[str, str]) -> tuple[list[Property], Problems]:
    """org.systemd.property.NAME: VALUE → properties; a time in seconds may be named …Sec."""
    from tare_runtime.cgroup.gvariant import Unreadable, parse

    found: list[Property] = []
    problems: Problems = []
    for key, text in annotations.items():
        if not key.startswith(PREFIX):
            continue
        name = key[len(PREFIX) :]
        try:
            if len(name) < 3 or not name.isascii() or not name.isalpha() or not name[0].isupper():
                raise Unreadable(f"{name!r} is no name of a property")
            signature, value = parse(text)
            if name.endswith("Sec") and not name.endswith("USec"):
                name, signature, value = name[:-3] + "USec", "t", _microseconds(value)
            found.append((name, signature, value))
        except Unreadable as error:
            problems.append(("/annotations/" + key, str(error)))
    return found, problems


def _microseconds(value: Value) -> int:
    from tare_runtime.cgroup.gvariant import Unreadable

    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unreadable(f"{value!r} is no number of seconds")
    return int(value * 1_000_000)
