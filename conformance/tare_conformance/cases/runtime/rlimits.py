"""config.md, "POSIX process": rlimits. Limits are lowered only: raising them takes CAP_SYS_RESOURCE."""

from __future__ import annotations

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put
from tare_conformance.verdict import equal


@case(
    "config.md, POSIX process: rlimits",
    drop("/process/rlimits/1"),
    put("/process/rlimits/0/soft", 63),
    put("/process/rlimits/0/hard", 200),
    put("/process/rlimits/2/type", "RLIMIT_SIGPENDING"),
)
def soft_and_hard_limits_are_set(lab: Lab) -> None:
    """Each entry of rlimits sets the soft and the hard limit of its resource."""
    lab.process["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_MSGQUEUE", "soft": 1000, "hard": 2000},
    ]
    limits = lab.observe("rlimits")["rlimits"]
    equal("RLIMIT_NOFILE", limits["RLIMIT_NOFILE"], [64, 128])
    equal("RLIMIT_CORE", limits["RLIMIT_CORE"], [0, 0])
    equal("RLIMIT_MSGQUEUE", limits["RLIMIT_MSGQUEUE"], [1000, 2000])


@case("config.md, POSIX process: rlimits", put("/process/rlimits/0/type", "RLIMIT_STACK"))
def an_unknown_limit_is_refused(lab: Lab) -> None:
    """A type that cannot be mapped to a resource of the kernel is an error."""
    lab.process["rlimits"] = [{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]
    lab.refused("pids", why="the limit RLIMIT_NONSENSE")


@case("config.md, POSIX process: rlimits", drop("/process/rlimits/1"))
def two_entries_for_one_limit_are_refused(lab: Lab) -> None:
    """Two entries with one type are an error, the same or not."""
    lab.process["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 64, "hard": 64},
        {"type": "RLIMIT_NOFILE", "soft": 32, "hard": 64},
    ]
    lab.refused("pids", why="two entries for RLIMIT_NOFILE")
