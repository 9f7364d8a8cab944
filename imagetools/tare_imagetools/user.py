"""Config.User of an image → numbers, by the passwd and group files of its own root file system.

Those files belong to the image and are read as such: resolved inside the root, regular files only, no more
than a bounded part. A number is taken as the number it is and never looked up as a name.
Spec: image-spec 1.1, conversion.md, "Config.User".
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from tare_imagetools._layer import lib
from tare_imagetools.errors import BundleError

FILE_BYTES_MAX = 4 << 20
ID_MAX = 0xFFFFFFFE
"""4294967295 is -1 to the kernel: "leave it as it is"."""


@dataclass(frozen=True, slots=True)
class ImageUser:
    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()


def resolve_user(text: str, root_fd: int) -> ImageUser:
    """USER[:GROUP], each a name or a number. Without a group it is the one that passwd gives the user.

    Raises: BundleError when a name is unknown or a number is none that a process can have.
    """
    user, _, group = text.partition(":")
    if not user and not group:
        return ImageUser()
    uid = as_number(user, text)
    entry = find_user(root_fd, user, uid) if user else (0, 0)
    if uid is None:
        if entry is None:
            raise BundleError(f"user {text!r}", f"the image's /etc/passwd has no user {user!r}")
        uid = entry[0]
    if group:
        return ImageUser(uid, resolve_group(group, text, root_fd))
    gid = entry[1] if entry else 0
    if user.isascii() and user.isdigit():
        return ImageUser(uid, gid)
    return ImageUser(uid, gid, tuple(groups_with(root_fd, user)))


def as_number(word: str, text: str) -> int | None:
    if not (word.isascii() and word.isdigit()):
        return None
    if len(word) > 10 or int(word) > ID_MAX:
        raise BundleError(f"user {text!r}", f"{word} is larger than any user or group number can be")
    return int(word)


def resolve_group(group: str, text: str, root_fd: int) -> int:
    gid = as_number(group, text)
    if gid is not None:
        return gid
    for fields in records(root_fd, "etc/group"):
        number = id_of(fields, 2)
        if fields[0] == os.fsencode(group) and number is not None:
            return number
    raise BundleError(f"user {text!r}", f"the image's /etc/group has no group {group!r}")


def find_user(root_fd: int, name: str, uid: int | None) -> tuple[int, int] | None:
    """(uid, gid) of the first passwd line with that number, or with that name if there is no number."""
    for fields in records(root_fd, "etc/passwd"):
        found, gid = id_of(fields, 2), id_of(fields, 3)
        if found is None or gid is None:
            continue
        if (fields[0] == os.fsencode(name)) if uid is None else (found == uid):
            return found, gid
    return None


def groups_with(root_fd: int, name: str) -> Iterator[int]:
    for fields in records(root_fd, "etc/group"):
        gid = id_of(fields, 2)
        if gid is not None and len(fields) > 3 and os.fsencode(name) in fields[3].split(b","):
            yield gid


def id_of(fields: list[bytes], place: int) -> int | None:
    text = fields[place] if len(fields) > place else b""
    return int(text) if text.isdigit() and len(text) <= 10 and int(text) <= ID_MAX else None


def records(root_fd: int, path: str) -> Iterator[list[bytes]]:
    for line in read_in_root(root_fd, path).split(b"\n"):
        if line and not line.startswith(b"#"):
            yield line.split(b":")


def read_in_root(root_fd: int, path: str) -> bytes:
    """The file's contents; b"" when it is missing.

    Looked at before it is opened: opening a device or a pipe can already do something.
    Raises: BundleError when it is no regular file, or too large.
    """
    handle = lib.layer_open_in_root(root_fd, os.fsencode(path), os.O_PATH)
    if handle in (-errno.ENOENT, -errno.ENOTDIR):
        return b""
    if handle < 0:
        raise BundleError(f"/{path} of the image", os.strerror(-handle))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BundleError(f"/{path} of the image", "it is not a regular file")
        with open(f"/proc/self/fd/{handle}", "rb", buffering=0) as file:
            content = file.read(FILE_BYTES_MAX + 1)
    finally:
        os.close(handle)
    if len(content) > FILE_BYTES_MAX:
        raise BundleError(f"/{path} of the image", f"it is larger than {FILE_BYTES_MAX >> 20} MiB")
    return content
