"""What happens to a container, as a stream: statistics from time to time, and each shortage of memory."""

from __future__ import annotations

import posix
import select
from time import monotonic

from tare_runtime._core import lib
from tare_runtime.errors import NotRunning
from tare_runtime.host.spawn import checked
from tare_runtime.state.store import process_start, state_in_use
from tare_runtime.watch.stats import event, statistics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Event = dict[str, Any]
    State = dict[str, Any]


def statistics_of(root: str, id: str) -> Event:
    """One event with the present statistics. Raises: NotRunning."""
    return event(id, "stats", statistics(state_in_use(root, id)))


def events(root: str, id: str, interval_s: float) -> Iterator[Event]:
    """Events until the container's process has ended. Raises: NotRunning."""
    state = state_in_use(root, id)
    pidfd = checked(lib.tare_pidfd_open(state["pid"]), f"watch process {state['pid']}")
    shortages = None
    try:
        if process_start(state["pid"]) != state["pidStart"]:
            raise NotRunning(id)
        shortages = _Shortages(state["cgroup"])
        yield from _watch(id, state, pidfd, shortages, interval_s)
    finally:
        posix.close(pidfd)
        if shortages:
            shortages.close()


def _watch(id: str, state: State, pidfd: int, shortages: _Shortages, interval_s: float) -> Iterator[Event]:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if shortages.fd >= 0:
        poll.register(shortages.fd, shortages.mask)
    due = monotonic() + interval_s
    while True:
        ready = {fd for fd, _ in poll.poll(max(0, (due - monotonic()) * 1000))}
        ended = pidfd in ready
        if ended or shortages.fd in ready:
            for _ in range(shortages.take(id)):
                yield event(id, "oom")
        if ended:
            return
        if monotonic() >= due:
            yield event(id, "stats", statistics(state))
            due += interval_s


class _Shortages:
    """Tells when the kernel found no memory for the container. Owns `fd` (-1: it cannot be told here)."""

    def __init__(self, cgroup: dict[str, Any]) -> None:
        self.fd = -1
        self.mask = select.POLLIN
        self._version = cgroup["version"]
        path = cgroup["paths"].get("" if self._version == 2 else "memory")
        if path is None:
            return
        try:
            self.fd = self._open_v2(path) if self._version == 2 else _eventfd_v1(path)
        except OSError:
            return
        self._count = self._read_count() if self._version == 2 else 0

    def take(self, id: str) -> int:
        """How many there were since the last call."""
        if self.fd < 0:
            return 0
        if self._version == 1:
            try:
                return posix.eventfd_read(self.fd)
            except BlockingIOError:
                return 0
        before, self._count = self._count, self._read_count()
        return max(0, self._count - before)

    def close(self) -> None:
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1

    def _open_v2(self, path: str) -> int:
        """A change of memory.events wakes who polls for an exceptional condition (kernfs)."""
        self.mask = select.POLLPRI
        return posix.open(f"{path}/memory.events", posix.O_RDONLY | posix.O_CLOEXEC)

    def _read_count(self) -> int:
        words = posix.pread(self.fd, 4096, 0).split()
        return int(words[words.index(b"oom_kill") + 1]) if b"oom_kill" in words else 0


def _eventfd_v1(path: str) -> int:
    """Spec: Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control"."""
    eventfd = posix.eventfd(0, posix.EFD_CLOEXEC | posix.EFD_NONBLOCK)
    try:
        control = posix.open(f"{path}/memory.oom_control", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            writer = posix.open(f"{path}/cgroup.event_control", posix.O_WRONLY | posix.O_CLOEXEC)
            try:
                posix.write(writer, b"%d %d" % (eventfd, control))
            finally:
                posix.close(writer)
        finally:
            posix.close(control)
    except BaseException:
        posix.close(eventfd)
        raise
    return eventfd
