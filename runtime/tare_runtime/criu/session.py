"""One talk with CRIU: `criu swrk` as our child, requests and answers over a socket.

Spec: criu.org/RPC; images/rpc.proto.
"""

from __future__ import annotations

import posix
from _socket import AF_UNIX, CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket

from tare_runtime.criu.wire import decode, encode, number, text
from tare_runtime.errors import HostError, RuntimeFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Message = dict[int, list[int | bytes]]

DUMP, RESTORE, PRE_DUMP, NOTIFY = 1, 2, 4, 6  # criu_req_type
_ANSWER_BYTES = 40960
_SOCKET = 3  # in CRIU's process
FIRST_PASSED = 4  # the first of the descriptors behind it


class Session:
    """A context manager. `pid`: CRIU's process; the descriptors given stay the caller's."""

    def __init__(
        self,
        program: str,
        *,
        wrap: tuple[str, ...] = (),
        stdio: tuple[int, int, int] = (0, 1, 2),
        passed: tuple[int, ...] = (),
    ) -> None:
        """`wrap`: a command that executes CRIU. `passed`: descriptors that it gets from FIRST_PASSED up.

        Raises: HostError if CRIU cannot be run.
        """
        self.socket, theirs = _pair()
        try:
            argv = [*wrap, program, "swrk", str(_SOCKET)]
            self.pid = _spawn(argv, [*stdio, theirs.fileno(), *passed])
        except OSError as error:
            self.socket.close()
            reason = (error.strerror or "").lower()
            hint = "install CRIU (the package criu), or name its program with --criu"
            raise HostError(f"run {program}: {reason}", hint) from None
        finally:
            theirs.close()

    def request(
        self, kind: int, options: list[tuple[int, Any]], notified: Callable[[str, int, int], None]
    ) -> Message:
        """Have CRIU do one thing; the answer's fields.

        `notified` gets each notification: its name, a pid (0: none), a descriptor (-1: none; the callee's).
        Raises: RuntimeFailure if CRIU fails, or `notified` does.
        """
        self.socket.send(encode([(1, kind), (2, options)]))
        while True:
            try:
                data, controls, _flags, _from = self.socket.recvmsg(
                    _ANSWER_BYTES, CMSG_SPACE(4), MSG_CMSG_CLOEXEC
                )
            except ConnectionResetError:
                data, controls = b"", []
            if not data:
                raise RuntimeFailure("criu ended without an answer")
            answer = decode(data)
            if not number(answer, 2):
                words = text(answer, 9)
                raise RuntimeFailure(
                    f"criu failed: errno {number(answer, 7)}" + (f": {words}" if words else "")
                )
            if number(answer, 1) != NOTIFY:
                return answer
            inner = answer.get(5, [b""])[-1]
            notice = decode(inner) if isinstance(inner, bytes) else {}
            notified(text(notice, 1), number(notice, 2), _received(controls))
            self.socket.send(encode([(1, NOTIFY), (3, True)]))

    def end(self) -> None:
        """Let CRIU end, and reap it."""
        if self.pid:
            self.socket.close()
            try:
                posix.waitpid(self.pid, 0)
            except ChildProcessError:
                pass
            self.pid = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def _pair() -> tuple[socket, socket]:
    from _socket import SOCK_CLOEXEC, socketpair

    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)


def _spawn(argv: list[str], fds: list[int]) -> int:
    """With `fds` as its descriptors from 0 up. All are lifted first, so that none is overwritten."""
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    lifted = [fcntl(fd, F_DUPFD_CLOEXEC, len(fds)) for fd in fds]
    try:
        actions = [(posix.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(lifted)]
        return _posix_spawnp(argv, actions)
    finally:
        for fd in lifted:
            posix.close(fd)


def _posix_spawnp(argv: list[str], actions: list[tuple[int, int, int]]) -> int:
    # CRIU calls programs of its own (iptables, tar): it needs the caller's environment.
    return posix.posix_spawnp(argv[0], argv, posix.environ, file_actions=actions, setsigmask=())


def _received(controls: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in controls:
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            return int.from_bytes(data[:4], "little")
    return -1


def quoted(directory: str, name: str) -> str:
    """The first error in CRIU's log, without its time and its place in the source; "" if there is none."""
    try:
        with open(f"{directory}/{name}", encoding="utf-8", errors="replace") as file:
            for line in file:
                _, found, words = line.partition("Error (")
                if found:
                    return words.partition("): ")[2].strip()
    except OSError:
        pass
    return ""
