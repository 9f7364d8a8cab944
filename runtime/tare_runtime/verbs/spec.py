"""spec: write a config.json to start from, with the usual containment of a Linux container."""

from __future__ import annotations

import posix

from tare_runtime.errors import HostError
from tare_runtime.json_text import dumps_indented
from tare_runtime.state.store import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cli.argv import Options

_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_NEW_FILE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC


def run(options: Options) -> int:
    path = options.config or (options.bundle + "/" if options.bundle else "") + "config.json"
    config = rootless_spec(posix.geteuid(), posix.getegid()) if options.rootless else default_spec()
    try:
        fd = posix.open(path, _NEW_FILE, 0o666)
    except FileExistsError:
        raise HostError(
            f"write {path}: it exists already", "remove it first, or choose another bundle"
        ) from None
    except OSError as error:
        raise HostError(f"write {path}: {(error.strerror or '').lower()}") from None
    try:
        posix.write(fd, dumps_indented(config, "\t").encode() + b"\n")
    finally:
        posix.close(fd)
    return 0


def default_spec() -> dict[str, Any]:
    return {
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted", "ambient")
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "tare",
        "mounts": [
            _mount("/proc", "proc", "proc"),
            _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            _mount(
                "/dev/pts", "devpts", "devpts",
                "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5",
            ),
            _mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
            _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
            _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
            _mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
            "maskedPaths": [
                "/proc/acpi",
                "/proc/asound",
                "/proc/kcore",
                "/proc/keys",
                "/proc/latency_stats",
                "/proc/timer_list",
                "/proc/timer_stats",
                "/proc/sched_debug",
                "/sys/firmware",
                "/proc/scsi",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }  # fmt: skip


def rootless_spec(uid: int, gid: int) -> dict[str, Any]:
    """The default without what needs root: one user is mapped, networks are the host's, and so is /sys.

    sysfs may only be mounted by who owns the network namespace, so the host's is bound; gid 5 for
    terminals is not mapped; cgroups are not ours to make.
    """
    config = default_spec()
    for mount in config["mounts"]:
        options = mount.get("options", [])
        mount_options = [option for option in options if not option.startswith(("gid=", "uid="))]
        if mount["destination"] == "/sys":
            mount.update(type="none", source="/sys")
            mount_options = ["rbind", "nosuid", "noexec", "nodev", "ro"]
        if options:
            mount["options"] = mount_options
    linux = config["linux"]
    del linux["resources"]
    linux["uidMappings"] = [{"containerID": 0, "hostID": uid, "size": 1}]
    linux["gidMappings"] = [{"containerID": 0, "hostID": gid, "size": 1}]
    linux["namespaces"] = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "user")]
    return config


def _mount(destination: str, type: str, source: str, *options: str) -> dict[str, Any]:
    mount: dict[str, Any] = {"destination": destination, "type": type, "source": source}
    if options:
        mount["options"] = list(options)
    return mount
