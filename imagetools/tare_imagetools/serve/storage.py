"""Where the embedded registry keeps its content: one OCI layout a repository, blobs shared by hard links.

    ROOT/lock                                    held by the one server that owns ROOT
    ROOT/uploads/ID                              what came in so far; emptied at start
    ROOT/blobs/ALGORITHM/HEX                     the pool: each blob once
    ROOT/repositories/NAME/_layout/              an OCI layout that any tool can read
        oci-layout  index.json  blobs/ALGORITHM/HEX     the last are links into the pool

A blob belongs to a repository when it is linked there, so mounting is link(2), and a pool entry with one
link left belongs to nobody and goes. `_layout` cannot be a part of a repository name, since parts begin
with a letter or digit: names may nest freely. Nothing appears under blobs/ but by link(2) from a file that
was hashed and synced, so a crash leaves at most an upload.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tare_spec.digest import HEX_LENGTH, Digest

LAYOUT = "_layout"


class RootInUse(Exception):
    """Another server holds ROOT. Raised by Storage(); stop the other or choose another --root."""


class Storage:
    """Owns a root folder for the life of a server; all methods may be called from any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = threading.RLock()  # guards every link, unlink and index.json below root
        for folder in (root, root / "uploads", root / "blobs", root / "repositories"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = open(root / "lock", "w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock_file.close()
            raise RootInUse(str(root)) from None
        for left_over in (root / "uploads").iterdir():
            left_over.unlink()
        for algorithm in HEX_LENGTH:
            (root / "blobs" / algorithm).mkdir(mode=0o700, exist_ok=True)

    def close(self) -> None:
        self._lock_file.close()

    def upload_path(self, session: str) -> Path:
        return self.root / "uploads" / session

    def pool_path(self, digest: Digest) -> Path:
        return self.root / "blobs" / digest.algorithm / digest.hex

    def layout_path(self, name: str) -> Path:
        """`name` must have passed the reference grammar."""
        return self.root / "repositories" / name / LAYOUT

    def blob_path(self, name: str, digest: Digest) -> Path:
        return self.layout_path(name) / "blobs" / digest.algorithm / digest.hex

    def names(self) -> Iterator[str]:
        """All repositories that hold or held something, in no order."""
        base = self.root / "repositories"
        for folder, below, _ in os.walk(base):
            if LAYOUT in below:
                below.remove(LAYOUT)
                yield str(Path(folder).relative_to(base))

    def has_repository(self, name: str) -> bool:
        return self.layout_path(name).is_dir()

    def make_layout(self, name: str) -> Path:
        layout = self.layout_path(name)
        for algorithm in HEX_LENGTH:
            (layout / "blobs" / algorithm).mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (layout / "oci-layout").exists():
            write_atomically(layout / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
            sync_folder(layout / "blobs")
            for folder in layout.parents:  # the names of the folders that may be new
                sync_folder(folder)
                if folder == self.root:
                    break
        return layout

    def adopt(self, name: str, digest: Digest, file: Path) -> None:
        """Make a checked and synced file the blob `digest` of repository `name`; `file` itself stays."""
        with self.lock:
            pool = self.pool_path(digest)
            link(file, pool)
            self.make_layout(name)
            link(pool, self.blob_path(name, digest))

    def mount(self, name: str, digest: Digest, source: str | None) -> bool:
        """Link a blob from repository `source` (None: from anywhere); False when it is not there."""
        origin = self.pool_path(digest) if source is None else self.blob_path(source, digest)
        with self.lock:
            if not origin.exists():
                return False
            self.make_layout(name)
            link(origin, self.blob_path(name, digest))
            return True

    def drop(self, name: str, digest: Digest) -> bool:
        """Take a blob out of a repository, and out of the pool with its last repository."""
        with self.lock:
            try:
                self.blob_path(name, digest).unlink()
            except FileNotFoundError:
                return False
            pool = self.pool_path(digest)
            try:
                if pool.stat().st_nlink == 1:
                    pool.unlink()
            except FileNotFoundError:
                pass
            return True


def open_regular(path: Path) -> BinaryIO:
    """Open a blob. A layout may have come from anywhere: a link or a FIFO in a blob's place is no blob.

    Raises: FileNotFoundError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise FileNotFoundError(errno.ENOENT, "not a file", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileNotFoundError(errno.ENOENT, "not a file", str(path))
    return open(fd, "rb", buffering=0)


def link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        pass  # the same digest, so the same bytes


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` so that a reader, or a crash, sees the old content or the new."""
    new = path.with_name(f".{path.name}.new")
    try:
        with open(new, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
