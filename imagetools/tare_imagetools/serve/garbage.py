"""Removing blobs that no manifest names: what cut pushes and deleted manifests have left.

A client sends blobs first and the manifest last. So a blob is left alone until nothing has been done with it
for a while: linking it into another repository counts as well, since all links share one time.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tare_spec.digest import Digest
from tare_spec.errors import SpecError

from tare_imagetools.serve.faults import Fault
from tare_imagetools.serve.repository import Repository
from tare_imagetools.serve.storage import Storage

EVERY_S = 3600.0


class Collector:
    """Collects at the start and every hour, in a thread of its own, until `close`."""

    def __init__(self, storage: Storage, age_s: float) -> None:
        self._storage = storage
        self._age_s = age_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                count, size = collect(self._storage, self._age_s)
            except OSError as error:
                print(f"serve: remove unused blobs: {error}", file=sys.stderr, flush=True)
            else:
                if count:
                    print(f"serve: removed {count} unused blobs, {size} B", file=sys.stderr, flush=True)
            if self._ended.wait(EVERY_S):
                return

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


def collect(storage: Storage, age_s: float) -> tuple[int, int]:
    """Remove what is older than `age_s`; how many blobs left the disk, and how many bytes they had."""
    removed = size = 0
    limit = time.time() - age_s
    for name in list(storage.names()):
        with storage.lock:
            try:
                wanted = Repository(storage, name).reachable()
            except (Fault, OSError, SpecError) as error:
                words = f"serve: {name} is damaged, nothing of it is removed: {error}"
                print(words, file=sys.stderr, flush=True)
                continue
            for digest, path in blobs_below(storage.layout_path(name) / "blobs"):
                status = path.lstat()
                if digest not in wanted and status.st_ctime <= limit:
                    storage.drop(name, digest)
                    if not storage.pool_path(digest).exists():
                        removed, size = removed + 1, size + status.st_size
    with storage.lock:  # of a server that was killed between two links
        for _, path in blobs_below(storage.root / "blobs"):
            status = path.lstat()
            if status.st_nlink == 1 and status.st_ctime <= limit:
                path.unlink()
                removed, size = removed + 1, size + status.st_size
    return removed, size


def blobs_below(folder: Path) -> Iterator[tuple[Digest, Path]]:
    """Files that are named as blobs are; others are somebody else's."""
    for path in sorted(folder.glob("*/*")):
        try:
            yield Digest.parse(f"{path.parent.name}:{path.name}"), path
        except SpecError:
            continue
