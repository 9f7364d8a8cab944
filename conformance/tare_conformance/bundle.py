"""A bundle on disk: a root filesystem that holds the probe, and a config.json to start from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tare_spec.runtime import Config, Mount

PROBE = Path(__file__).with_name("probe")
FOLDERS = ("dev", "proc", "sys", "tmp", "etc", "dir", "dir/sub")

# CAP_ names by number: bit N of a mask is CAPABILITIES[N].
CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
    SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
    AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
    PERFMON BPF CHECKPOINT_RESTORE
    """.split()
)
GRANTED = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_NET_BIND_SERVICE"]


def mount(destination: str, kind: str, source: str, *options: str) -> Mount:
    """One entry of `mounts`."""
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def default_mounts() -> list[Mount]:
    """Those of a usual bundle, without the control groups."""
    return [
        mount("/proc", "proc", "proc"),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount(
            "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"
        ),
        mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
        mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    ]


def default_config(cgroups_path: str) -> Config:
    """A modest container that any runtime should start, also where root is not all-powerful."""
    return {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "tare",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/probe"],
            "env": ["PATH=/bin:/", "HOME=/"],
            "cwd": "/",
            "noNewPrivileges": True,
            "capabilities": {
                "bounding": [*GRANTED],
                "effective": [*GRANTED],
                "permitted": [*GRANTED],
            },
        },
        "mounts": default_mounts(),
        "linux": {
            "cgroupsPath": cgroups_path,
            "namespaces": [
                {"type": "pid"},
                {"type": "network"},
                {"type": "ipc"},
                {"type": "uts"},
                {"type": "mount"},
            ],
            "resources": {},
        },
    }


class Bundle:
    """A directory with `rootfs` in it; `config` is edited freely until `write`."""

    def __init__(self, path: Path, cgroups_path: str) -> None:
        self.path = path
        self.rootfs = path / "rootfs"
        self.config = default_config(cgroups_path)
        for folder in FOLDERS:
            (self.rootfs / folder).mkdir(parents=True)
        shutil.copy(PROBE, self.rootfs / "probe")
        (self.rootfs / "file").write_text("from the bundle\n")
        (self.rootfs / "etc/passwd").write_text("root:x:0:0:root:/:/probe\n")

    def write(self, text: str | None = None) -> None:
        """Write config.json: the edited one, or any text."""
        (self.path / "config.json").write_text(text if text is not None else json.dumps(self.config))
