"""What a run was asked for, decoded once from the words of the command line."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tare_shim.errors import ShimError

LOG_BYTES = 64 << 20
UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
PROPAGATION = {"rprivate", "private", "rslave", "slave", "rshared", "shared"}
MOUNT_WORDS = {"ro", "rw", "nosuid", "nodev", "noexec"} | PROPAGATION

ALL_CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
        "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
        "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
        "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
        "PERFMON BPF CHECKPOINT_RESTORE"
    ).split()
)


@dataclass(frozen=True)
class Volume:
    source: Path
    target: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class RunOptions:
    """`memory_bytes`, `cpus` and `pids_limit` are None where nothing was asked.

    `log_bytes`: how much of the output is kept, about; 0 means all of it.
    """

    command: tuple[str, ...] = ()
    entrypoint: str | None = None
    interactive: bool = False
    tty: bool = False
    detach: bool = False
    remove: bool = False
    name: str | None = None
    memory_bytes: int | None = None
    cpus: float | None = None
    pids_limit: int | None = None
    volumes: tuple[Volume, ...] = ()
    env: tuple[str, ...] = ()
    user: str | None = None
    workdir: str | None = None
    hostname: str | None = None
    network: str = "none"
    read_only: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    log_bytes: int = LOG_BYTES


def parse_size(text: str) -> int:
    """`64m` → 67108864. Raises: ShimError when it is no size."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([bkmgt]?)(?:i?b)?", text.strip().lower())
    if not match:
        raise ShimError(f"read size {text!r}: it is not a number with b, k, m, g or t behind it")
    return int(float(match.group(1)) * UNITS[match.group(2)])


def parse_volume(text: str) -> Volume:
    """`SRC:DST[:OPTIONS]`. Raises: ShimError with what is wrong about it."""
    source, _, rest = text.partition(":")
    target, _, words = rest.partition(":")
    options = tuple(word for word in words.split(",") if word)
    if not source or not target:
        raise ShimError(f"mount {text!r}: a volume is written SRC:DST or SRC:DST:OPTIONS")
    if "/" not in source and source not in {".", ".."}:
        raise ShimError(f"mount {text!r}: named volumes are not kept here", f"a folder: ./{source}:{target}")
    if not target.startswith("/"):
        raise ShimError(f"mount {text!r}: the place in the container must begin with /")
    if unknown := [word for word in options if word not in MOUNT_WORDS]:
        raise ShimError(
            f"mount {text!r}: unknown option {unknown[0]!r}", f"known: {', '.join(sorted(MOUNT_WORDS))}"
        )
    path = Path(source).absolute()
    if not path.exists():
        raise ShimError(f"mount {text!r}: {path} does not exist")
    return Volume(path, target, options)


def parse_env(text: str) -> str | None:
    """`A=B` as it is; `A` with our own value, or None where we have none either."""
    name, sign, _ = text.partition("=")
    if not name or "\0" in text:
        raise ShimError(f"set {text!r}: a variable is written NAME=VALUE or NAME")
    if sign:
        return text
    return f"{name}={os.environ[name]}" if name in os.environ else None


def parse_capability(text: str) -> str:
    """`net_admin` → `CAP_NET_ADMIN`; `ALL` stays."""
    name = text.upper()
    if name == "ALL":
        return name
    full = name if name.startswith("CAP_") else f"CAP_{name}"
    if full not in ALL_CAPABILITIES:
        raise ShimError(f"read capability {text!r}: there is none of that name")
    return full


def check(options: RunOptions) -> None:
    """Refuse what contradicts itself, before anything is made."""
    if options.detach and options.interactive and not options.tty:
        raise ShimError("run detached: nobody could write to its standard input", "leave out -i, or -d")
    if options.memory_bytes is not None and options.memory_bytes < 4096:
        raise ShimError(f"limit memory to {options.memory_bytes} bytes: no process fits in there")
    if 0 < options.log_bytes < 4096:
        raise ShimError(f"keep a log of {options.log_bytes} bytes: 4k is the least, and 0 means all")
    if options.cpus is not None and options.cpus <= 0:
        raise ShimError(f"limit to {options.cpus} CPUs: it must be more than 0")
    if options.name is not None and not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}", options.name):
        raise ShimError(
            f"name the container {options.name!r}: letters, digits, '_', '.' and '-', 128 at most"
        )
    if options.workdir is not None and not options.workdir.startswith("/"):
        raise ShimError(f"start in {options.workdir!r}: a working directory begins with /")
