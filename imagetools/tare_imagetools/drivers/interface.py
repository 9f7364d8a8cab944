"""Graph drivers: where the trees of layers are kept, and how a container gets one of its own.

A layer's tree is named by its chain id, which stands for it and all below it. Drivers are told what to
prepare and in which order; which layers an image has, and when one may go, is the caller's knowledge.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

from tare_spec.digest import Digest

from tare_imagetools.errors import UsageError
from tare_imagetools.layer.apply import AppliedLayer, Reader

NAMES = ("overlay", "vfs")


class Driver(Protocol):
    def exists(self, chain_id: Digest) -> bool: ...

    def prepare_layer(
        self, chain_id: Digest, parent: Digest | None, stream: Reader, diff_id: Digest, *, media_type: str
    ) -> AppliedLayer:
        """Make the tree of chain_id from its parent's and a layer. All or nothing, also when it is killed."""
        ...

    def mount(self, container_id: str, top: Digest) -> Path:
        """Give a container a tree to write to; returns its path. The layers stay as they are."""
        ...

    def unmount(self, container_id: str) -> None:
        """Take the container's tree away, with what was written to it. Nothing there is no error."""
        ...

    def prune(self, wanted: AbstractSet[Digest]) -> int:
        """Remove the trees of all layers but those wanted and those that a container stands on; how many.

        wanted: with each layer all below it. Waits until nobody makes a layer or a mount.
        """
        ...


def open_driver(name: str, root: Path) -> Driver:
    """The driver `name` with its trees below root/name.

    Raises: UsageError when there is no such driver.
    """
    # Mount points and config.json name it: whoever reads them may be elsewhere.
    root = root.absolute()
    if name == "overlay":
        from tare_imagetools.drivers.overlay import OverlayDriver

        return OverlayDriver(root / name)
    if name == "vfs":
        from tare_imagetools.drivers.vfs import VfsDriver

        return VfsDriver(root / name)
    raise UsageError(f"open graph driver {name!r}", f"there are {', '.join(NAMES)}")
