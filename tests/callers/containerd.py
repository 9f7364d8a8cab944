"""containerd and its shim, driven by ctr: a private containerd with the CRI plugin off."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.callers import daemon, image
from tests.callers.command import execute

CONFIG = """
version = 2
root = "{scratch}/root"
state = "{scratch}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{scratch}/containerd.sock"
[ttrpc]
  address = "{scratch}/containerd.sock.ttrpc"
"""


class Containerd:
    """containerd under folders of its own; ctr names the runtime of each container."""

    name = "ctr"
    env: dict[str, str] | None = None

    def __init__(self, scratch: Path, subjects: dict[str, str]) -> None:
        self.scratch, self.subjects = scratch, subjects
        self.left: list[str] = []
        self.cgroup = scratch.name  # ctr's namespace: the cgroups of its containers are below it

    def __enter__(self) -> Self:
        config = self.scratch / "config.toml"
        config.write_text(CONFIG.format(scratch=self.scratch))
        argv = ["containerd", "--config", str(config)]
        self._daemon = daemon.start(argv, self.scratch / "containerd.log", self._answers)
        archive = self.scratch / "busybox.tar"
        image.write_image(archive)
        subprocess.run([*self.argv(), "images", "import", str(archive)], check=True, capture_output=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        daemon.stop(self._daemon)
        self.left = daemon.sweep(self.scratch, self.cgroup)

    def argv(self) -> list[str]:
        return ["ctr", f"--address={self.scratch}/containerd.sock", f"--namespace={self.cgroup}"]

    def run_argv(self, subject: str) -> list[str]:
        return [*self.argv(), "run", *self.runtime_flags(subject)]

    def runtime_flags(self, subject: str) -> list[str]:
        return [f"--runc-binary={self.subjects[subject]}", f"--runc-root={self.scratch}/runc-{subject}"]

    def _answers(self) -> bool:
        return execute([*self.argv(), "version"]).code == 0
