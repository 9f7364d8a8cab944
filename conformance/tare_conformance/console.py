"""The receiving end of --console-socket."""

from __future__ import annotations

import array
import os
import socket
from pathlib import Path
from types import TracebackType

from tare_conformance.verdict import Failure


class ConsoleSocket:
    """Listens at `path` and owns the terminals that arrive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._masters: list[int] = []

    def __enter__(self) -> ConsoleSocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for fd in self._masters:
            os.close(fd)

    def receive(self, timeout_s: float) -> int:
        """The master of a terminal, which stays ours to close. Raises: Failure if none comes."""
        self._listener.settimeout(timeout_s)
        try:
            connection, _ = self._listener.accept()
        except TimeoutError as error:
            raise Failure("nobody connects to the console socket") from error
        with connection:
            connection.settimeout(timeout_s)
            room = socket.CMSG_SPACE(4)
            try:
                _, messages, _, _ = connection.recvmsg(4096, room)
            except TimeoutError as error:
                raise Failure("nothing comes through the console socket") from error
        fds = array.array("i")
        for level, kind, data in messages:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        self._masters += fds
        if len(fds) != 1 or not os.isatty(fds[0]):
            raise Failure(f"the console socket hands over {len(fds)} descriptors, and wants one terminal")
        return fds[0]
