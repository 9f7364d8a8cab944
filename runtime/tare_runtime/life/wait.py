"""Waiting for processes, and reading what they left."""

import posix

from tare_runtime._core import lib
from tare_runtime.host.spawn import checked


def peek_status(pid: int) -> "int | None":
    """How a child of ours ended, without reaping it: its exit code, -SIGNAL, or None while it lives."""
    try:
        result = posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)
    except ChildProcessError:
        return None
    if result is None:
        return None
    return result.si_status if result.si_code == posix.CLD_EXITED else -result.si_status


def exit_code(status: int) -> int:
    """A wait status as a shell reports it: N, or 128 + the signal."""
    if posix.WIFSIGNALED(status):
        return 128 + posix.WTERMSIG(status)
    return posix.WEXITSTATUS(status)


def wait_gone(pid: int, timeout_ms: int) -> bool:
    """Wait until a process, ours or not, has ended. False if it has not in time."""
    pidfd = lib.tare_pidfd_open(pid)
    if pidfd < 0:
        return True
    try:
        return checked(lib.tare_wait_pidfd(pidfd, timeout_ms), "wait for a process") > 0
    finally:
        posix.close(pidfd)


class Foreground:
    """A command that stays with its process: signals are kept from it, to be forwarded, before that begins.

    A context manager; owns the descriptor on which signals arrive.
    """

    def __enter__(self) -> "Foreground":
        self.signals = checked(lib.tare_signals_take(), "take signals")
        return self

    def __exit__(self, *_: object) -> None:
        posix.close(self.signals)

    def supervise(self, pid: int, master: int) -> int:
        """Forward signals to `pid`, copy its terminal; its exit code at the end.

        `master` (-1: none) stays the caller's.
        """
        from tare_runtime._core import ffi

        saved = None
        if master >= 0 and posix.isatty(0):
            saved = ffi.new("char[]", lib.TARE_TERMIOS_BYTES)
            if lib.tare_raw_mode(0, saved) < 0:
                saved = None
        try:
            return exit_code(checked(lib.tare_supervise(pid, self.signals, master), "wait for the process"))
        finally:
            if saved is not None:
                lib.tare_restore_mode(0, saved)
