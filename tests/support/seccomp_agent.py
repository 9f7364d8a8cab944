"""Somebody to ask: takes seccomp listeners on a socket and answers what they ask (seccomp_unotify(2))."""

from __future__ import annotations

import array
import fcntl
import json
import os
import select
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_CONTINUE = 1
Decide = Callable[[int, tuple[int, ...]], int]  # (number, arguments) → 0: let it go on, or an errno


class Agent:
    """Listens at `path`; `states` are the documents that came, `asked` the numbers of the calls."""

    def __init__(self, path: Path, decide: Decide = lambda number, args: 0) -> None:
        self.path = path
        self.decide = decide
        self.states: list[dict[str, Any]] = []
        self.fd_counts: list[int] = []
        self.asked: list[int] = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.ended, self.end = os.pipe()
        self.threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Agent:
        self.threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.end)
        for thread in self.threads:
            thread.join(timeout=20)
        os.close(self.ended)
        self.listener.close()

    def _accept(self) -> None:
        while self.listener in select.select([self.listener, self.ended], [], [])[0]:
            connection, _ = self.listener.accept()
            fds = array.array("i")
            data, control, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(16 * fds.itemsize))
            for level, kind, content in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(content)
            while more := connection.recv(1 << 16):
                data += more
            connection.close()
            self.states.append(json.loads(data))
            self.fd_counts.append(len(fds))
            for fd in fds:
                self.threads.append(threading.Thread(target=self._answer, args=(fd,)))
                self.threads[-1].start()

    def _answer(self, fd: int) -> None:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.register(self.ended, 0)
        try:
            while True:
                events = dict(poll.poll())
                if not events.get(fd, 0) & select.POLLIN:
                    return  # nobody has the filter any more, or the test is over
                request = bytearray(80)
                try:
                    fcntl.ioctl(fd, _RECEIVE, request)
                except OSError:
                    continue  # who asked is gone
                unique, _, _, number, _, _, *args = struct.unpack("QIIiIQ6Q", request)
                self.asked.append(number)
                error = self.decide(number, tuple(args))
                answer = struct.pack("QqiI", unique, 0, -error, 0 if error else _CONTINUE)
                try:
                    fcntl.ioctl(fd, _ANSWER, bytearray(answer))
                except OSError:
                    continue
        finally:
            os.close(fd)
