"""What the drivers have in common: a folder with a directory for each layer, named by its chain id."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from tare_spec.digest import Digest

from tare_imagetools.layer.staging import STAGE_PREFIX, remove_tree, sync_tree


class LayerFolder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self, chain_id: Digest) -> bool:
        return self.layer(chain_id).is_dir()

    def layer(self, chain_id: Digest) -> Path:
        return self.root / "layers" / chain_id.hex

    def containers(self) -> Path:
        folder = self.root / "containers"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @contextmanager
    def used(self, how: int = fcntl.LOCK_SH) -> Iterator[Path]:
        """The directory of the layers, made if need be; nobody prunes it meanwhile."""
        layers = self.root / "layers"
        layers.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, how)
            yield layers
        finally:
            os.close(lock)

    def publish(self, stage: Path, chain_id: Digest) -> None:
        """Give a complete layer its name; another process may have been faster with the same one.

        A name is trusted for ever, by later boots too: so what it names is on the disk before.
        """
        sync_tree(stage)
        target = self.layer(chain_id)
        try:
            stage.rename(target)
        except OSError:
            if not target.is_dir():
                raise

    def in_use(self) -> set[str]:
        """The names of layers that a container stands on."""
        return set()

    def prune(self, wanted: AbstractSet[Digest]) -> int:
        """Renamed before they are taken apart: half a layer must not look like one."""
        with self.used(fcntl.LOCK_EX) as layers:
            kept = {self.layer(chain_id).name for chain_id in wanted} | self.in_use()
            unwanted = [path for path in layers.iterdir() if path.name not in kept]
            for path in unwanted:
                dying = path.with_name(f"{STAGE_PREFIX}{path.name}")
                remove_tree(dying)
                path.rename(dying)
                remove_tree(dying)
        return sum(not path.name.startswith(STAGE_PREFIX) for path in unwanted)
