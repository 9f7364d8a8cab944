"""Layers applied the ways tare can, and what came out as plain values that compare."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tare_imagetools.drivers.interface import open_driver
from tare_imagetools.layer.apply import apply_layer
from tare_spec import media_types
from tare_spec.digest import Digest

from tests.support.tar_builder import Tar

WAYS = ("dir", "overlay", "vfs")


@dataclass(frozen=True)
class Found:
    """One name of a tree. `what`: "dir", "=CONTENTS", "-> TARGET", "fifo", "char 1:3", "block 8:0"."""

    what: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    xattrs: tuple[tuple[str, bytes], ...]
    links: int


def build(way: str, layers: Sequence[Tar | bytes], place: Path) -> Path:
    """Apply the layers in order; returns the root of the tree. `close` takes it away again."""
    blobs = [layer if isinstance(layer, bytes) else layer.bytes() for layer in layers]
    if way == "dir":
        return in_one_directory(blobs, place)
    driver = open_driver(way, place)
    parent: Digest | None = None
    for number, blob in enumerate(blobs):
        chain_id = Digest.of(b"%d" % number)
        driver.prepare_layer(
            chain_id, parent, io.BytesIO(blob), Digest.of(blob), media_type=media_types.OCI_LAYER
        )
        parent = chain_id
    assert parent
    return driver.mount("c", parent)


def in_one_directory(blobs: Sequence[bytes], place: Path) -> Path:
    root = place / "root"
    root.mkdir(mode=0o755)
    os.utime(root, (0, 0))
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for blob in blobs:
            apply_layer(io.BytesIO(blob), fd, media_type=media_types.OCI_LAYER)
    finally:
        os.close(fd)
    return root


def close(way: str, place: Path) -> None:
    if way != "dir":
        open_driver(way, place).unmount("c")


def read_tree(root: Path) -> dict[str, Found]:
    """Every name below root; the root itself is "."."""
    base = os.fsencode(root)
    found = {".": look(base)}
    for folder, directories, files in os.walk(base):
        for name in (*directories, *files):
            path = os.path.join(folder, name)
            found[os.fsdecode(os.path.relpath(path, base))] = look(path)
    return found


def look(path: bytes) -> Found:
    st = os.lstat(path)
    xattrs = tuple(
        sorted(
            (name, os.getxattr(path, name, follow_symlinks=False))
            for name in os.listxattr(path, follow_symlinks=False)
            if name != "security.selinux"
        )
    )
    links = 1 if stat.S_ISDIR(st.st_mode) else st.st_nlink
    owner = (st.st_uid, st.st_gid)
    return Found(describe(path, st), stat.S_IMODE(st.st_mode), owner, st.st_mtime_ns, xattrs, links)


def describe(path: bytes, st: os.stat_result) -> str:
    if stat.S_ISDIR(st.st_mode):
        return "dir"
    if stat.S_ISLNK(st.st_mode):
        return "-> " + os.fsdecode(os.readlink(path))
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as file:
            return "=" + file.read().decode(errors="backslashreplace")
    if stat.S_ISFIFO(st.st_mode):
        return "fifo"
    kind = "char" if stat.S_ISCHR(st.st_mode) else "block"
    return f"{kind} {os.major(st.st_rdev)}:{os.minor(st.st_rdev)}"
