"""Downloads that outlive their process: STORE/partial/ALGORITHM-HEX holds the beginning of a blob.

The next pull that wants the blob hashes what is there and fetches the rest. flock makes the second of two
processes wait for the first instead of fetching the same bytes. A file moves into the blobs only whole and
verified; one that turns out wrong is removed.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from tare_spec.digest import Digest
from tare_spec.image import Descriptor

from tare_imagetools.blobs import BlobDirectory, copy_to_fd
from tare_imagetools.errors import VerifyError, layout_error
from tare_imagetools.verify import VerifyingReader

WORTH_KEEPING = 1 << 20  # smaller blobs are fetched anew
KEPT_S = 7 * 24 * 3600


class PartialDirectory:
    def __init__(self, root: Path, blobs: BlobDirectory) -> None:
        self.root = root
        self.blobs = blobs

    def path(self, digest: Digest) -> Path:
        return self.root / f"{digest.algorithm}-{digest.hex}"

    def write(self, descriptor: Descriptor, stream: VerifyingReader) -> None:
        """Finish the blob, from whatever is there already.

        Raises: LayoutError, and what the stream raises.
        """
        if descriptor.size < WORTH_KEEPING:
            self.blobs.write(descriptor, stream)
            return
        path = self.path(descriptor.digest)
        try:
            fd = self.open_locked(path)
            try:
                if not self.blobs.has(descriptor):  # while we waited, another process may have finished it
                    self.fill(fd, descriptor, stream)
                    self.blobs.path(descriptor.digest).parent.mkdir(parents=True, exist_ok=True)
                    path.rename(self.blobs.path(descriptor.digest))
                else:
                    path.unlink(missing_ok=True)
            except (VerifyError, OSError):  # wrong content, or no room for it: nothing to go on from
                path.unlink(missing_ok=True)
                raise
            except BaseException:
                if os.fstat(fd).st_size < WORTH_KEEPING:
                    path.unlink(missing_ok=True)
                raise
            finally:
                os.close(fd)
        except OSError as error:
            raise layout_error(f"write blob {descriptor.digest} in {self.root}", error) from error

    def open_locked(self, path: Path) -> int:
        """The file under its lock; anew when another process moved it away meanwhile."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            fd = os.open(path, flags, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                if os.fstat(fd).st_ino == path.stat().st_ino:
                    return fd
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def fill(self, fd: int, descriptor: Descriptor, stream: VerifyingReader) -> None:
        there = os.fstat(fd).st_size
        if there > descriptor.size:
            os.ftruncate(fd, 0)
            there = 0
        if there:
            with open(fd, "rb", buffering=0, closefd=False) as prefix:
                stream.resume(prefix, there)
            os.lseek(fd, stream.position, os.SEEK_SET)
        copy_to_fd(stream, fd)
        os.fsync(fd)

    def clean(self, *, older_than_s: float = KEPT_S) -> int:
        """Remove what nobody has touched for long and nobody holds; returns the bytes freed."""
        freed = 0
        if not self.root.is_dir():
            return 0
        for path in self.root.iterdir():
            if time.time() - path.lstat().st_mtime >= older_than_s:
                freed += remove_unheld(path)
        return freed

    def forget(self, digest: Digest) -> None:
        """Remove the beginning of one blob, if nobody is at it."""
        try:
            remove_unheld(self.path(digest))
        except OSError:
            return  # called while another error is on its way


def remove_unheld(path: Path) -> int:
    """Remove a file that nobody holds the lock of; returns the bytes freed."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(fd).st_size
        path.unlink()
        return size
    except BlockingIOError:
        return 0
    finally:
        os.close(fd)
