"""A container's output on disk, in the line format of the Kubernetes CRI, which keeps every byte.

    2026-11-25T10:00:00.000000000Z stdout F a whole line
    2026-11-25T10:00:00.100000000Z stderr P a piece of a line, to be continued

Moving bytes from a container to its log is `pump`; `replay` is the way back. A log that may not grow for ever
is two files: when the newer one is half of what is kept, it takes the place of the older (log.1).
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 65536


class LogWriter:
    """`limit_bytes`: of both files together; 0 means none.

    `failed`: why lines were lost (a full disk); the container goes on.
    """

    def __init__(self, path: Path, limit_bytes: int = 0) -> None:
        self.failed: OSError | None = None
        self.path = path
        self.half = limit_bytes // 2
        self.fd = self._open()
        self.held = os.fstat(self.fd).st_size

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, stream: str, data: bytes) -> None:
        now = time.time_ns()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z"
        whole = f"{stamp} {stream} F ".encode()
        pieces = data.split(b"\n")
        lines = [whole + piece + b"\n" for piece in pieces[:-1]]
        if pieces[-1]:
            lines.append(f"{stamp} {stream} P ".encode() + pieces[-1] + b"\n")
        waiting: list[bytes] = []
        try:
            for line in lines:
                if self.half and self.held and self.held + len(line) > self.half:
                    write_all(self.fd, b"".join(waiting))
                    waiting.clear()
                    self._rotate()
                waiting.append(line)
                self.held += len(line)
            write_all(self.fd, b"".join(waiting))
        except OSError as error:
            self.failed = error

    def _rotate(self) -> None:
        self.path.rename(older(self.path))
        os.close(self.fd)
        self.fd = self._open()
        self.held = 0

    def close(self) -> None:
        os.close(self.fd)


def older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def pump(sources: dict[int, str], take: Callable[[str, bytes], None], ended: int) -> None:
    """Hand on what arrives on `sources` (descriptor → stream), until all end or `ended` becomes readable.

    `ended` is the pidfd of the process whose end is the end of it all: a grandchild in the host's pid
    namespace could keep a pipe open for ever. What was written before that is still handed on.
    The descriptors of `sources` become ours and are closed, at once where `take` raises BrokenPipeError: the
    writer is to learn, by SIGPIPE, that nobody reads.
    """
    with selectors.DefaultSelector() as selector:
        for fd in sources:
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        open_fds = set(sources)
        over = False
        try:
            while open_fds and not over:
                ready = {key.fd for key, _ in selector.select()}
                over = ended in ready
                for fd in sorted(open_fds if over else ready & open_fds):
                    if not _move(fd, sources[fd], take):
                        selector.unregister(fd)
                        open_fds.discard(fd)
                        os.close(fd)
        finally:
            for fd in open_fds:
                os.close(fd)


def _move(fd: int, stream: str, take: Callable[[str, bytes], None]) -> bool:
    """Hand on what is there now; False at the end of the stream, or of its reader."""
    while True:
        try:
            data = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return True
        except OSError:  # EIO: the last holder of a terminal's other end has gone
            return False
        if not data:
            return False
        try:
            take(stream, data)
        except BrokenPipeError:
            return False


def replay(path: Path, *, follow: Callable[[], bool] | None = None) -> Iterator[tuple[str, str, bytes]]:
    """(time, stream, bytes) of each line; with `follow`, waits for more for as long as it says True."""
    file = path.open("rb")
    try:
        yield from _before(file, path)
        while True:
            more_to_come = follow is not None and follow()
            rotated = _is_other(file, path)
            yield from _lines(file)
            if rotated:  # what the file has got before that is read: on to the one that took its name
                file.close()
                file = path.open("rb")
            elif not more_to_come:
                return
            else:
                time.sleep(0.05)
    finally:
        file.close()


def _before(file: BinaryIO, path: Path) -> Iterator[tuple[str, str, bytes]]:
    """The lines of the older file, if it is not `file` itself, renamed since it was opened."""
    try:
        with older(path).open("rb") as before:
            if not os.path.samestat(os.fstat(before.fileno()), os.fstat(file.fileno())):
                yield from _lines(before)
    except FileNotFoundError:
        pass


def _is_other(file: BinaryIO, path: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False  # between the two steps of rotating, or removed


def _lines(file: BinaryIO) -> Iterator[tuple[str, str, bytes]]:
    """The whole lines from here on; a line that is being written is left for the next time."""
    rest = b""
    while chunk := file.read(CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            stamp, stream, tag, content = line.split(b" ", 3)
            yield stamp.decode(), stream.decode(), content + (b"\n" if tag == b"F" else b"")
    file.seek(-len(rest), os.SEEK_CUR)
