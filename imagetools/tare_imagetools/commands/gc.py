"""tare-image gc: blobs that nothing needs out of the store."""

from __future__ import annotations

from pathlib import Path

import click

from tare_imagetools.commands.options import store_option
from tare_imagetools.drivers.interface import NAMES, open_driver
from tare_imagetools.progress import human
from tare_imagetools.store.store import Store


@click.command("gc", short_help="remove blobs of the store that no name leads to")
@store_option
def command(store: Path | None) -> None:
    """Remove the blobs that no name leads to, and beginnings of downloads older than a week.

    And the unpacked layers that neither an image nor a container needs. Waits until no other process has the
    store open.
    """
    with Store(store) as opened:
        freed = opened.gc()
        drivers = [name for name in NAMES if (opened.root / name).is_dir()]
        chains = opened.graph().chains()
        layers = sum(open_driver(name, opened.root).prune(chains) for name in drivers)
    print(f"removed {freed.blobs} blobs, {human(freed.size)}, and {layers} unpacked layers")
