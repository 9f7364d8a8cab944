"""The vfs driver: every layer's tree in full, and a copy for every container. It mounts nothing.

ROOT/layers/HEX/             the merged tree of the layer and all below it
ROOT/containers/ID/rootfs
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tare_spec.digest import Digest

from tare_imagetools.drivers.folder import LayerFolder
from tare_imagetools.errors import StoreError
from tare_imagetools.layer.apply import AppliedLayer, Reader, apply_layer
from tare_imagetools.layer.staging import remove_tree, staging


class VfsDriver(LayerFolder):
    def prepare_layer(
        self, chain_id: Digest, parent: Digest | None, stream: Reader, diff_id: Digest, *, media_type: str
    ) -> AppliedLayer:
        with self.used() as layers, staging(layers) as stage:
            tree = stage / "tree"
            if parent:
                self._copy(parent, tree)
            else:
                tree.mkdir()
                os.chmod(tree, 0o755)
                os.utime(tree, (0, 0))
            root_fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
            try:
                applied = apply_layer(stream, root_fd, media_type=media_type, diff_id=diff_id)
            finally:
                os.close(root_fd)
            self.publish(tree, chain_id)
        return applied

    def mount(self, container_id: str, top: Digest) -> Path:
        containers = self.containers()
        home = containers / container_id
        if home.exists():
            raise StoreError(f"copy rootfs of container {container_id}", "it has one already")
        with self.used(), staging(containers) as stage:
            self._copy(top, stage / "rootfs")
            stage.rename(home)
        return home / "rootfs"

    def unmount(self, container_id: str) -> None:
        home = self.root / "containers" / container_id
        if home.is_dir():
            remove_tree(home)

    def _copy(self, chain_id: Digest, target: Path) -> None:
        source = self.layer(chain_id)
        if not source.is_dir():
            raise StoreError(f"read layer {chain_id}", f"it is not in {self.root}")
        # coreutils keeps hard links, holes, owners, attributes and times, and shares blocks where it can.
        command = ["cp", "-a", "--reflink=auto", "--", str(source), str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StoreError(f"copy layer {chain_id}", done.stderr.strip())
