"""Compressed layer → its tar, in pieces of bounded size: gzip of any number of members, zstd, or as it is.

Reads at most `READ` bytes ahead and hands on at most `PIECE` bytes at a time, whatever the stream would
expand to. ISA-L inflates at twice zlib's speed where the `isal` package is installed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from tare_imagetools.errors import LayerError

if TYPE_CHECKING:
    from tare_imagetools.layer.apply import Reader

READ = 128 << 10
PIECE = 512 << 10
MEMBER_START = 4 << 10
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
ZSTD_WINDOW_LOG_MAX = 27
"""128 MiB, what `zstd -d` accepts without being told to take more memory."""


class Inflater(Protocol):
    """zlib's and ISA-L's decompression object."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...


def plain_pieces(stream: Reader, compression: str) -> Iterator[bytes]:
    """The layer's tar. The first bytes decide; `compression` counts where they say nothing.

    Docker's archives hold gzip under media types that promise plain tar, and the other way round.
    Raises: LayerError when the compressed stream is damaged or cut short.
    """
    first = stream.read(READ)
    found = next((name for magic, name in MAGIC.items() if first.startswith(magic)), None)
    # zstd allows frames of other data before the first; only the media type can tell then.
    kind = found or ("zstd" if compression == "zstd" else "none")
    if kind == "none":
        return as_it_is(stream, first)
    return gunzip(stream, first) if kind == "gzip" else unzstd(stream, first)


def as_it_is(stream: Reader, piece: bytes) -> Iterator[bytes]:
    while piece:
        yield piece
        piece = stream.read(PIECE)


def new_inflater() -> tuple[Inflater, type[Exception]]:
    """For one gzip member: header, data, check sum."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompressobj(31), zlib.error
    # Its type stub calls the class an instance.
    return isal_zlib.decompressobj(31), isal_zlib.error  # type: ignore[return-value]


def gunzip(stream: Reader, first: bytes) -> Iterator[bytes]:
    """Member after member. What follows a member is copied by the inflater, so the first bite of each is
    small: a file of a million empty members then costs time in proportion to its size."""
    data = memoryview(first)
    while data:
        inflater, damaged = new_inflater()
        bite = MEMBER_START
        while not inflater.eof:
            if not data:
                data = memoryview(stream.read(READ))
                if not data:
                    raise LayerError("", "the gzip stream is cut short")
            part: bytes | memoryview = data[:bite]
            data = data[bite:]
            bite = min(bite * 4, READ)
            while part and not inflater.eof:
                try:
                    piece = inflater.decompress(part, PIECE)
                except damaged as error:
                    raise LayerError("", f"the gzip stream is damaged: {error}") from error
                if piece:
                    yield piece
                part = inflater.unconsumed_tail
        if inflater.unused_data:
            data = memoryview(inflater.unused_data + bytes(data))
        if not data:
            data = memoryview(stream.read(READ))


def unzstd(stream: Reader, first: bytes) -> Iterator[bytes]:
    """Frame after frame; frames that are to be skipped are."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
    except ImportError:
        from backports import zstd
    limits = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX}
    data = first
    while data:
        frame = zstd.ZstdDecompressor(options=limits)
        while not frame.eof:
            try:
                piece = frame.decompress(data, PIECE)
            except zstd.ZstdError as error:
                raise LayerError("", f"the zstd stream is damaged: {error}") from error
            if piece:
                yield piece
            data = b""
            if frame.needs_input and not frame.eof:
                data = stream.read(READ)
                if not data:
                    raise LayerError("", "the zstd stream is cut short")
        data = frame.unused_data or stream.read(READ)
