"""A directory of blobs named by their digest, as in an OCI layout: blobs/ALGORITHM/HEX.

A blob appears under its name whole and verified, or not at all. It is written to a file without a name
(O_TMPFILE), flushed, and then linked: a process killed at any point leaves nothing. Where the filesystem
has no such files, a temporary name and rename do the same, but for the file a kill leaves.

CPython before 3.14 calls plain link(2) unless a directory fd is given, which fails with EXDEV on
/proc/self/fd/N; with `dst_dir_fd` it is linkat(…, AT_SYMLINK_FOLLOW), as open(2) describes.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

from tare_spec.digest import Digest
from tare_spec.image import Descriptor

from tare_imagetools.errors import LayoutError, MissingError, layout_error
from tare_imagetools.verify import CHUNK, VerifyingReader

NO_TMPFILE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})


class BlobDirectory:
    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, digest: Digest) -> tuple[Path, str]:
        """(directory, name) of a blob."""
        return self.root / digest.algorithm, digest.hex

    def path(self, digest: Digest) -> Path:
        folder, name = self.place(digest)
        return folder / name

    def has(self, descriptor: Descriptor) -> bool:
        """Is a regular file of the right size there? Nothing but verified content is ever linked in."""
        try:
            found = self.path(descriptor.digest).lstat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == descriptor.size

    def open(self, digest: Digest, what: str) -> io.FileIO:
        """The blob's file, unverified. A symbolic link is refused: it could name any file of the host.

        Raises: MissingError, LayoutError.
        """
        path = self.path(digest)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise MissingError(f"open {what}", f"there is no file {path}") from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise LayoutError(
                    f"open {what}", f"{path} is a symbolic link, and blobs are files"
                ) from error
            raise layout_error(f"open {what} ({path})", error) from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise LayoutError(f"open {what}", f"{path} is not a regular file")
        return open(fd, "rb", buffering=0)

    def reader(self, descriptor: Descriptor, what: str) -> VerifyingReader:
        return VerifyingReader(self.open(descriptor.digest, what), descriptor, what)

    def write(self, descriptor: Descriptor, stream: VerifyingReader) -> None:
        """Store a blob; the stream's own check decides whether it is the right one.

        Raises: LayoutError, and what the stream raises.
        """
        self.write_with(descriptor, lambda fd: copy_to_fd(stream, fd))

    def write_bytes(self, digest: Digest, content: bytes) -> None:
        """Store bytes whose digest has been checked."""
        descriptor = Descriptor("", digest, len(content))
        if not self.has(descriptor):
            self.write_with(descriptor, lambda fd: write_all(fd, memoryview(content)))

    def write_with(self, descriptor: Descriptor, fill: Callable[[int], None]) -> None:
        folder, name = self.place(descriptor.digest)
        tried = f"write blob {descriptor.digest} in {self.root}"
        try:
            directory = open_directory(folder)
            try:
                fd, temporary = open_temporary(directory, name)
                try:
                    fill(fd)
                    os.fsync(fd)
                    publish(directory, fd, temporary, name, descriptor.size)
                    temporary = None
                finally:
                    os.close(fd)
                    if temporary:
                        os.unlink(temporary, dir_fd=directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise layout_error(tried, error) from error

    def sync(self) -> None:
        """Make the names durable: to be called before anything refers to them."""
        if not self.root.is_dir():
            return
        for folder in self.root.iterdir():
            sync_directory(folder)

    def digests(self) -> list[Digest]:
        """What is there, by name."""
        found = []
        if self.root.is_dir():
            for folder in sorted(self.root.iterdir()):
                for file in sorted(folder.iterdir()):
                    try:
                        found.append(Digest.parse(f"{folder.name}:{file.name}"))
                    except ValueError:
                        continue
        return found


def open_directory(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def open_temporary(directory: int, name: str) -> tuple[int, str | None]:
    """A new file in that directory: (fd, None) without a name, (fd, name) where there is no other way."""
    try:
        return os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o644, dir_fd=directory), None
    except OSError as error:
        if error.errno not in NO_TMPFILE:
            raise
    temporary = f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.open(temporary, flags, 0o644, dir_fd=directory), temporary


def publish(directory: int, fd: int, temporary: str | None, name: str, size: int) -> None:
    """Give the finished file its name."""
    if temporary is not None:
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        return
    own = f"/proc/self/fd/{fd}"
    try:
        os.link(own, name, dst_dir_fd=directory, follow_symlinks=True)
    except FileExistsError:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and found.st_size == size:
            return  # another process was faster; what it linked was verified too
        spare = f".{name}.{os.getpid()}.tmp"
        os.link(own, spare, dst_dir_fd=directory, follow_symlinks=True)
        os.rename(spare, name, src_dir_fd=directory, dst_dir_fd=directory)


def copy_to_fd(stream: VerifyingReader, fd: int) -> None:
    buffer = memoryview(bytearray(CHUNK))
    while count := stream.readinto(buffer):
        write_all(fd, buffer[:count])
    if not stream.verified:
        raise AssertionError(f"{stream.what} ended unverified")


def write_all(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]


def sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a small file in one step: readers see the old one or the new one.

    Writers must exclude each other. A name beside it, NAME.new, exists for the time of two system calls, and
    only where there was an old one.
    Raises: OSError.
    """
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd, temporary = open_temporary(directory, path.name)
        try:
            os.fchmod(fd, mode)
            write_all(fd, memoryview(content))
            os.fsync(fd)
            if temporary is None:
                temporary = link_unnamed(directory, fd, path.name)
            if temporary is not None:
                os.rename(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
                temporary = None
        finally:
            os.close(fd)
            if temporary is not None:
                os.unlink(temporary, dir_fd=directory)
        os.fsync(directory)
    finally:
        os.close(directory)


def link_unnamed(directory: int, fd: int, name: str) -> str | None:
    """Name the file; where the name is taken, NAME.new, which is returned."""
    own = f"/proc/self/fd/{fd}"
    try:
        os.link(own, name, dst_dir_fd=directory, follow_symlinks=True)
        return None
    except FileExistsError:
        spare = f"{name}.new"
    try:
        os.unlink(spare, dir_fd=directory)  # of a writer that was killed
    except FileNotFoundError:
        pass
    os.link(own, spare, dst_dir_fd=directory, follow_symlinks=True)
    return spare
