"""The bundle that every runtime is given: static busybox and what `runc spec` writes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "data"
BUSYBOX = Path("/bin/busybox")
APPLETS = ("sh", "true", "sleep", "echo")

Config = dict[str, Any]  # a config.json: free-form JSON


def make_bundle(
    folder: Path, *, args: list[str], seccomp: bool = False, memory_limit: int | None = None
) -> Path:
    """Write rootfs and config.json to FOLDER: the default of `runc spec`, without a terminal, running ARGS.

    seccomp adds Docker's default profile; memory_limit is in bytes.
    """
    make_rootfs(folder / "rootfs")
    config = default_config()
    config["process"]["terminal"] = False
    config["process"]["args"] = args
    if seccomp:
        config["linux"]["seccomp"] = docker_seccomp()
    if memory_limit is not None:
        config["linux"]["resources"]["memory"] = {"limit": memory_limit}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def make_rootfs(rootfs: Path) -> None:
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (rootfs / name).mkdir(parents=True, exist_ok=True)
    shutil.copy2(BUSYBOX, rootfs / "bin/busybox")
    for name in APPLETS:
        (rootfs / "bin" / name).symlink_to("busybox")


def default_config() -> Config:
    """What `runc spec` writes on this machine, or the copy kept beside us where there is no runc."""
    kept = DATA / "runc-spec.json"
    if shutil.which("runc") is None:
        config: Config = json.loads(kept.read_text())
        return config
    scratch = subprocess.run(
        ["sh", "-c", 'd=$(mktemp -d) && cd "$d" && runc spec && cat config.json; rm -rf "$d"'],
        capture_output=True,
        text=True,
        check=True,
    )
    spec: Config = json.loads(scratch.stdout)
    return spec


def docker_seccomp() -> Config:
    """Docker's default profile, as its daemon writes it for a container with default capabilities."""
    profile: Config = json.loads((DATA / "docker-seccomp.json").read_text())
    return profile
