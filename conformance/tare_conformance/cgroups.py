"""The control groups of a run: where they are, what is left of them, and their removal.

Every run keeps its groups below one directory of its own (the token) in each hierarchy.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

MOUNTPOINT = Path("/sys/fs/cgroup")
UNIFIED = MOUNTPOINT / "unified"


def version() -> int:
    """2 where the unified hierarchy is all there is, else 1."""
    return 2 if (MOUNTPOINT / "cgroup.controllers").exists() else 1


def is_hybrid() -> bool:
    """Whether version 1 hierarchies and an empty unified one are mounted side by side."""
    return version() == 1 and (UNIFIED / "cgroup.procs").exists()


def hierarchies() -> list[Path]:
    """Every mounted hierarchy once, the unified one of a hybrid machine included if it is visible."""
    if version() == 2:
        return [MOUNTPOINT]
    try:
        entries = sorted(MOUNTPOINT.iterdir())
    except OSError:
        return []
    return [entry for entry in entries if (entry / "cgroup.procs").exists() and not entry.is_symlink()]


def controller(name: str) -> Path | None:
    """The directory of a version 1 controller, if it is mounted."""
    path = MOUNTPOINT / name
    return path if version() == 1 and (path / "cgroup.procs").exists() else None


def left_of(*names: str) -> list[Path]:
    """The groups that exist under these paths, from each hierarchy's root or from our own group in it.

    A cgroupsPath that is relative counts from the runtime's own group, which is ours.
    """
    tops = {top: None for hierarchy in hierarchies() for top in (hierarchy, own_group(hierarchy))}
    return [path for top in tops for name in names if (path := top / name).is_dir()]


def own_group(hierarchy: Path) -> Path:
    """The directory of the group that we are in ourselves."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        names = [name.removeprefix("name=") for name in controllers.split(",")]
        if hierarchy.name in names or (not controllers and hierarchy in (UNIFIED, MOUNTPOINT)):
            return hierarchy / path.lstrip("/")
    return hierarchy


def thaw(name: str) -> None:
    """Let every frozen process below `name` run: a frozen one cannot even be killed on version 1."""
    for base in left_of(name):
        for folder, _, files in os.walk(base):
            for file, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                if file in files:
                    _write(Path(folder) / file, word)


def remove(name: str, patience_s: float = 2.0) -> list[Path]:
    """Remove the groups below `name` in every hierarchy; returns those that would not go.

    The processes must be dead already; the kernel may hold a group for a moment after its last one.
    """
    deadline = time.monotonic() + patience_s
    while True:
        stuck = [path for path in left_of(name) if not _remove_tree(path)]
        if not stuck or time.monotonic() > deadline:
            return stuck
        time.sleep(0.02)


def _remove_tree(base: Path) -> bool:
    for folder, _, _ in os.walk(base, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return False
    return True


def _write(path: Path, word: str) -> None:
    try:
        path.write_text(word)
    except OSError:
        pass
