"""A fresh file system for each round, so that nothing is ever removed between timed runs.

ext4 looks for free inodes past those that were removed lately: a tree that is unpacked after another was
deleted can take ten times as long, whoever unpacks it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = "8G"
INODES = "800000"


class NoFilesystem(Exception):
    """No fresh file system could be made here; the message says which step failed."""


@contextmanager
def fresh(scratch: Path) -> Iterator[Path]:
    """An empty ext4 in a file on a tmpfs (no disk in the figures), mounted; gone at the end."""
    memory, mounted = scratch / "memory", scratch / "fresh"
    memory.mkdir(exist_ok=True)
    mounted.mkdir(exist_ok=True)
    _do(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(memory)])
    try:
        image = memory / "ext4"
        _do(["truncate", "-s", SIZE, str(image)])
        _do(
            [
                "mkfs.ext4",
                "-q",
                "-F",
                "-N",
                INODES,
                "-E",
                "lazy_itable_init=0,lazy_journal_init=0",
                str(image),
            ]
        )
        _do(["mount", "-o", "loop", str(image), str(mounted)])
        try:
            yield mounted
        finally:
            _do(["umount", str(mounted)])
    finally:
        _do(["umount", str(memory)])


def _do(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise NoFilesystem(f"make a fresh file system: {' '.join(argv[:2])}: {done.stderr.strip()}")
