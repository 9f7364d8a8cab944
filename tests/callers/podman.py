"""Podman with conmon: no daemon, but a storage, state and configuration of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.callers import daemon, image

# Podman asks for limits above ours where the root user lacks CAP_SYS_RESOURCE; runc then fails.
CONFIG = """
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Podman:
    """podman under a root and runroot of its own, the runtime given by path at each call."""

    name = "podman"

    def __init__(self, scratch: Path, subjects: dict[str, str]) -> None:
        self.scratch, self.subjects = scratch, subjects
        self.left: list[str] = []
        self.cgroup = scratch.name
        self.env = {**os.environ, "CONTAINERS_CONF": str(scratch / "containers.conf"), "TMPDIR": str(scratch)}

    def __enter__(self) -> Self:
        (self.scratch / "containers.conf").write_text(CONFIG)
        archive = self.scratch / "busybox.tar"
        image.write_image(archive)
        load = [*self.argv("runc"), "load", "-q", "-i", str(archive)]
        subprocess.run(load, check=True, capture_output=True, env=self.env)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.left = daemon.sweep(self.scratch, self.cgroup)

    def run_argv(self, subject: str) -> list[str]:
        return [*self.argv(subject), "run", f"--cgroup-parent=/{self.cgroup}", "--network=none"]

    def argv(self, subject: str) -> list[str]:
        return [
            "podman", f"--root={self.scratch}/root", f"--runroot={self.scratch}/runroot",
            f"--tmpdir={self.scratch}/tmp", "--storage-driver=overlay",
            f"--runtime={self.subjects[subject]}", f"--runtime-flag=root={self.scratch}/state-{subject}",
        ]  # fmt: skip
