"""Whether two unpacked trees are the same, in everything that a layer says of its entries."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

MOST_SHOWN = 20


def differences(one: Path, other: Path) -> list[str]:
    """Lines of the kind `PATH: mode 0o644, 0o600`; at most MOST_SHOWN, none when the trees are the same."""
    found: list[str] = []
    left, right = _entries(one), _entries(other)
    for name in sorted(left.keys() ^ right.keys()):
        found.append(f"{name}: only in {one if name in left else other}")
    for name in sorted(left.keys() & right.keys()):
        found += _compare(name, one / name, other / name, left[name], right[name])
        if len(found) >= MOST_SHOWN:
            break
    return found[:MOST_SHOWN]


def _entries(root: Path) -> dict[str, os.stat_result]:
    return {path: os.lstat(root / path) for path in _walk(root)}


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        inner = os.path.relpath(folder, root)
        yield from (os.path.join(inner, name) for name in (*folders, *files))


def _compare(name: str, left: Path, right: Path, a: os.stat_result, b: os.stat_result) -> Iterator[str]:
    facts = {
        "mode": (oct(a.st_mode), oct(b.st_mode)),
        "owner": ((a.st_uid, a.st_gid), (b.st_uid, b.st_gid)),
        "modification time": (a.st_mtime_ns // 10**9, b.st_mtime_ns // 10**9),
        "links": (a.st_nlink, b.st_nlink),
        "device": (a.st_rdev, b.st_rdev),
    }
    if stat.S_ISREG(a.st_mode) and stat.S_ISREG(b.st_mode):
        facts["size"] = (a.st_size, b.st_size)
        facts["content"] = ("equal", "equal" if left.read_bytes() == right.read_bytes() else "other")
    if stat.S_ISLNK(a.st_mode) and stat.S_ISLNK(b.st_mode):
        facts["target"] = (os.readlink(left), os.readlink(right))
    else:
        facts["attributes"] = (_attributes(left), _attributes(right))
    for fact, (of_left, of_right) in facts.items():
        if of_left != of_right:
            yield f"{name}: {fact} {of_left}, {of_right}"


def _attributes(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}
