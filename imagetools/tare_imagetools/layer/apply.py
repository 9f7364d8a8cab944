"""One layer applied to one directory: inflate and hash on this thread, tar and files on a second.

Both sides spend their time in C that lets go of the interpreter, so they use two cores. The directory is
touched through its descriptor only. What a layer may do to the tree is decided in csrc/layer/.
"""

from __future__ import annotations

import errno
import os
import platform
import queue
import threading
from dataclasses import dataclass
from typing import Protocol

from tare_spec.digest import Digest, new_hasher
from tare_spec.media_types import COMPRESSION

from tare_imagetools._layer import ffi, lib
from tare_imagetools.errors import LayerError
from tare_imagetools.layer.inflate import plain_pieces

PIECES_AHEAD = 16


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
    hasher = new_hasher(diff_id.algorithm if diff_id else "sha256")
    with Worker(root_fd, layer_flags(overlay=overlay)) as worker:
        for piece in plain_pieces(stream, compression):
            worker.put(piece)
            hasher.update(piece)
        worker.finish()
    found = Digest(diff_id.algorithm if diff_id else "sha256", hasher.hexdigest())
    if diff_id and found != diff_id:
        raise LayerError("", f"its tar has the digest {found}, the image's configuration says {diff_id}")
    return AppliedLayer(found, worker.totals.entries, worker.totals.bytes, worker.totals.unset)


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


@dataclass(slots=True)
class Totals:
    entries: int = 0
    bytes: int = 0
    unset: int = 0


class Worker:
    """The second thread: takes pieces of tar and makes files of them. Left by `with`, it has ended."""

    def __init__(self, root_fd: int, flags: int) -> None:
        self.totals = Totals()
        self._root_fd = root_fd
        self._flags = flags
        self._pieces: queue.Queue[bytes | None] = queue.Queue(PIECES_AHEAD)
        self._failure: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="layer", daemon=True)

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        if self._thread.is_alive():
            if self._failure is None:
                self._failure = InterruptedError("given up")
            self._pieces.put(None)
            self._thread.join()

    def put(self, piece: bytes) -> None:
        """Raises: LayerError for anything that earlier pieces ran into."""
        if self._failure:
            raise self._failure
        self._pieces.put(piece)

    def finish(self) -> None:
        """Wait until everything is on its place."""
        self._pieces.put(None)
        self._thread.join()
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        flags = self._flags
        # A thread's own umask: modes come out right at creation, other threads keep theirs.
        if lib.layer_thread_umask() == 0:
            flags |= lib.LAYER_OWN_UMASK
        layer = lib.layer_new(self._root_fd, flags)
        try:
            if layer == ffi.NULL:
                raise MemoryError
            self._feed(layer)
        except BaseException as failure:
            self._failure = failure
            # The other side may be waiting for room.
            while not self._ended:
                self._ended = self._pieces.get() is None
        finally:
            lib.layer_free(layer)

    def _feed(self, layer: object) -> None:
        while (piece := self._pieces.get()) is not None:
            if self._failure is None:
                check(layer, lib.layer_feed(layer, ffi.from_buffer(piece), len(piece)))
        self._ended = True
        # Left early by the other side: nothing is to be completed.
        if self._failure is None:
            check(layer, lib.layer_finish(layer))
        totals = lib.layer_totals(layer)
        self.totals = Totals(totals.entries, totals.bytes, totals.unset)


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
