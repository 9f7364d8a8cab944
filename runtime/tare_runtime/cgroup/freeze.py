"""Freezing and thawing all processes of a container, and whether it is frozen."""

from __future__ import annotations

import posix

from tare_runtime.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

_TRIES = 1000
_WAIT_S = 0.002


def freeze(state: State) -> None:
    """Stop every process of the container; returns when all stand still. Raises: HostError."""
    file, words = _file(state, "pause")
    _write(file, words[1], "pause")
    for turn in range(_TRIES):
        if _stands_still(file, words[1]):
            return
        if turn % 50 == 49:  # v1: a process that was forking meanwhile may need a second push
            _write(file, words[0], "pause")
            _write(file, words[1], "pause")
        _sleep()
    _write(file, words[0], "pause")
    raise HostError(
        f"pause container {state['id']}: its processes do not all stop in {_TRIES * _WAIT_S:.0f} s"
    )


def thaw(state: State) -> None:
    """Let the processes go on. Raises: HostError."""
    file, words = _file(state, "resume")
    _write(file, words[0], "resume")
    for _ in range(_TRIES):
        if _read(file).strip() == words[0]:
            return
        _sleep()
    raise HostError(f"resume container {state['id']}: {file} stays {_read(file).strip().decode()}")


def _stands_still(file: str, word: bytes) -> bool:
    """On v2 the file holds what was asked for; that it has happened is an event."""
    if file.endswith("cgroup.freeze"):
        return b"frozen 1" in _read(file.removesuffix("freeze") + "events")
    return _read(file).strip() == word


def is_frozen(state: State) -> bool:
    cgroup = state["cgroup"]
    path = cgroup["paths"].get("" if cgroup["version"] == 2 else "freezer")
    if path is None:
        return False
    try:
        return _read(path + _NAMES[cgroup["version"]]).strip() in (b"1", b"FROZEN", b"FREEZING")
    except OSError:
        return False


_NAMES = {1: "/freezer.state", 2: "/cgroup.freeze"}
_WORDS = {1: (b"THAWED", b"FROZEN"), 2: (b"0", b"1")}


def _file(state: State, verb: str) -> tuple[str, tuple[bytes, bytes]]:
    cgroup = state.get("cgroup") or {"version": 1, "paths": {}}
    path = cgroup["paths"].get("" if cgroup["version"] == 2 else "freezer")
    if path is None:
        raise HostError(f"{verb} container {state['id']}: this host has no freezer cgroup")
    return path + _NAMES[cgroup["version"]], _WORDS[cgroup["version"]]


def _write(file: str, word: bytes, verb: str) -> None:
    try:
        fd = posix.open(file, posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(fd, word)
        finally:
            posix.close(fd)
    except OSError as error:
        raise HostError(f"{verb}: write {file}: {(error.strerror or '').lower()}") from None


def _read(file: str) -> bytes:
    fd = posix.open(file, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, 64)
    finally:
        posix.close(fd)


def _sleep() -> None:
    from time import sleep

    sleep(_WAIT_S)
