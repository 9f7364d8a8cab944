"""Files that an artifact brings, written below one folder whatever their names say.

An artifact names its files itself (`org.opencontainers.image.title`), so a name is input from a stranger:
it must be relative and stay below, and no symbolic link is followed on the way, not even one that was
there before. A file appears under its name whole and verified.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tare_imagetools.blobs import copy_to_fd, open_temporary
from tare_imagetools.errors import VerifyError, layout_error
from tare_imagetools.verify import VerifyingReader

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
MAX_PARTS = 64


def safe_parts(title: str, what: str) -> list[str]:
    """The parts of a relative path.

    Raises: VerifyError for a name that leads elsewhere.
    """
    parts = title.split("/")
    if any(part in ("", ".", "..") or len(os.fsencode(part)) > 255 for part in parts) or "\0" in title:
        raise VerifyError(what, f"its file name {title[:120]!r} is not a plain relative path")
    if not title.isprintable() or len(parts) > MAX_PARTS:
        raise VerifyError(what, f"its file name {title[:120]!r} is not one to write")
    return parts


def write_file(folder: Path, parts: list[str], stream: VerifyingReader) -> Path:
    """Write the stream as folder/parts, replacing a file of that name.

    Raises: LayoutError, and what the stream raises; the old file is then still there.
    """
    target = folder.joinpath(*parts)
    try:
        with open_parent(folder, parts[:-1]) as parent:
            fd, temporary = open_temporary(parent, parts[-1])
            try:
                copy_to_fd(stream, fd)
                os.fsync(fd)
                if temporary is None:
                    temporary = f".{os.urandom(8).hex()}.new"
                    own = f"/proc/self/fd/{fd}"
                    os.link(own, temporary, dst_dir_fd=parent, follow_symlinks=True)
                os.rename(temporary, parts[-1], src_dir_fd=parent, dst_dir_fd=parent)
                temporary = None
            finally:
                os.close(fd)
                if temporary:
                    os.unlink(temporary, dir_fd=parent)
    except OSError as error:
        raise layout_error(f"write {target}", error) from error
    return target


@contextmanager
def open_parent(folder: Path, parts: list[str]) -> Iterator[int]:
    """A descriptor of folder/parts, made where it is missing; O_NOFOLLOW below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder, FOLDER)
    try:
        for part in parts:
            try:
                os.mkdir(part, dir_fd=fd)
            except FileExistsError:
                pass
            below = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)
