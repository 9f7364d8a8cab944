"""An image → a runtime bundle: BUNDLE/rootfs and BUNDLE/config.json, all of it or nothing.

The bundle is made beside its place and renamed there; where an empty directory waits for it, inside that. It
is for its owner only (mode 0700): the setuid programs of an image are not for the other users of the host.
With a graph driver the layers are kept in the driver's store and the root file system is what it mounts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tare_spec.digest import Digest
from tare_spec.image import Manifest
from tare_spec.image_config import ImageConfig
from tare_spec.platform import Platform

from tare_imagetools.bundle import runtime_config, steering_labels
from tare_imagetools.drivers.interface import Driver
from tare_imagetools.errors import BundleError, LayerError, layout_error
from tare_imagetools.layer.apply import apply_layer
from tare_imagetools.layer.staging import STAGE_PREFIX, staging, sync_tree
from tare_imagetools.look import image_config, look_at
from tare_imagetools.pipeline import mismatch
from tare_imagetools.transports.interface import Source
from tare_imagetools.user import ImageUser, resolve_user


@dataclass(frozen=True, slots=True)
class Bundle:
    """`rootfs`: BUNDLE/rootfs, or where the driver has mounted it. `left_out`: labels that became nothing.

    `other_platform`: words where the image is for another one than it was wanted for, else "".
    """

    path: Path
    rootfs: Path
    manifest: Digest
    image: ImageConfig
    left_out: tuple[str, ...] = field(default=())
    other_platform: str = ""


def unpack(
    source: Source,
    bundle_dir: Path,
    *,
    driver: Driver | None = None,
    platform: Platform | None = None,
    sync: bool = False,
) -> Bundle:
    """Make a bundle of the image that source names. bundle_dir: missing, or an empty directory.

    `platform`: which image of an index; the host's if None. `sync`: all of it is on the disk on return.
    Raises: ImageToolError of every kind; nothing is left at bundle_dir then.
    """
    check_free(bundle_dir)
    manifest, image = find_image(source, platform)
    with kernel_errors(bundle_dir):
        if driver:
            rootfs = prepare(source, manifest, image, driver, container_id(bundle_dir))
        try:
            with stage_for(bundle_dir) as stage:
                if driver:
                    root_path = str(rootfs)
                else:
                    root_path, rootfs = "rootfs", bundle_dir / "rootfs"
                    apply_all(source, manifest, image, stage / "rootfs")
                write_config(stage, image, root_path, rootfs if driver else stage / "rootfs")
                if sync:
                    sync_tree(stage)
                publish(stage, bundle_dir)
                if sync:
                    sync_tree(bundle_dir)
        except BaseException:
            if driver:
                driver.unmount(container_id(bundle_dir))
            raise
    left_out = tuple(sorted(steering_labels(image.config.labels)))
    return Bundle(bundle_dir, rootfs, manifest.digest, image, left_out, mismatch(image.platform, platform))


def stage_for(bundle_dir: Path) -> AbstractContextManager[Path]:
    """Not renamed over the directory that is there: it may be a mount point, or where somebody's shell is."""
    if bundle_dir.is_dir():
        return staging(bundle_dir)
    return staging(bundle_dir.absolute().parent, f".{bundle_dir.name}")


def publish(stage: Path, bundle_dir: Path) -> None:
    """config.json last: a bundle that has one is complete."""
    if stage.parent != bundle_dir:
        stage.rename(bundle_dir)
        return
    for name in ("rootfs", "config.json"):
        if (stage / name).exists():
            (stage / name).rename(bundle_dir / name)


def container_id(bundle_dir: Path) -> str:
    """The name of a bundle's mount: of the absolute path, so that it can be found again."""
    return sha256(os.fsencode(bundle_dir.absolute())).hexdigest()[:32]


def check_free(bundle_dir: Path) -> None:
    """Raises: BundleError, before anything is fetched."""
    if not bundle_dir.absolute().parent.is_dir():
        raise BundleError(str(bundle_dir), "the directory that it would be made in is missing")
    try:
        if any(not name.startswith(STAGE_PREFIX) for name in os.listdir(bundle_dir)):
            raise BundleError(str(bundle_dir), "it is there and not empty", "choose a new name, or remove it")
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise BundleError(str(bundle_dir), "it is not a directory") from None


def find_image(source: Source, platform: Platform | None = None) -> tuple[Manifest, ImageConfig]:
    """The image that source names, for this machine if no platform is given, and its configuration.

    Raises: LayerError when the configuration speaks of other layers than the manifest; what `look` raises.
    """
    found = look_at(source, platform)
    image = image_config(found)
    layers = len(found.manifest.layers)
    if len(image.diff_ids) != layers:
        raise LayerError("", f"there are {layers} layers, but diff_ids for {len(image.diff_ids)}")
    return found.manifest, image


def apply_all(source: Source, manifest: Manifest, image: ImageConfig, rootfs: Path) -> None:
    rootfs.mkdir()
    os.chmod(rootfs, 0o755)
    # So that the root has the same time each time, unless a layer gives it one.
    os.utime(rootfs, (0, 0))
    root_fd = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for descriptor, diff_id in zip(manifest.layers, image.diff_ids, strict=True):
            with source.open_blob(descriptor) as reader:
                apply_layer(reader, root_fd, media_type=descriptor.media_type, diff_id=diff_id)
    finally:
        os.close(root_fd)


def release(bundle_dir: Path, driver: Driver) -> None:
    """Take away the tree that the driver has mounted for a bundle, with all that was written to it.

    bundle_dir: as it was given to `unpack`; it need not be there any more.
    """
    driver.unmount(container_id(bundle_dir))


def prepare(source: Source, manifest: Manifest, image: ImageConfig, driver: Driver, name: str) -> Path:
    """Have the driver keep every layer it has not got; returns the mounted tree."""
    parent: Digest | None = None
    for descriptor, diff_id, chain_id in zip(manifest.layers, image.diff_ids, image.chain_ids, strict=True):
        if not driver.exists(chain_id):
            with source.open_blob(descriptor) as reader:
                driver.prepare_layer(chain_id, parent, reader, diff_id, media_type=descriptor.media_type)
        parent = chain_id
    if parent is None:
        raise BundleError(source.describe(), "it has no layers, so there is nothing to mount")
    driver.unmount(name)
    return driver.mount(name, parent)


def write_config(stage: Path, image: ImageConfig, root_path: str, rootfs: Path) -> None:
    root_fd = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY)
    try:
        user: ImageUser = resolve_user(image.config.user, root_fd)
    finally:
        os.close(root_fd)
    config = runtime_config(image, user, root_path)
    (stage / "config.json").write_text(json.dumps(config, indent=2) + "\n")


@contextmanager
def kernel_errors(bundle_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise layout_error(f"unpack to {bundle_dir}", error) from error
