"""Who is measured: our programs and Debian's peers, as found on PATH."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

OURS = "tare-runtime"
IMAGE = "tare-image"
RUNTIMES = (OURS, "crun", "runc")


def find(name: str) -> str | None:
    """The absolute path of a program, or None when this machine has none."""
    found = shutil.which(name)
    return str(Path(found).absolute()) if found else None


def runtimes() -> dict[str, str]:
    """Name → path of each runtime that is here, ours first."""
    return {name: path for name in RUNTIMES if (path := find(name))}


def interpreter() -> str | None:
    """The interpreter that our launcher starts: the one beside it."""
    ours = find(OURS)
    if ours is None:
        return None
    beside = Path(ours).parent / "python3"
    return str(beside) if beside.exists() else find("python3")


def versions() -> dict[str, str]:
    """First line of `--version` of everything that takes part."""
    known = {}
    for name in (*RUNTIMES, IMAGE, "umoci", "skopeo", "tar", "python3"):
        path = interpreter() if name == "python3" else find(name)
        if path is None:
            known[name] = "not installed"
            continue
        said = subprocess.run([path, "--version"], capture_output=True, text=True)
        known[name] = (said.stdout or said.stderr).strip().partition("\n")[0] or "says nothing"
    return known
