"""Bundles for tests: a busybox rootfs, a config, and the runtime run on them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.programs import TARE_RUNTIME

BUSYBOX = "/bin/busybox"
APPLETS = "sh true false echo cat ls sleep id env mount stat stty readlink touch mkdir head kill test".split()

CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]


def default_config() -> dict[str, Any]:
    """The config of a plain container: what `spec` writes, without a terminal and without ambient sets."""
    return {
        "ociVersion": "1.2.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["true"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/"],
            "cwd": "/",
            "capabilities": {
                "bounding": CAPABILITIES,
                "effective": CAPABILITIES,
                "permitted": CAPABILITIES,
            },
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs"},
        "hostname": "inside",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
            },
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            },
            {
                "destination": "/sys",
                "type": "sysfs",
                "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"],
            },
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
            "maskedPaths": ["/proc/keys", "/proc/scsi", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/sys"],
        },
    }


class Bundle:
    """A bundle on disk, and containers made from it. `config` is written before each command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rootfs = path / "rootfs"
        self.root = path / "state"
        self.config = default_config()
        self.id = "test-" + secrets.token_hex(6)

    def args(self, *args: str) -> Bundle:
        self.config["process"]["args"] = list(args)
        return self

    def script(self, text: str) -> Bundle:
        return self.args("sh", "-c", text)

    def write(self) -> None:
        """Put the config into place as a whole: another command may be reading it."""
        fresh = self.path / f"config.json.{threading.get_ident()}"
        fresh.write_text(json.dumps(self.config))
        fresh.replace(self.path / "config.json")

    def command(self, *args: str) -> list[str]:
        return [TARE_RUNTIME, "--root", str(self.root), *args]

    def tare(self, *args: str, stdin: str = "", timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command of the runtime with pipes for its output."""
        self.write()
        return subprocess.run(
            self.command(*args), cwd=self.path, input=stdin, capture_output=True, text=True, timeout=timeout_s
        )

    def run(self, *flags: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self.tare("run", *flags, self.id, stdin=stdin)

    def create(self, *flags: str) -> subprocess.CompletedProcess[str]:
        """`create` with its container's stdio at /dev/null, since that outlives the command."""
        return self.create_by("", *flags)

    def create_by(self, global_flag: str, *flags: str) -> subprocess.CompletedProcess[str]:
        """`create` after a flag that is not its own."""
        self.write()
        out = self.path / "create.err"
        words = [global_flag] if global_flag else []
        with out.open("w") as err:
            code = subprocess.run(
                self.command(*words, "create", *flags, self.id),
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
                timeout=30,
            ).returncode
        return subprocess.CompletedProcess(["create"], code, "", out.read_text())

    def state(self) -> dict[str, Any]:
        done = self.tare("state", self.id)
        assert done.returncode == 0, done.stderr
        state: dict[str, Any] = json.loads(done.stdout)
        return state

    def cgroups(self) -> list[Path]:
        """What is left of the container's cgroups, in any hierarchy."""
        # os.walk passes over what vanishes meanwhile: the tree is everybody's.
        return [Path(folder) / self.id for folder, names, _ in os.walk("/sys/fs/cgroup") if self.id in names]

    def leftovers(self) -> list[str]:
        """What a deleted container should not leave: state, cgroups, mounts below the bundle."""
        left = [str(path) for path in self.cgroups()]
        if self.root.exists():
            left += [str(path) for path in self.root.iterdir() if path.name[0] != "~"]
        left += [
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.path) in line
        ]
        return left


def make_rootfs(rootfs: Path) -> None:
    for folder in ("bin", "proc", "sys", "dev", "etc", "tmp"):
        (rootfs / folder).mkdir(parents=True)
    shutil.copy(BUSYBOX, rootfs / "bin/busybox")
    for applet in APPLETS:
        (rootfs / "bin" / applet).symlink_to("busybox")


@contextmanager
def bundle_in(folder: Path) -> Iterator[Bundle]:
    """A bundle in `folder`; at the end its container is deleted, whatever the test left."""
    folder.chmod(0o755)  # containers in a user namespace have to get here
    bundle = Bundle(folder)
    make_rootfs(bundle.rootfs)
    try:
        yield bundle
    finally:
        subprocess.run(bundle.command("delete", "--force", bundle.id), capture_output=True, timeout=30)
