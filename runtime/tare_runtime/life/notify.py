"""NOTIFY_SOCKET: what a service in the container tells systemd, passed on to the host's socket. Cold.

The container gets a socket of its own, in a directory that is mounted for it: the host's is not in its reach.
What it says is passed on line by line, without what would be a lie outside (a pid) or needs descriptors;
READY=1 is followed by the pid that the service manager is to watch.

Spec: sd_notify(3), sd_notify_barrier(3).
"""

from __future__ import annotations

import posix
import select
from _socket import (
    AF_UNIX,
    CMSG_SPACE,
    MSG_CMSG_CLOEXEC,
    SCM_RIGHTS,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOL_SOCKET,
    socket,
)

from tare_runtime._core import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.build import Request

VARIABLE = b"NOTIFY_SOCKET"
INSIDE = "/run/notify"
_FOLDER, _NAME = "notify", "notify.sock"
_BARRIER_MS = 30_000
_LONGEST = 4096
_NOT_PASSED = (b"MAINPID=", b"BARRIER=", b"FDSTORE=", b"FDSTOREREMOVE=", b"FDNAME=", b"MAINPIDFDID=")


def prepare(config: dict[str, Any], request: Request, root: str) -> dict[str, Any]:
    """The config with the mount and, in `request`, the variable that lead the container to its socket."""
    mount = {
        "destination": INSIDE,
        "type": "bind",
        "source": f"{root if root[:1] == '/' else posix.getcwd() + '/' + root}/{request.id}/{_FOLDER}",
        "options": ["bind", "nosuid", "noexec", "nodev", "ro"],
    }
    request.environment.append(f"NOTIFY_SOCKET={INSIDE}/{_NAME}")
    return {**config, "mounts": [*(config.get("mounts") or []), mount]}


def make_folder(directory: int) -> None:
    """In the container's state directory, open as `directory`: what will be mounted."""
    posix.mkdir(_FOLDER, 0o755, dir_fd=directory)
    posix.chmod(f"/proc/self/fd/{directory}/{_FOLDER}", 0o755)


class Relay:
    """Between the container's socket and that of the host (`target`). A context manager."""

    def __init__(self, directory: int, target: bytes) -> None:
        """`directory`: the container's state directory, with what `make_folder` made; stays the caller's."""
        self.inside = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        self.outside = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        path = f"/proc/self/fd/{directory}/{_FOLDER}/{_NAME}"
        try:
            self.inside.bind(path)
            posix.chmod(path, 0o777)
        except OSError as error:
            self.close()
            words = f"pass NOTIFY_SOCKET on: {path}: {(error.strerror or str(error)).lower()}"
            raise OSError(error.errno, words) from None
        try:
            self.outside.connect(b"\0" + target[1:] if target[:1] == b"@" else target)
        except OSError:
            pass  # nobody hears the container there: what it says is read all the same, or it would wait

    def until_ready(self, pid: int) -> None:
        """Pass on what comes until READY=1, or until process `pid` has ended; `pid` becomes MAINPID."""
        self._pass_on(pid, pid, forever=False)

    def as_long_as(self, pid: int, main_pid: int) -> None:
        """Pass on what comes until process `pid` has ended."""
        self._pass_on(pid, main_pid, forever=True)

    def _pass_on(self, pid: int, main_pid: int, *, forever: bool) -> None:
        pidfd = lib.tare_pidfd_open(pid)
        if pidfd < 0:
            return
        poll = select.poll()
        poll.register(self.inside.fileno(), select.POLLIN)
        poll.register(pidfd, select.POLLIN)
        try:
            while True:
                ready = {fd for fd, _ in poll.poll()}
                if self.inside.fileno() in ready:
                    if self._take(main_pid) and not forever:
                        return
                elif pidfd in ready:
                    return
        finally:
            posix.close(pidfd)

    def _take(self, main_pid: int) -> bool:
        """Pass one message on; whether it said that the service is ready."""
        data, controls, _flags, _from = self.inside.recvmsg(_LONGEST, CMSG_SPACE(4 * 253), MSG_CMSG_CLOEXEC)
        _close_received(controls)
        lines = [line for line in data.split(b"\n") if line and not line.startswith(_NOT_PASSED)]
        ready = b"READY=1" in lines
        if ready:
            lines.append(b"MAINPID=%d" % main_pid)
        try:
            if lines:
                self.outside.send(b"\n".join(lines) + b"\n")
            if ready:
                self._barrier()
        except OSError:
            pass  # the service manager has gone
        return ready

    def _barrier(self) -> None:
        """Wait until the service manager has read what was sent: it closes the descriptor that it gets."""
        read, write = posix.pipe2(posix.O_CLOEXEC)
        try:
            right = (SOL_SOCKET, SCM_RIGHTS, write.to_bytes(4, "little"))
            self.outside.sendmsg([b"BARRIER=1"], [right])
            posix.close(write)
            write = -1
            lib.tare_wait_pidfd(read, _BARRIER_MS)
        finally:
            for fd in (read, write):
                if fd >= 0:
                    posix.close(fd)

    def close(self) -> None:
        self.inside.close()
        self.outside.close()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _close_received(controls: list[tuple[int, int, bytes]]) -> None:
    """Nothing of the container's is kept open by us; a barrier of its own is answered by that."""
    for level, kind, data in controls:
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            for at in range(0, len(data) - 3, 4):
                posix.close(int.from_bytes(data[at : at + 4], "little"))
