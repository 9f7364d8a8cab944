"""tare-image gc: blobs that nothing needs out of the store."""

from __future__ import annotations

from pathlib import Path

import click

from tare_imagetools.commands.options import store_option
from tare_imagetools.progress import human
from tare_imagetools.store.store import Store


@click.command("gc", short_help="remove blobs of the store that no name leads to")
@store_option
def command(store: Path | None) -> None:
    """Remove the blobs that no name leads to, and beginnings of downloads older than a week.

    Waits until no other process has the store open.
    """
    with Store(store) as opened:
        freed = opened.gc()
    print(f"removed {freed.blobs} blobs, {human(freed.size)}")
