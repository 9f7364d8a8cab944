"""A new tar archive, written to a file without a name and given one when it is whole."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from tare_imagetools.archive.tar_index import TarIndex
from tare_imagetools.blobs import open_temporary, sync_directory, write_all
from tare_imagetools.errors import LayoutError, MissingError, layout_error
from tare_imagetools.verify import CHUNK

BLOCK = 512


class TarWriter:
    """Members one after another. Equal content gives equal bytes: no times, no owners."""

    def __init__(self, path: Path) -> None:
        """Raises: LayoutError, also when there is something else already."""
        self.path = path
        self.tried = f"write the archive {path}"
        if path.exists() or path.is_symlink():
            self.check_present()
        try:
            self.directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise layout_error(self.tried, error) from error
        try:
            self.fd, self.temporary = open_temporary(self.directory, path.name)
        except OSError as error:
            os.close(self.directory)
            raise layout_error(self.tried, error) from error

    def check_present(self) -> None:
        """An archive that is there may be the one that would be written; nothing else is touched."""
        try:
            TarIndex(self.path).close()
        except (LayoutError, MissingError) as error:
            raise self.taken() from error

    def taken(self) -> LayoutError:
        return LayoutError(
            self.tried, "there is another file of that name", "remove it, or choose another name"
        )

    def add(self, name: str, size: int, fill: Callable[[int], None]) -> None:
        """Add a member; `fill` writes exactly `size` bytes to the fd. If it fails, nothing was added."""
        start = os.lseek(self.fd, 0, os.SEEK_CUR)
        try:
            header = tarfile.TarInfo(name)
            header.size = size
            write_all(self.fd, memoryview(header.tobuf(tarfile.PAX_FORMAT)))
            fill(self.fd)
            write_all(self.fd, memoryview(b"\0" * (-size % BLOCK)))
        except BaseException as error:
            os.ftruncate(self.fd, start)
            os.lseek(self.fd, start, os.SEEK_SET)
            if isinstance(error, OSError):
                raise layout_error(self.tried, error) from error
            raise

    def add_bytes(self, name: str, content: bytes) -> None:
        self.add(name, len(content), lambda fd: write_all(fd, memoryview(content)))

    def finish(self) -> None:
        """Give the archive its name, or find that it is there already, byte for byte.

        Raises: LayoutError when another one is: what else is in it is not ours to remove.
        """
        try:
            write_all(self.fd, memoryview(b"\0" * (2 * BLOCK)))
            os.fsync(self.fd)
            if self.temporary is None:
                own = f"/proc/self/fd/{self.fd}"
                os.link(own, self.path.name, dst_dir_fd=self.directory, follow_symlinks=True)
            else:
                os.link(self.temporary, self.path.name, src_dir_fd=self.directory, dst_dir_fd=self.directory)
            sync_directory(self.path.parent)
        except FileExistsError as error:
            if not self.equals_present():
                raise self.taken() from error
        except OSError as error:
            raise layout_error(self.tried, error) from error

    def equals_present(self) -> bool:
        size = os.lseek(self.fd, 0, os.SEEK_END)
        with self.path.open("rb", buffering=0) as present:
            if os.fstat(present.fileno()).st_size != size:
                return False
            return all(
                os.pread(present.fileno(), CHUNK, position) == os.pread(self.fd, CHUNK, position)
                for position in range(0, size, CHUNK)
            )

    def close(self) -> None:
        if self.temporary is not None:
            os.unlink(self.temporary, dir_fd=self.directory)
        os.close(self.fd)
        os.close(self.directory)
