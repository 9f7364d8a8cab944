"""tare-image unpack: an image becomes a directory that a runtime can run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tare_imagetools.commands.options import (
    FILE,
    Common,
    platform_of,
    platform_option,
    registry_options,
    store_option,
)
from tare_imagetools.drivers.interface import NAMES, open_driver
from tare_imagetools.store.store import default_root
from tare_imagetools.transports.parse import open_source
from tare_imagetools.unpack import unpack


@click.command("unpack", short_help="unpack an image into a bundle")
@click.argument("image")
@click.argument("bundle", type=FILE)
@click.option(
    "--driver",
    type=click.Choice(["dir", *NAMES]),
    default="dir",
    show_default=True,
    help="dir: files in BUNDLE/rootfs. Else the layers are kept in the store and the driver mounts them.",
)
@click.option("--sync", is_flag=True, help="Return when all is written to the disk.")
@platform_option
@registry_options
@store_option
def command(image: str, bundle: Path, driver: str, sync: bool, platform: str | None, **given: Any) -> None:
    """Make the bundle BUNDLE of IMAGE: a root file system and config.json, for tare-runtime, runc or crun.

    BUNDLE is a new name or an empty directory. It is complete or it is not there: a failure leaves nothing.
    """
    common = Common(**given)
    graph = None if driver == "dir" else open_driver(driver, common.store or default_root())
    with open_source(image, common.end()) as source:
        made = unpack(source, bundle, driver=graph, platform=platform_of(platform), sync=sync)
    if made.other_platform:
        print(f"tare-image: warning: {image}: {made.other_platform}", file=sys.stderr)
    for label in made.left_out:
        print(f"tare-image: left out of config.json: label {label!r}, an order to runtimes", file=sys.stderr)
