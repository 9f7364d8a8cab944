"""Scheduler, I/O priority, processors, memory policy, personality, clocks → operations. Pure.

Loaded where a config has one of them. Spec: runtime-spec 1.3, config.md "Linux Process"; config-linux.md
"Memory Policy", "Personality", "Offset for Time Namespace".
"""

from tare_runtime._core import lib
from tare_runtime.config.number_list import mask_of
from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

POLICIES: dict[str, int] = {
    "SCHED_OTHER": lib.SCHED_NORMAL,
    "SCHED_FIFO": lib.SCHED_FIFO,
    "SCHED_RR": lib.SCHED_RR,
    "SCHED_BATCH": lib.SCHED_BATCH,
    "SCHED_IDLE": lib.SCHED_IDLE,
    "SCHED_DEADLINE": lib.SCHED_DEADLINE,
}
SCHEDULER_FLAGS: dict[str, int] = {
    "SCHED_FLAG_RESET_ON_FORK": lib.SCHED_FLAG_RESET_ON_FORK,
    "SCHED_FLAG_RECLAIM": lib.SCHED_FLAG_RECLAIM,
    "SCHED_FLAG_DL_OVERRUN": lib.SCHED_FLAG_DL_OVERRUN,
    "SCHED_FLAG_KEEP_POLICY": lib.SCHED_FLAG_KEEP_POLICY,
    "SCHED_FLAG_KEEP_PARAMS": lib.SCHED_FLAG_KEEP_PARAMS,
    "SCHED_FLAG_UTIL_CLAMP_MIN": lib.SCHED_FLAG_UTIL_CLAMP_MIN,
    "SCHED_FLAG_UTIL_CLAMP_MAX": lib.SCHED_FLAG_UTIL_CLAMP_MAX,
}
IO_CLASSES: dict[str, int] = {
    "IOPRIO_CLASS_RT": lib.IOPRIO_CLASS_RT,
    "IOPRIO_CLASS_BE": lib.IOPRIO_CLASS_BE,
    "IOPRIO_CLASS_IDLE": lib.IOPRIO_CLASS_IDLE,
}
MEMORY_MODES: dict[str, int] = {
    "MPOL_DEFAULT": lib.MPOL_DEFAULT,
    "MPOL_BIND": lib.MPOL_BIND,
    "MPOL_INTERLEAVE": lib.MPOL_INTERLEAVE,
    "MPOL_WEIGHTED_INTERLEAVE": lib.TARE_MPOL_WEIGHTED_INTERLEAVE,
    "MPOL_PREFERRED": lib.MPOL_PREFERRED,
    "MPOL_PREFERRED_MANY": lib.MPOL_PREFERRED_MANY,
    "MPOL_LOCAL": lib.MPOL_LOCAL,
}
MEMORY_FLAGS: dict[str, int] = {
    "MPOL_F_NUMA_BALANCING": lib.MPOL_F_NUMA_BALANCING,
    "MPOL_F_RELATIVE_NODES": lib.MPOL_F_RELATIVE_NODES,
    "MPOL_F_STATIC_NODES": lib.MPOL_F_STATIC_NODES,
}
PERSONALITIES: dict[str, int] = {"LINUX": lib.PER_LINUX, "LINUX32": lib.PER_LINUX32}
_RESET = "SCHED_FLAG_RESET_ON_FORK"
CLOCKS = ("monotonic", "boottime")

# What of `linux` every process of a container gets, those of `exec` too.
OF_EACH_PROCESS = ("memoryPolicy", "personality")


def plan_priorities(process: "dict[str, Any]", *, in_user_namespace: bool, before_clone: bool) -> "list[Op]":
    """Scheduler and I/O priority, if their place is before (or behind) `clone`.

    Both may take rights over the host that a process in a new user namespace has not, so there they are
    taken before it is entered and inherited; else as late as can be, since an idle container should not be
    made at an idle pace. A deadline is never inherited, nor what says so by its flag (sched(7)).
    """
    plan: list[Op] = []
    scheduler = process.get("scheduler")
    if scheduler:
        policy = POLICIES[scheduler["policy"]]
        inherited = policy != lib.SCHED_DEADLINE and _RESET not in (scheduler.get("flags") or ())
        if (in_user_namespace and inherited) == before_clone:
            plan.append(_scheduler(scheduler, policy))
    if process.get("ioPriority") and in_user_namespace == before_clone:
        given = process["ioPriority"]
        level = IO_CLASSES[given["class"]] << lib.IOPRIO_CLASS_SHIFT | given.get("priority", 0)
        plan.append(ops.io_priority("/process/ioPriority", level))
    return plan


def _scheduler(given: "dict[str, Any]", policy: int) -> "Op":
    flags = 0
    for name in given.get("flags") or ():
        flags |= SCHEDULER_FLAGS[name]
    return ops.scheduler(
        "/process/scheduler",
        policy,
        flags,
        given.get("nice", 0),
        given.get("priority", 0),
        given.get("runtime", 0),
        given.get("deadline", 0),
        given.get("period", 0),
    )


def plan_of_each_process(linux: "dict[str, Any]") -> "list[Op]":
    plan: list[Op] = []
    policy = linux.get("memoryPolicy")
    if policy:
        mode = MEMORY_MODES[policy["mode"]]
        for name in policy.get("flags") or ():
            mode |= MEMORY_FLAGS[name]
        nodes = mask_of(policy["nodes"]) if policy.get("nodes") else b""
        plan.append(ops.memory_policy("/linux/memoryPolicy", mode, nodes))
    domain = (linux.get("personality") or {}).get("domain")
    if domain:
        plan.append(ops.personality("/linux/personality/domain", PERSONALITIES[domain]))
    return plan


def plan_affinity(process: "dict[str, Any]", member: str) -> "list[Op]":
    """execCPUAffinity, `member` being "initial" (before the cgroups are joined) or "final"."""
    text = process["execCPUAffinity"].get(member)
    return [ops.cpu_affinity(f"/process/execCPUAffinity/{member}", mask_of(text))] if text else []


def plan_clocks(linux: "dict[str, Any]") -> "Op":
    """A new time namespace with the offsets of the config."""
    offsets = linux.get("timeOffsets") or {}
    lines = [
        f"{clock} {value.get('secs', 0)} {value.get('nanosecs', 0)}\n" for clock, value in offsets.items()
    ]
    pointer = "/linux/timeOffsets" if lines else "/linux/namespaces"
    return ops.time_namespace(pointer, "".join(lines))
