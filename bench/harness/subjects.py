"""Who is measured: our programs and Debian's peers, as found on PATH.

Our runtime is the one-file command where it was built, as in a wheel; TARE_RUNTIME names another form.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

OURS = "tare-runtime"
IMAGE = "tare-image"
RUNTIMES = (OURS, "crun", "runc")
ONE_FILE = Path(__file__).resolve().parents[2] / "build/static/tare-runtime"


def find(name: str) -> str | None:
    """The absolute path of a program, or None when this machine has none."""
    if name == OURS:
        chosen = os.environ.get("TARE_RUNTIME") or (str(ONE_FILE) if ONE_FILE.exists() else "")
        if chosen:
            return chosen if Path(chosen).exists() else None
    found = shutil.which(name)
    return str(Path(found).absolute()) if found else None


def runtimes() -> dict[str, str]:
    """Name → path of each runtime that is here, ours first."""
    return {name: path for name in RUNTIMES if (path := find(name))}


def interpreter() -> str | None:
    """The interpreter that our launcher starts: the one beside it."""
    ours = shutil.which(OURS)
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
