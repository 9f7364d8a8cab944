"""Rules of scheduler, ioPriority, execCPUAffinity, memoryPolicy, personality, timeOffsets. Pure.

Loaded where a config has one of them. They are those of the system calls: what the kernel would refuse with a
bare "invalid argument" is told here by name.
"""

from __future__ import annotations

from tare_runtime.config.number_list import parse_numbers
from tare_runtime.config.rules import at
from tare_runtime.plan.scheduling import (
    CLOCKS,
    IO_CLASSES,
    MEMORY_FLAGS,
    MEMORY_MODES,
    PERSONALITIES,
    POLICIES,
    SCHEDULER_FLAGS,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.config.shape import Found, Place

_NANOSECONDS = 1_000_000_000
_OF_DEADLINE = ("runtime", "deadline", "period")
_WITHOUT_NODES = ("MPOL_DEFAULT", "MPOL_LOCAL")
_BALANCED = ("MPOL_BIND", "MPOL_PREFERRED_MANY")


def check_process(process: dict[str, Any], place: Place | None, found: Found) -> None:
    if "scheduler" in process:
        _check_scheduler(process["scheduler"], (place, "scheduler"), found)
    if "ioPriority" in process:
        _check_io_priority(process["ioPriority"], (place, "ioPriority"), found)
    for member, text in process.get("execCPUAffinity", {}).items():
        if text and member in ("initial", "final"):
            _check_list(text, ((place, "execCPUAffinity"), member), found)


def check_linux(linux: dict[str, Any], namespaces: dict[str, dict[str, Any]], found: Found) -> None:
    if "timeOffsets" in linux:
        _check_clocks(linux["timeOffsets"], namespaces, found)
    if "memoryPolicy" in linux:
        _check_memory_policy(linux["memoryPolicy"], found)
    if "personality" in linux:
        given = linux["personality"]
        _check_word(given.get("domain"), PERSONALITIES, at("linux", "personality", "domain"), found)
        if given.get("flags"):
            problem = "must be empty: the specification has no flag yet"
            found.append((at("linux", "personality", "flags"), problem))


def _check_word(word: str | None, known: dict[str, int], place: Place | None, found: Found) -> bool:
    if word in known:
        return True
    names = ", ".join(known)
    found.append((place, f"must be one of {names}, is {word!r}" if word else "is missing"))
    return False


def _check_list(text: str, place: Place | None, found: Found) -> None:
    try:
        parse_numbers(text)
    except ValueError as error:
        found.append((place, str(error)))


def _check_scheduler(given: dict[str, Any], place: Place, found: Found) -> None:
    policy = given.get("policy")
    for index, name in enumerate(given.get("flags", ())):
        _check_word(name, SCHEDULER_FLAGS, ((place, "flags"), index), found)
    if not _check_word(policy, POLICIES, (place, "policy"), found):
        return
    if not -20 <= given.get("nice", 0) <= 19:
        found.append(((place, "nice"), f"must lie between -20 and 19, is {given['nice']}"))
    priority = given.get("priority", 0)
    if policy in ("SCHED_FIFO", "SCHED_RR"):
        if not 1 <= priority <= 99:
            found.append(((place, "priority"), f"must lie between 1 and 99 for {policy}, is {priority}"))
    elif priority:
        found.append(((place, "priority"), f"can only be given for SCHED_FIFO and SCHED_RR, not {policy}"))
    times = [given.get(name, 0) for name in _OF_DEADLINE]
    if policy != "SCHED_DEADLINE":
        for name, value in zip(_OF_DEADLINE, times, strict=True):
            if value:
                found.append(((place, name), f"can only be given for SCHED_DEADLINE, not {policy}"))
    elif not 1024 <= times[0] <= times[1] <= (times[2] or times[1]):
        problem = "must be at least 1024 ns, and not above deadline, which must not be above period"
        found.append(((place, "runtime"), problem))


def _check_io_priority(given: dict[str, Any], place: Place, found: Found) -> None:
    _check_word(given.get("class"), IO_CLASSES, (place, "class"), found)
    if not 0 <= given.get("priority", 0) <= 7:
        found.append(((place, "priority"), f"must lie between 0 and 7, is {given['priority']}"))


def _check_memory_policy(given: dict[str, Any], found: Found) -> None:
    place = (at("linux"), "memoryPolicy")
    mode, nodes, flags = given.get("mode"), given.get("nodes"), given.get("flags", ())
    for index, name in enumerate(flags):
        _check_word(name, MEMORY_FLAGS, ((place, "flags"), index), found)
    if nodes:
        _check_list(nodes, (place, "nodes"), found)
    if not _check_word(mode, MEMORY_MODES, (place, "mode"), found):
        return
    if mode in _WITHOUT_NODES:
        for name in ("nodes", "flags"):
            if given.get(name):
                found.append(((place, name), f"must be empty for {mode}"))
        return
    if not nodes and mode != "MPOL_PREFERRED":
        found.append(((place, "nodes"), f"must name at least one node for {mode}"))
    if "MPOL_F_STATIC_NODES" in flags and "MPOL_F_RELATIVE_NODES" in flags:
        found.append(((place, "flags"), "must not hold both MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES"))
    if "MPOL_F_NUMA_BALANCING" in flags and mode not in _BALANCED:
        found.append(((place, "flags"), f"MPOL_F_NUMA_BALANCING is for {' and '.join(_BALANCED)} only"))


def _check_clocks(offsets: dict[str, Any], namespaces: dict[str, dict[str, Any]], found: Found) -> None:
    here = ("linux", "timeOffsets")
    if offsets and "time" not in namespaces:
        found.append((at(*here), "needs a new time namespace, and none is in linux.namespaces"))
    elif offsets and namespaces["time"].get("path"):
        found.append((at(*here), "needs a new time namespace: one that is joined by path has its offsets"))
    for clock, value in offsets.items():
        if clock not in CLOCKS:
            found.append((at(*here, clock), f"is no clock of a time namespace: {' and '.join(CLOCKS)} are"))
        elif value is not None and value.get("nanosecs", 0) >= _NANOSECONDS:
            found.append((at(*here, clock, "nanosecs"), "must be less than 1000000000"))
