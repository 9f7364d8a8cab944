"""Bundles with a busybox root file system, and the command `tare-runtime` on a root directory of its own."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tare_runtime.verbs.spec import default_spec

from tests.support.programs import TARE_RUNTIME

BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "true", "false", "echo", "sleep", "ls", "cat", "id", "env", "kill", "mount", "head", "dd")

_numbers = itertools.count()


def unique_id(name: str = "t") -> str:
    """An id, and a cgroup, that no other test and no other run on this machine has."""
    return f"tare-{name}-{os.getpid()}-{next(_numbers)}"


def make_bundle(directory: Path, *args: str, **changes: Any) -> Path:
    """A bundle that runs `args` in busybox; `changes` replace or add top-level members of the config."""
    bin_dir = directory / "rootfs" / "bin"
    if not bin_dir.exists():
        bin_dir.mkdir(parents=True)
        shutil.copy(BUSYBOX, bin_dir / "busybox")
        for applet in APPLETS:
            (bin_dir / applet).symlink_to("busybox")
    config = default_spec()
    config["process"]["terminal"] = False
    config["process"]["args"] = list(args) or ["true"]
    config["linux"]["cgroupsPath"] = "/" + unique_id("cg")
    for name, value in changes.items():
        config[name] = {**config[name], **value} if isinstance(config.get(name), dict) else value
    (directory / "config.json").write_text(json.dumps(config))
    return directory


class Runtime:
    """The command on one root directory; `with` deletes by force what a test has left."""

    def __init__(self, root: Path, program: str = TARE_RUNTIME) -> None:
        self.root = root
        self.program = program

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *error: object) -> None:
        for path in sorted(self.root.glob("*")) if self.root.exists() else ():
            if "~" not in path.name:
                self("delete", "--force", path.name)

    def __call__(self, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end; output is captured."""
        command = [self.program, "--root", str(self.root), *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)

    def good(self, *args: str, **more: Any) -> str:
        """Run it, demand success, return its output."""
        done = self(*args, **more)
        assert done.returncode == 0, f"{' '.join(args)}: exit {done.returncode}: {done.stderr}"
        return done.stdout

    def create(self, bundle: Path, id: str, *args: str) -> None:
        # The container inherits standard streams, so they must not be pipes that somebody waits for.
        command = [self.program, "--root", str(self.root), "create", "--bundle", str(bundle), *args, id]
        errors = bundle / f"{id}.stderr"
        with errors.open("w") as stderr:
            streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": stderr}
            done = subprocess.run(command, timeout=60, check=False, **streams)  # type: ignore[call-overload]
        assert done.returncode == 0, errors.read_text()

    def state(self, id: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.good("state", id))
        return document
