"""What happens to the cgroups of a container that exists: which processes, kill them, remove them."""

from __future__ import annotations

import posix

from tare_runtime.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

_TRIES = 200
_PATIENCE = 30  # about a second
_FIRST_WAIT_S = 0.0005
_LONGEST_WAIT_S = 0.05


def cgroup_pids(state: State) -> list[int]:
    """Every process in the container's cgroups, those below included, sorted."""
    directory = _one_path(state)
    return sorted(_pids_below(directory)) if directory else []


def kill_all(state: State, signal: int) -> int:
    """Signal every process of the container; returns how many there were.

    For SIGKILL it goes round until none is left, as a process may fork meanwhile.
    """
    total = 0
    wait = _FIRST_WAIT_S
    if signal == 9:
        _kill_at_once(state)
    for _ in range(_TRIES if signal == 9 else 1):
        pids = cgroup_pids(state)
        total += len(pids)
        if not pids:
            break
        for pid in pids:
            try:
                posix.kill(pid, signal)
            except ProcessLookupError:
                pass
        if signal == 9:
            wait = _sleep(wait)
    return total


def _kill_at_once(state: State) -> None:
    """v2, since Linux 5.14: the kernel kills all in the cgroup, and whatever they fork meanwhile."""
    cgroup = state.get("cgroup") or {}
    if cgroup.get("version") == 2 and cgroup["paths"]:
        try:
            fd = posix.open(cgroup["paths"][""] + "/cgroup.kill", posix.O_WRONLY | posix.O_CLOEXEC)
        except OSError:
            return
        try:
            posix.write(fd, b"1")
        except OSError:
            pass  # a threaded cgroup: the signals follow
        finally:
            posix.close(fd)


def remove_cgroups(state: State) -> None:
    """Remove the container's cgroups with those made below them; missing ones are fine.

    A cgroup is busy until the kernel has done with the last process of it, so EBUSY is tried again.
    Raises: HostError if one stays busy.
    """
    cgroup = state.get("cgroup") or {}
    if "unit" in cgroup:
        from tare_runtime.cgroup.systemd_unit import stop_unit

        kill_all(state, 9)
        try:
            stop_unit(cgroup["unit"], user=cgroup["userUnit"])
        except HostError:
            pass  # out of reach: it forgets a scope that is empty by itself; the cgroup is removed below
    for directory in reversed(cgroup.get("created", ())):
        wait = _FIRST_WAIT_S
        for left in range(_TRIES, -1, -1):
            try:
                posix.rmdir(directory)
            except FileNotFoundError:
                pass
            except OSError as error:
                if not posix.access(directory, posix.F_OK):
                    break  # on a read-only file system the kernel says that first
                if not left:
                    reason = (error.strerror or "").lower()
                    raise HostError(f"remove cgroup {directory}: {reason}") from None
                _remove_below(directory)
                wait = _sleep(wait)
                continue
            break


def remove_if_left(state: State) -> None:
    """Remove cgroups that a maker that was killed has left, unless another container has them by now.

    Its init may be at its end still, so a moment is given to it. Raises: HostError as `remove_cgroups`.
    """
    wait = _FIRST_WAIT_S
    for _ in range(_PATIENCE):
        if not cgroup_pids(state):
            remove_cgroups(state)
            return
        wait = _sleep(wait)


def oom_count(state: State) -> int:
    """How many processes of the container the kernel has killed for want of memory; 0 if unknown."""
    cgroup = state.get("cgroup") or {"version": 1, "paths": {}}
    if cgroup["version"] == 2:
        file = cgroup["paths"].get("", "") + "/memory.events"
    else:
        file = cgroup["paths"].get("memory", "") + "/memory.oom_control"
    try:
        words = _read(file).split()
    except OSError:
        return 0
    return int(words[words.index(b"oom_kill") + 1]) if b"oom_kill" in words else 0


def _one_path(state: State) -> str:
    """A cgroup that holds every process; on v1 one where programs in the container have no reason to nest."""
    paths: dict[str, str] = state.get("cgroup", {}).get("paths", {})
    for controller in ("", "devices", "freezer", "pids"):
        if controller in paths:
            return paths[controller]
    return next(iter(paths.values()), "")


def _pids_below(directory: str) -> list[int]:
    try:
        pids = [int(word) for word in _read(directory + "/cgroup.procs").split()]
    except OSError:  # gone, or a threaded cgroup of v2, whose processes its domain shows
        pids = []
    for name in _subdirectories(directory):
        pids += _pids_below(f"{directory}/{name}")
    return pids


def _remove_below(directory: str) -> None:
    for name in _subdirectories(directory):
        _remove_below(f"{directory}/{name}")
        try:
            posix.rmdir(f"{directory}/{name}")
        except OSError:
            pass  # busy still: the caller comes again


def _subdirectories(directory: str) -> list[str]:
    try:
        with posix.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _read(path: str) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        data = b""
        while chunk := posix.read(fd, 65536):
            data += chunk
        return data
    finally:
        posix.close(fd)


def _sleep(seconds: float) -> float:
    """Sleep, and return the next, longer time."""
    from time import sleep

    sleep(seconds)
    return min(seconds * 1.5, _LONGEST_WAIT_S)
