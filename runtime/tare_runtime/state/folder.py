"""Directories and files of the state store, made and taken away without waiting for a disk.

/run is a tmpfs on most hosts, where all of this is free. Where it lies on a disk that is mounted with
`discard`, freeing a block waits milliseconds for the device (4 ms measured, as long as all the rest of a
short container): so an emptied directory is kept as a spare one for the next container, and a file is
replaced by an exchange of names, as ext4 writes a file's data out at once when it is renamed over another.
"""

from __future__ import annotations

import posix

SPARE = "~spare"  # below the root of the store; no id may hold a tilde


def make(root: str, path: str) -> None:
    """Make the directory `path` below `root`. Raises: FileExistsError, FileNotFoundError, OSError."""
    from tare_runtime._core import lib

    # A plain rename would take the place of a directory that is there, if it is empty still.
    result = _rename(-1, f"{root}/{SPARE}", path, lib.RENAME_NOREPLACE)
    if result == -lib.EEXIST:
        raise FileExistsError(lib.EEXIST, "file exists", path)
    if result:
        posix.mkdir(path, 0o700)


def remove(root: str, path: str) -> None:
    """Empty and remove a directory that holds no mounts; that it is gone is fine. Raises: OSError."""
    spare = f"{root}/{SPARE}"
    try:
        _empty(path)
        if posix.access(spare, posix.F_OK):
            posix.rmdir(path)
        else:
            posix.rename(path, spare)
    except FileNotFoundError:
        pass


def replace(directory: int, fresh: str, name: str) -> None:
    """Give the file `fresh` the name `name` in one step, in place of what has it. Raises: OSError."""
    from tare_runtime._core import lib

    if _rename(directory, fresh, name, lib.RENAME_EXCHANGE):
        posix.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
    else:
        posix.unlink(fresh, dir_fd=directory)


def _empty(path: str) -> None:
    """Symlinks are removed, not followed."""
    with posix.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _empty(entry.path)
                posix.rmdir(entry.path)
            else:
                posix.unlink(entry.path)


def _rename(directory: int, old: str, new: str, flags: int) -> int:
    """renameat2(2): 0 or -errno. `directory` -1: the paths are absolute, or count from where we are."""
    from tare_runtime._core import lib

    names = [name.encode("utf-8", "surrogateescape") for name in (old, new)]
    return int(lib.tare_rename(directory, *names, flags))
