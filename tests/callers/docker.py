"""Docker: a private dockerd that knows each subject as a runtime of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.callers import daemon, image
from tests.callers.command import execute

CLIENT = "/usr/bin/docker"


class Docker:
    """dockerd with its own data, sockets and containerd; no bridge and no packet filter rules."""

    name = "docker"

    def __init__(self, scratch: Path, subjects: dict[str, str]) -> None:
        self.scratch, self.subjects = scratch, subjects
        self.left: list[str] = []
        self.cgroup = scratch.name
        self._client = [CLIENT, "--host", f"unix://{scratch}/docker.sock"]

    def __enter__(self) -> Self:
        runtimes = [f"--add-runtime={name}-subject={path}" for name, path in self.subjects.items()]
        argv = [
            "dockerd", f"--data-root={self.scratch}/data", f"--exec-root={self.scratch}/exec",
            f"--pidfile={self.scratch}/docker.pid", f"--host=unix://{self.scratch}/docker.sock",
            f"--cgroup-parent=/{self.cgroup}", "--iptables=false", "--ip6tables=false", "--bridge=none",
            "--storage-driver=overlay2", *runtimes,
        ]  # fmt: skip
        self._daemon = daemon.start(argv, self.scratch / "dockerd.log", self._answers)
        archive = self.scratch / "busybox.tar"
        image.write_image(archive)
        subprocess.run([*self._client, "load", "-q", "-i", str(archive)], check=True, capture_output=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        daemon.stop(self._daemon)
        self.left = daemon.sweep(self.scratch, self.cgroup)

    def run_argv(self, subject: str) -> list[str]:
        return [*self._client, "run", f"--runtime={subject}-subject"]

    def argv(self, subject: str) -> list[str]:
        return self._client

    env: dict[str, str] | None = None

    def _answers(self) -> bool:
        return execute([*self._client, "version"]).code == 0
