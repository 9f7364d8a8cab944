"""Directories that become visible when they are complete, or not at all.

One is made beside its final place and renamed there at the end. Its maker holds a lock on it: what a killed
process has left is thus known from what another is working on, and goes away when the next one begins.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tare_imagetools._layer import lib

STAGE_PREFIX = ".new-"


@contextmanager
def staging(folder: Path, prefix: str = "") -> Iterator[Path]:
    """A new directory (mode 0700) in folder, whose name begins with prefix and STAGE_PREFIX.

    Removed at the end unless it was renamed away.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(folder, prefix + STAGE_PREFIX)
        path = Path(tempfile.mkdtemp(prefix=prefix + STAGE_PREFIX, dir=folder))
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_EX)
    finally:
        os.close(lock)
    try:
        yield path
    finally:
        remove_tree(path)
        os.close(held)


def sweep(folder: Path, prefix: str) -> None:
    """Remove what nobody holds a lock on."""
    for entry in os.scandir(folder):
        if not entry.name.startswith(prefix) or not entry.is_dir(follow_symlinks=False):
            continue
        try:
            fd = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # completed and renamed a moment ago
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(Path(entry.path))
        except BlockingIOError:
            pass
        finally:
            os.close(fd)


def sync_tree(path: Path) -> None:
    """Write all that was made below path to the disk: by syncfs(2), as it may be a hundred thousand files.

    Raises: OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        result = lib.layer_sync(fd)
    finally:
        os.close(fd)
    if result < 0:
        raise OSError(-result, os.strerror(-result), str(path))


def remove_tree(path: Path) -> None:
    """Remove a file or a tree of any depth; nothing is followed. Missing is fine.

    Raises: OSError.
    """
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        result = lib.layer_remove(fd, os.fsencode(path.name))
    finally:
        os.close(fd)
    if result < 0:
        raise OSError(-result, os.strerror(-result), str(path))
