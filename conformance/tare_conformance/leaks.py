"""What a subject left behind: processes, mounts, control groups, records of its own.

Runs inside the chamber of one case, whose pid and mount namespaces belong to nobody else.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tare_conformance import cgroups


def mounts() -> set[str]:
    """The mount points of this namespace, with what is mounted there."""
    with Path("/proc/self/mountinfo").open() as file:
        return {f"{fields[4]} ({fields[fields.index('-') + 1]})" for fields in map(str.split, file)}


def processes() -> list[int]:
    """Every process of this pid namespace but its first."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and name != "1"]


def settle(patience_s: float = 1.0) -> list[int]:
    """Reap what has died and give the dying a moment; returns who still lives."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        living = processes()
        if not living or time.monotonic() > deadline:
            return living
        time.sleep(0.01)


def name_of(pid: int) -> str:
    """What the process calls itself, for the report."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return (
            b" ".join(words).decode(errors="replace").strip() or Path(f"/proc/{pid}/comm").read_text().strip()
        )
    except OSError:
        return "?"


def changes(before: set[str]) -> list[str]:
    """Mounts that came or went, a sentence each."""
    now = mounts()
    found = [f"mount on {point}" for point in sorted(now - before)]
    for point in sorted(before - now):
        # A mount also goes when anybody on the host removes the directory it is on: not the subject's doing.
        if Path(point.rsplit(" (", 1)[0]).exists():
            found.append(f"nothing on {point}, where a mount was")
    return found


def find(before: set[str], token: str, ids: list[str], state_root: Path) -> list[str]:
    """What is there or gone and should not be, after the containers were deleted: a sentence each."""
    found = [f"process {pid} ({name_of(pid)})" for pid in settle()]
    found += changes(before)
    names = [f"{token}/{id}" for id in ids] + ids
    for path in cgroups.left_of(*names):
        found.append(f"control group {path}")
    for id in ids:
        if (state_root / id).exists():
            found.append(f"record {state_root / id}")
    return found
