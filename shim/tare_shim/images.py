"""The one place that asks the image tool: pull, list, and the root filesystem of a container."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tare_imagetools.bundle import runtime_config
from tare_imagetools.drivers.interface import NAMES, open_driver
from tare_imagetools.errors import MissingError
from tare_imagetools.pipeline import mismatch
from tare_imagetools.transports.parse import Options, open_sink, open_source, parse_location
from tare_imagetools.unpack import find_image
from tare_imagetools.unpack import prepare as mount_layers
from tare_imagetools.user import ImageUser, resolve_user

from tare_shim.bundle_config import edit_config, edit_image
from tare_shim.errors import ShimError
from tare_shim.options import RunOptions
from tare_shim.records import Facts


def pull(image: str, store: Path, *, insecure: bool = False, quiet: bool = False) -> str:
    """Fetch an image from its registry into the store; its digest."""
    from tare_imagetools.pipeline import CopyOptions, copy
    from tare_imagetools.progress import standard

    name = image.removeprefix("docker://")
    options = Options(store=store, tls_verify=False if insecure else None)
    progress = standard(quiet=quiet, as_json=False)
    try:
        with open_source(f"docker://{name}", options) as source, open_sink(f"store:{name}", options) as sink:
            return str(copy(source, sink, CopyOptions(progress)).digest)
    finally:
        progress.close()


def prepare(
    image: str, facts: Facts, bundle: Path, options: RunOptions, *, store: Path, insecure: bool
) -> dict[str, object]:
    """Pull what is missing, mount a root filesystem, write bundle/config.json and return its content.

    Raises: ImageToolError, ShimError; the caller clears the root filesystem away.
    """
    location = parse_location(image)
    if location.transport not in {"docker", "store"}:
        return _prepare_from(image, facts, bundle, options, store)
    name = image.removeprefix("docker://").removeprefix("store:")
    try:
        return _prepare_from(f"store:{name}", facts, bundle, options, store)
    except MissingError:
        if location.transport == "store" and image.startswith("store:"):
            raise
        print(f"tare: {name} is not in the store, pulling it", file=sys.stderr)
    pull(name, store, insecure=insecure)
    return _prepare_from(f"store:{name}", facts, bundle, options, store)


def _prepare_from(
    text: str, facts: Facts, bundle: Path, options: RunOptions, store: Path
) -> dict[str, object]:
    with open_source(text, Options(store=store)) as source:
        manifest, image = find_image(source)
        other = mismatch(image.platform, None)
        if other:
            print(f"tare: warning: {text}: {other}", file=sys.stderr)
        rootfs = mount_layers(source, manifest, image, open_driver(facts.driver, store), facts.id)
    image = edit_image(image, options)
    config = runtime_config(image, _user_in(rootfs, image.config.user), str(rootfs))
    edited = edit_config(config, options, container_id=facts.id, root_path=str(rootfs))
    (bundle / "config.json").write_text(json.dumps(edited, indent=2))
    return edited


def choose_driver(store: Path) -> str:
    """overlay where the kernel lets us: as root, and not on top of an overlay."""
    named = os.environ.get("TARE_DRIVER")
    if named:
        if named not in NAMES:
            raise ShimError(f"use the graph driver {named!r}: there are {', '.join(NAMES)}")
        return named
    return "overlay" if os.geteuid() == 0 and not _on_overlay(store) else "vfs"


def clear_rootfs(store: Path, driver: str, container_id: str) -> None:
    """Take a container's root filesystem away; that it has none is fine. Without a driver's name: any."""
    for name in (driver,) if driver else NAMES:
        open_driver(name, store).unmount(container_id)


def find_user(bundle: Path, text: str) -> ImageUser:
    """USER[:GROUP] by the files of a running container."""
    config = json.loads((bundle / "config.json").read_text())
    return _user_in(Path(config["root"]["path"]), text)


def _user_in(rootfs: Path, text: str) -> ImageUser:
    root_fd = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return resolve_user(text, root_fd)
    finally:
        os.close(root_fd)


def _on_overlay(path: Path) -> bool:
    """Whether the file system that will hold `path` is an overlay; another cannot keep its layers there."""
    while not path.exists():
        path = path.parent
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1] == "overlay"
    return False


def print_images(store: Path, *, quiet: bool) -> None:
    from tare_imagetools.store.store import Store

    with Store(store) as opened:
        found = opened.images()
    if quiet:
        print("".join(f"{image.descriptor.digest}\n" for image in found), end="")
        return
    width = max([len(image.reference) for image in found], default=0)
    print(f"{'IMAGE':{width}}   DIGEST         SIZE")
    for image in found:
        print(f"{image.reference:{width}}   {image.descriptor.digest.hex[:12]}   {image.size / 1e6:.1f} MB")
