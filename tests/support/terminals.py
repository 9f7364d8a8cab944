"""Both ends of terminals: a pty to run a command on, and a socket that takes the master of a container's."""

from __future__ import annotations

import array
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path
from types import TracebackType


def set_size(fd: int, rows: int, columns: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Screen:
    """What comes out of a terminal's master, and keys that go in. Owns `fd`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.text = ""

    def until(self, phrase: str, timeout_s: float = 10) -> str:
        """Read until `phrase` has come; gives everything that has come since the last call."""
        end = time.monotonic() + timeout_s
        while phrase not in self.text:
            left = end - time.monotonic()
            assert left > 0, f"no {phrase!r} in {self.text!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:  # EIO: every other end is closed
                    data = b""
                assert data, f"the terminal ended without {phrase!r}: {self.text!r}"
                self.text += data.decode(errors="replace")
        text, self.text = self.text, ""
        return text

    def keys(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def close(self) -> None:
        os.close(self.fd)


class Session:
    """A command on a pty of its own, as a shell starts it: it leads a session that has the terminal."""

    def __init__(self, command: list[str], cwd: Path, rows: int = 33, columns: int = 101) -> None:
        master, slave = pty.openpty()
        set_size(master, rows, columns)
        self.screen = Screen(master)
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.slave)
        self.screen.close()


class ConsoleSocket:
    """A socket for --console-socket. Owns the socket; what it received is the caller's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen(1)
        self.socket.settimeout(10)

    def receive(self) -> tuple[Screen, str]:
        """The master, and the text that came with it."""
        connection, _ = self.socket.accept()
        with connection:
            connection.settimeout(10)
            data, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(64))
        fds = array.array("i")
        for level, kind, payload in control:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(payload)
        assert len(fds) == 1
        return Screen(fds[0]), data.decode()

    def __enter__(self) -> ConsoleSocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        self.path.unlink()
