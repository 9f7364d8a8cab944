"""Sockets of the caller that get a descriptor from us. Cold."""

import posix

from tare_runtime._core import lib
from tare_runtime.host.spawn import checked


def send_pidfd(path: str, pid: int, name: str) -> None:
    """Send a pidfd of process `pid` to the listening socket `path`, with `name` as its text.

    The names are runc's: "standard" for a container's first process, "setns" for those of `exec`.
    """
    pidfd = checked(lib.tare_pidfd_open(pid), f"watch process {pid}")
    try:
        result = lib.tare_send_console(path.encode("utf-8", "surrogateescape"), pidfd, name.encode())
        checked(result, f"send a pidfd to --pidfd-socket {path}")
    finally:
        posix.close(pidfd)
