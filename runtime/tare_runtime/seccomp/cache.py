"""Seccomp filters on disk: making one for a usual profile takes a millisecond and more, reading it a tenth.

A file is named by a hash of all that its program depends on, and carries a hash of itself: a damaged or
foreign one is compiled anew. A cache that cannot be written is no error.
"""

from __future__ import annotations

import posix
from _blake2 import blake2b
from marshal import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Below the root of container states; no id may hold a tilde.
CACHE_NAME = "/~seccomp"
_MAGIC = b"tare-bpf 1\n"
MAKER = 2  # to be raised when a profile gives another program than before: files of older versions are let be
_DIGEST_BYTES = 32
_MAX_PROGRAM_BYTES = 4096 * 8  # the kernel's BPF_MAXINSNS
_MAX_FILES = 64

FLAG_BITS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,
}
_NEW_LISTENER = 8


def load_filter(seccomp: dict[str, Any], cache_dir: str) -> tuple[bytes, int]:
    """The program (an array of struct sock_filter) and the SECCOMP_FILTER_FLAG_* bits of a checked profile.

    Raises: ConfigError, HostError as `make_filter` and `compile_filter` do.
    """
    bits = 0
    # A profile that does not speak of flags gets SPEC_ALLOW, as under runc: without it, every container
    # would pay for a mitigation that the kernel itself does not think necessary for seccomp since 5.16.
    for flag in seccomp.get("flags", ("SECCOMP_FILTER_FLAG_SPEC_ALLOW",)):
        bits |= FLAG_BITS[flag]
    if asks_somebody(seccomp):
        bits |= _NEW_LISTENER
    key = cache_key(seccomp)
    path = f"{cache_dir}/{key.hex()}"
    program = _read(path, key)
    if program is None:
        program = make(seccomp)
        _write(cache_dir, path, key, program)
    return program, bits


def asks_somebody(seccomp: dict[str, Any]) -> bool:
    """Whether a rule leaves calls to a listener."""
    actions = [seccomp["defaultAction"]]
    actions += [rule["action"] for rule in seccomp.get("syscalls", ())]
    return "SCMP_ACT_NOTIFY" in actions


def make(seccomp: dict[str, Any]) -> bytes:
    """The program for a checked profile, made anew. Raises: ConfigError, HostError."""
    from tare_runtime.seccomp.filter import make_filter
    from tare_runtime.seccomp.overlap import Ambiguous

    try:
        return make_filter(seccomp)
    except Ambiguous:
        from tare_runtime.seccomp.library import compile_filter

        return compile_filter(seccomp)


def cache_key(seccomp: dict[str, Any]) -> bytes:
    """Hash of the profile and of what else decides about the program: our version of it, the machine."""
    # Version 2 of the format writes equal values equally, however they came to be; later ones do not.
    data = dumps((seccomp, MAKER, posix.uname().machine), 2)
    return blake2b(data, digest_size=_DIGEST_BYTES).digest()


def _read(path: str, key: bytes) -> bytes | None:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK)
    except OSError:
        return None
    try:
        kind = posix.fstat(fd)
        if kind.st_uid != posix.geteuid() or kind.st_mode & 0o177022 != 0o100000:
            return None  # only a plain file that nobody else can write to
        data = posix.read(fd, _MAX_PROGRAM_BYTES + 4096)
    except OSError:
        return None
    finally:
        posix.close(fd)
    body, seal = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if body[: len(_MAGIC)] != _MAGIC or blake2b(body, digest_size=_DIGEST_BYTES, key=key).digest() != seal:
        return None
    return body[len(_MAGIC) :]


def _write(cache_dir: str, path: str, key: bytes, program: bytes) -> None:
    """Leave the program for the next time, by one rename."""
    body = _MAGIC + program
    data = body + blake2b(body, digest_size=_DIGEST_BYTES, key=key).digest()
    fresh = f"{path}.{posix.getpid()}"
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC | posix.O_NOFOLLOW
    try:
        _make_room(cache_dir)
        fd = posix.open(fresh, flags, 0o600)
        try:
            whole = posix.write(fd, data) == len(data)
        finally:
            posix.close(fd)
        if whole:
            posix.rename(fresh, path)
        else:
            posix.unlink(fresh)
    except OSError:
        try:
            posix.unlink(fresh)
        except OSError:
            pass


def _make_room(cache_dir: str) -> None:
    """Make the directory, and drop the oldest files once there are many."""
    try:
        names = posix.listdir(cache_dir)
    except FileNotFoundError:
        posix.mkdir(cache_dir, 0o700)
        return
    if len(names) < _MAX_FILES:
        return
    paths = [f"{cache_dir}/{name}" for name in names]
    for path in sorted(paths, key=lambda path: posix.lstat(path).st_mtime_ns)[: _MAX_FILES // 2]:
        posix.unlink(path)
