"""What systemd says of a unit, and a device that containers may be denied."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.bundles import Bundle

TOP = Path("/sys/fs/cgroup")


def show(unit: str, *properties: str) -> dict[str, str]:
    command = ["systemctl", "show", unit, *(f"--property={name}" for name in properties)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in text.splitlines())


def is_loaded(unit: str) -> bool:
    return show(unit, "LoadState")["LoadState"] == "loaded"


def created(bundle: Bundle, *flags: str) -> dict[str, Any]:
    """Create and start the bundle's container by systemd; the part of its state about cgroups."""
    done = bundle.create_by("--systemd-cgroup", *flags)
    assert done.returncode == 0, done.stderr
    done = bundle.tare("start", bundle.id)
    assert done.returncode == 0, done.stderr
    state: dict[str, Any] = json.loads((bundle.root / bundle.id / "state.json").read_text())
    cgroup: dict[str, Any] = state["cgroup"]
    return cgroup


def cgroup_of(pid: int, name: str = "") -> str:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if name in names.split(","):
            return path
    raise AssertionError(f"process {pid} is in no cgroup of {name!r}")
