"""An image's configuration → config.json of a runtime bundle. Pure: nothing is read or written here.

Spec: image-spec 1.1, conversion.md. What it leaves open is as `runc spec` has it, but for what images are
made to expect: a root that can be written, and Docker's set of capabilities.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from tare_spec.image_config import ImageConfig, ProcessConfig

from tare_imagetools.errors import BundleError
from tare_imagetools.user import ImageUser

OCI_VERSION = "1.0.2"
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_ARGS = ("sh",)

CAPABILITIES = [
    f"CAP_{name}"
    for name in (
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
        "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    )
]  # fmt: skip
MASKED_PATHS = [
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
]  # fmt: skip
READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
NAMESPACES = ("pid", "network", "ipc", "uts", "mount")
# destination, type, source, options
MOUNTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("/proc", "proc", "proc", ()),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    (
        "/dev/pts", "devpts", "devpts",
        ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    ),
    ("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),
    ("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    ("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    ("/sys/fs/cgroup", "cgroup", "cgroup", ("nosuid", "noexec", "nodev", "relatime", "ro")),
)  # fmt: skip
# The image's own contents are copied in, as engines fill a new volume.
VOLUME_OPTIONS = ["nosuid", "nodev", "tmpcopyup"]

STEERING_LABELS = ("run.oci.", "org.systemd.property.", "io.katacontainers.")
"""Runtimes take orders from annotations of these names: hooks, handlers, unit properties. An image's label
must not give any."""


def runtime_config(image: ImageConfig, user: ImageUser, rootfs: str) -> dict[str, object]:
    """The runtime configuration as an object for json.dumps. `rootfs`: root.path, as it is to be written.

    Raises: BundleError when a field cannot be converted.
    """
    return {
        "ociVersion": OCI_VERSION,
        "process": process(image.config, user),
        "root": {"path": rootfs, "readonly": False},
        "hostname": "tare",
        "mounts": [*default_mounts(), *volumes(image.config)],
        "annotations": image_annotations(image),
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": name} for name in NAMESPACES],
            "maskedPaths": list(MASKED_PATHS),
            "readonlyPaths": list(READONLY_PATHS),
        },
    }


def process(config: ProcessConfig, user: ImageUser) -> dict[str, object]:
    ids: dict[str, object] = {"uid": user.uid, "gid": user.gid}
    if user.additional_gids:
        ids["additionalGids"] = list(user.additional_gids)
    return {
        "terminal": False,
        "user": ids,
        "args": list((config.entrypoint or ()) + (config.cmd or ()) or DEFAULT_ARGS),
        "env": environment(config.env),
        "cwd": working_directory(config.working_dir),
        "capabilities": capabilities(user.uid),
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    }


def capabilities(uid: int) -> dict[str, list[str]]:
    """As execve(2) would leave them: who is not root has none until a file grants some."""
    sets = {"bounding": list(CAPABILITIES)}
    if uid == 0:
        sets["effective"] = list(CAPABILITIES)
        sets["permitted"] = list(CAPABILITIES)
    return sets


def environment(env: tuple[str, ...]) -> list[str]:
    has_path = any(variable.startswith("PATH=") for variable in env)
    return [*env] if has_path else [DEFAULT_PATH, *env]


def working_directory(path: str) -> str:
    """Verbatim when it is absolute, else below the root: config.json takes absolute ones only."""
    if "\0" in path:
        raise BundleError("WorkingDir", "it holds a NUL")
    return path if path.startswith("/") else posixpath.normpath(f"/{path}")


def default_mounts() -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for destination, kind, source, options in MOUNTS:
        mount: dict[str, object] = {"destination": destination, "type": kind, "source": source}
        if options:
            mount["options"] = list(options)
        found.append(mount)
    return found


def volumes(config: ProcessConfig) -> list[dict[str, object]]:
    """Each volume is a fresh tmpfs. Where a default mount is already, nothing is put over it."""
    taken = {destination for destination, *_ in MOUNTS}
    found: list[dict[str, object]] = []
    for volume in config.volumes:
        # Two slashes at the front mean something else to normpath.
        path = posixpath.normpath("/" + volume.lstrip("/"))
        if path == "/" or "\0" in volume:
            raise BundleError(f"volume {volume!r}", "it is no directory that something can be mounted on")
        if path not in taken:
            taken.add(path)
            found.append(
                {"destination": path, "type": "tmpfs", "source": "volume", "options": list(VOLUME_OPTIONS)}
            )
    return found


def image_annotations(image: ImageConfig) -> dict[str, str]:
    """What the configuration implies, then the labels, which win."""
    platform, config = image.platform, image.config
    implied = {
        "os": platform.os,
        "architecture": platform.architecture,
        "variant": platform.variant,
        "os.version": platform.os_version,
        "os.features": ",".join(platform.os_features),
        "author": image.author,
        "created": image.created,
        "stopSignal": config.stop_signal,
        "exposedPorts": ",".join(sorted(config.exposed_ports)),
    }
    found = {f"org.opencontainers.image.{name}": value for name, value in implied.items() if value}
    left_out = steering_labels(config.labels)
    return {**found, **{name: value for name, value in config.labels.items() if name not in left_out}}


def steering_labels(labels: Mapping[str, str]) -> set[str]:
    """The labels that do not become annotations; whoever makes the bundle should say so."""
    return {name for name in labels if name.startswith(STEERING_LABELS)}
