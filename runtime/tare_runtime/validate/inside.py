"""Looking into a root file system without leaving it: what a path in the container would be.

Only to give advice: a start resolves its paths on descriptors, in C.
"""

from __future__ import annotations

import posix

MAX_LINKS = 40  # as path_resolution(7)


class Unknown(Exception):
    """The path goes through something mounted later, whose content nobody knows yet."""


def locate(rootfs: str, path: str, covered: frozenset[str]) -> str:
    """The host's path of `path` in the container, symlinks followed inside `rootfs`.

    covered: mount targets. Raises: Unknown below one of them; OSError as a path's lookup does.
    """
    from errno import ELOOP

    inside: list[str] = []
    left = [part for part in path.split("/") if part][::-1]
    links = 0
    while left:
        part = left.pop()
        if part == ".":
            continue
        if part == "..":
            del inside[-1:]
            continue
        here = "/" + "/".join([*inside, part])
        if here in covered:
            raise Unknown(here)
        full = rootfs + here
        mode = posix.lstat(full).st_mode
        if mode & 0o170000 != 0o120000:
            inside.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(ELOOP, posix.strerror(ELOOP))
        target = posix.readlink(full)
        if target[:1] == "/":
            inside.clear()
        left += [word for word in target.split("/") if word][::-1]
    return rootfs + ("/" + "/".join(inside) if inside else "")


def is_directory(path: str) -> bool:
    return posix.stat(path).st_mode & 0o170000 == 0o040000
