"""Readers that check what they hand on: bounded, hashed, compared with the descriptor.

The rule of the whole tool: no byte of content is used before its size and digest are known to be right.
A VerifyingReader therefore raises in place of the *last* piece of a blob that is wrong, so that even a
caller who stops after `size` bytes cannot have all of it unverified.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Protocol

from tare_spec.digest import Digest
from tare_spec.image import Descriptor

from tare_imagetools.errors import VerifyError

CHUNK = 1 << 20


class ByteSource(Protocol):
    """Where a VerifyingReader gets its bytes: an unbuffered file, or a download."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...

    def seek(self, offset: int, /) -> object:
        """Called before the first read only, to leave out what the caller already has."""

    def close(self) -> None: ...


class VerifyingReader(io.RawIOBase):
    def __init__(self, raw: ByteSource, descriptor: Descriptor, what: str) -> None:
        """`what` names the content in messages, such as "layer sha256:… of docker.io/library/busybox"."""
        super().__init__()
        self.raw = raw
        self.descriptor = descriptor
        self.what = what
        self.position = 0
        self.hasher = descriptor.digest.hasher()
        self.verified = False
        self.resumed = False
        self.watch: Callable[[int], None] | None = None  # told of every piece; may raise to end the reading

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self.verified:
            return 0
        left = self.descriptor.size - self.position
        view = memoryview(buffer)
        count = 0
        if left > 0:
            count = self.raw.readinto(view[: min(left, len(view))]) or 0
            if count == 0:
                raise VerifyError.of_size(self.what, self.descriptor.size, f"only {self.position}")
            self.hasher.update(view[:count])
            self.position += count
            if self.watch is not None:
                self.watch(count)
        if count == left:
            self.check_end()
        return count

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return self.readall()
        buffer = bytearray(min(size, CHUNK))
        return bytes(memoryview(buffer)[: self.readinto(buffer)])

    def readall(self) -> bytes:
        pieces = []
        while piece := self.read(CHUNK):
            pieces.append(piece)
        return b"".join(pieces)

    def resume(self, prefix: ByteSource, length: int) -> None:
        """Take the first `length` bytes from elsewhere: hash them there, and read on after them.

        Only before the first read. `prefix` stays the caller's.
        """
        buffer = memoryview(bytearray(CHUNK))
        while self.position < length:
            count = prefix.readinto(buffer[: min(CHUNK, length - self.position)]) or 0
            if count == 0:
                break
            self.hasher.update(buffer[:count])
            self.position += count
        self.resumed = True
        self.raw.seek(self.position)
        if self.watch is not None:
            self.watch(self.position)

    def check_end(self) -> None:
        if self.raw.readinto(memoryview(bytearray(1))):
            raise VerifyError.of_size(self.what, self.descriptor.size, f"more than {self.descriptor.size}")
        want = self.descriptor.digest
        got = Digest(want.algorithm, self.hasher.hexdigest())
        if got != want:
            raise VerifyError.of_digest(self.what, want, got)
        self.verified = True

    def close(self) -> None:
        if not self.closed:
            self.raw.close()
        super().close()


def read_bounded(raw: ByteSource, limit: int, what: str) -> bytes:
    """All of a body that has no announced digest, refused when it is longer than `limit`.

    Raises: VerifyError.
    """
    found = bytearray()
    buffer = memoryview(bytearray(min(CHUNK, limit + 1)))
    while len(found) <= limit:
        count = raw.readinto(buffer[: min(len(buffer), limit + 1 - len(found))]) or 0
        if count == 0:
            return bytes(found)
        found += buffer[:count]
    raise VerifyError(what, f"the content is longer than {limit} bytes, the most that is read")


def read_blob(stream: VerifyingReader, limit: int) -> bytes:
    """A small blob (a configuration, a manifest) into memory; closes the stream.

    Raises: VerifyError, also when it is announced longer than `limit`.
    """
    with stream:
        size = stream.descriptor.size
        if size > limit:
            raise VerifyError(stream.what, f"it is {size} bytes long, and {limit} is the most that is read")
        return stream.readall()


def check_bytes(raw: bytes, want: Digest, what: str) -> None:
    """Raises: VerifyError, when the bytes have another digest."""
    got = Digest.of(raw, want.algorithm)
    if got != want:
        raise VerifyError.of_digest(what, want, got)
