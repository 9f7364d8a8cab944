"""A child process that puts a seccomp filter on itself and reports what its system calls answer."""

from __future__ import annotations

import ctypes
import os
import struct

PR_SET_NO_NEW_PRIVS = 38
SYS_SECCOMP = 317  # x86_64
SECCOMP_SET_MODE_FILTER = 1


def errno_of_calls(program: bytes, flags: int, calls: list[tuple[int, ...]]) -> list[int] | int:
    """What each call, (number, arguments…), answers under the filter: its errno, 0 for success.

    A child that the filter kills gives the number of the signal, negative.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            buffer = ctypes.create_string_buffer(program, len(program))
            header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
            fprog = ctypes.create_string_buffer(header, len(header))
            if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
                os._exit(101)
            if libc.syscall(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, flags, fprog):
                os._exit(102)
            for call in calls:
                ctypes.set_errno(0)
                failed = libc.syscall(*[ctypes.c_long(word) for word in call]) == -1
                os.write(writer, struct.pack("i", ctypes.get_errno() if failed else 0))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return -os.WTERMSIG(status)
    assert os.WEXITSTATUS(status) == 0, f"the filter was not accepted ({os.WEXITSTATUS(status)})"
    return list(struct.unpack(f"{len(data) // 4}i", data))
