"""tare-image rm: names out of the store, and the blobs that only they led to."""

from __future__ import annotations

from pathlib import Path

import click

from tare_imagetools.commands.options import store_option
from tare_imagetools.progress import human
from tare_imagetools.store.store import Store
from tare_imagetools.transports.parse import parse_reference


@click.command("rm", short_help="remove a name from the store")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--no-gc", is_flag=True, help="Leave the blobs; tare-image gc removes them.")
@store_option
def command(names: tuple[str, ...], no_gc: bool, store: Path | None) -> None:
    """Remove each NAME from the store, then the blobs that no other name leads to."""
    with Store(store) as opened:
        for name in names:
            opened.untag(parse_reference(name.removeprefix("store:")))
        if not no_gc:
            freed = opened.gc()
            print(f"removed {freed.blobs} blobs, {human(freed.size)}")
