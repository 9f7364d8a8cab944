"""tare-image tag: another name for an image of the store."""

from __future__ import annotations

from pathlib import Path

import click

from tare_imagetools.commands.options import store_option
from tare_imagetools.errors import BadReference
from tare_imagetools.store.store import Store
from tare_imagetools.transports.parse import parse_reference


@click.command("tag", short_help="give an image of the store another name")
@click.argument("name")
@click.argument("new_name")
@store_option
def command(name: str, new_name: str, store: Path | None) -> None:
    """Let NEW_NAME lead to the image NAME of the store; NAME stays."""
    target = parse_reference(new_name)
    if target.digest is not None:
        raise BadReference(f"read {new_name!r}", "a digest cannot be given to an image", "give a tag")
    with Store(store) as opened:
        opened.tag(target, opened.resolve(parse_reference(name)))
