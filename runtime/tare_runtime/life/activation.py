"""Descriptors that the caller passes on: LISTEN_FDS, and those of --preserve-fds. Cold.

Spec: sd_listen_fds(3).
"""

from __future__ import annotations

import posix
from fcntl import F_GETFD, FD_CLOEXEC, fcntl

from tare_runtime.errors import HostError, UsageError

_FIRST = 3
_MOST = 1 << 16


def listen_fds() -> tuple[int, list[str]]:
    """How many sockets systemd, or who does as it does, has put from descriptor 3 up for us; and the
    environment that tells the container of them, where its first process is number 1.

    Sockets for another process (LISTEN_PID) are not ours. Raises: UsageError for a count that is none.
    """
    text = posix.environ.get(b"LISTEN_FDS", b"").decode("ascii", "replace")
    pid = posix.environ.get(b"LISTEN_PID", b"")
    if pid and pid != b"%d" % posix.getpid():
        return 0, []
    if not (text.isdigit() and int(text) < _MOST):
        raise UsageError(f"pass sockets on: LISTEN_FDS={text!r} is not their number")
    count = int(text)
    if not count:
        return 0, []
    environment = [f"LISTEN_FDS={count}", "LISTEN_PID=1"]
    names = posix.environ.get(b"LISTEN_FDNAMES")
    if names is not None:
        environment.append("LISTEN_FDNAMES=" + names.decode("utf-8", "surrogateescape"))
    return count, environment


def check_passed(count: int) -> None:
    """Raises: HostError unless the caller gave us each of `count` descriptors from 3 up."""
    for fd in range(_FIRST, _FIRST + count):
        try:
            ours = fcntl(fd, F_GETFD) & FD_CLOEXEC  # what we open ourselves is closed by exec
        except OSError:
            ours = 1
        if ours:
            raise HostError(
                f"pass descriptor {fd} to the container: it is not open",
                f"{count} are wanted by --preserve-fds or LISTEN_FDS: from {_FIRST} to {_FIRST + count - 1}",
            )
