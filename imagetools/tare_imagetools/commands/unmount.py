"""tare-image unmount: the end of what `unpack --driver` has begun."""

from __future__ import annotations

from pathlib import Path

import click

from tare_imagetools.commands.options import FILE, store_option
from tare_imagetools.drivers.interface import NAMES, open_driver
from tare_imagetools.store.store import default_root
from tare_imagetools.unpack import release


@click.command("unmount", short_help="take away what unpack --driver mounted")
@click.argument("bundle", type=FILE)
@click.option("--driver", type=click.Choice(NAMES), required=True, help="As it was given to unpack.")
@store_option
def command(bundle: Path, driver: str, store: Path | None) -> None:
    """Take away the root file system that a driver gave BUNDLE, with all that was written to it.

    BUNDLE itself stays. The layers stay in the store.
    """
    release(bundle, open_driver(driver, store or default_root()))
