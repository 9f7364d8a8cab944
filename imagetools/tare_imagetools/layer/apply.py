"""One layer applied to one directory: inflated here, hashed on a second thread, made into files on a third.

All three spend their time in C that lets go of the interpreter, so they keep two cores busy. The directory is
touched through its descriptor only. What a layer may do to the tree is decided in csrc/layer/.
"""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tare_spec.digest import Digest, new_hasher
from tare_spec.media_types import COMPRESSION

from tare_imagetools._layer import ffi, lib
from tare_imagetools.errors import LayerError
from tare_imagetools.layer.conveyor import Conveyor
from tare_imagetools.layer.inflate import plain_pieces


class Reader(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class AppliedLayer:
    """`entries` and `bytes` count what the archive held; `unset` what an unprivileged user had to let go."""

    diff_id: Digest
    entries: int
    bytes: int
    unset: int


def apply_layer(
    stream: Reader,
    root_fd: int,
    *,
    media_type: str,
    diff_id: Digest | None = None,
    overlay: bool = False,
) -> AppliedLayer:
    """Apply a layer to the directory root_fd, which holds the layers below it and stays the caller's.

    `overlay`: the directory will be a layer of an overlay mount, so attributes that would steer the overlay
    are escaped. The stream is read to its end. On an error the directory is left as far as the work went.
    Raises: LayerError; what the stream's read raises.
    Spec: image-spec 1.1, layer.md, "Applying Changesets".
    """
    compression = COMPRESSION.get(media_type)
    if compression is None:
        raise LayerError("", f"the media type {media_type!r} is not that of a layer")
    algorithm = diff_id.algorithm if diff_id else "sha256"
    flags = layer_flags(overlay=overlay)
    with (
        Conveyor(lambda pieces: make_files(pieces, root_fd, flags)) as files,
        Conveyor(lambda pieces: digest_of(pieces, algorithm)) as hashing,
    ):
        for piece in plain_pieces(stream, compression):
            files.put(piece)
            hashing.put(piece)
        totals = files.finish()
        found = hashing.finish()
    if diff_id and found != diff_id:
        raise LayerError("", f"its tar has the digest {found}, the image's configuration says {diff_id}")
    return AppliedLayer(found, totals.entries, totals.bytes, totals.unset)


def layer_flags(*, overlay: bool) -> int:
    flags = 0
    if os.geteuid() != 0:
        flags |= lib.LAYER_ROOTLESS
    if overlay:
        flags |= lib.LAYER_ESCAPE_OVERLAY if kernel_at_least(6, 7) else lib.LAYER_DROP_OVERLAY
    return flags


def kernel_at_least(*wanted: int) -> bool:
    release = platform.release().split("-")[0].split(".")
    return tuple(int(part) for part in release[:2] if part.isdigit()) >= wanted


class Totals(Protocol):
    entries: int
    bytes: int
    unset: int


def digest_of(pieces: Iterator[bytes], algorithm: str) -> Digest:
    hasher = new_hasher(algorithm)
    for piece in pieces:
        hasher.update(piece)
    return Digest(algorithm, hasher.hexdigest())


def make_files(pieces: Iterator[bytes], root_fd: int, flags: int) -> Totals:
    # An umask of this thread's own: modes come out right at creation, and other threads keep theirs.
    if lib.layer_thread_umask() == 0:
        flags |= lib.LAYER_OWN_UMASK
    layer = lib.layer_new(root_fd, flags)
    if layer == ffi.NULL:
        raise MemoryError
    try:
        for piece in pieces:
            check(layer, lib.layer_feed(layer, ffi.from_buffer(piece), len(piece)))
        check(layer, lib.layer_finish(layer))
        totals: Totals = lib.layer_totals(layer)
        return totals
    finally:
        lib.layer_free(layer)


def check(layer: object, result: int) -> None:
    if result >= 0:
        return
    entry = os.fsdecode(ffi.string(lib.layer_entry(layer)))
    problem = lib.layer_problem(layer)
    if -result == errno.EBADMSG and problem != ffi.NULL:
        raise LayerError(entry, ffi.string(problem).decode())
    raise LayerError(entry, os.strerror(-result), hint_for(-result))


def hint_for(error: int) -> str | None:
    if error in (errno.ENOSPC, errno.EDQUOT):
        return "the file system is full: make room, or unpack to another one"
    if error == errno.ELOOP:
        return "a symbolic link on the way leads to itself"
    return None
