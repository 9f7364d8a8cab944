"""tare-image ls: what the store holds."""

from __future__ import annotations

import json
from pathlib import Path

import click
from tare_spec.errors import BadReference, printable
from tare_spec.reference import Reference

from tare_imagetools.commands.options import store_option
from tare_imagetools.progress import human
from tare_imagetools.store.store import Store, StoredImage

HEADER = ("NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE")


@click.command("ls", short_help="list the images of the store")
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@click.option("--quiet", "-q", is_flag=True, help="Names alone.")
@store_option
def command(as_json: bool, quiet: bool, store: Path | None) -> None:
    """List the images of the store, by name. SIZE is that of the layers as they are stored."""
    with Store(store) as opened:
        images = opened.images()
    if as_json:
        print(json.dumps([as_object(image) for image in images], indent=2))
        return
    if quiet:
        for image in images:
            print(image.reference)
        return
    rows = [HEADER, *(row_of(image) for image in images)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def row_of(image: StoredImage) -> tuple[str, str, str, str, str]:
    platform = image.platforms[0] if len(image.platforms) == 1 else f"{len(image.platforms)} platforms"
    return (
        familiar(image.reference),
        image.descriptor.digest.short,
        platform if image.platforms else "-",
        image.created[:10] or "-",
        human(image.size),
    )


def familiar(name: str) -> str:
    """As short as people write it; other tools may have put names that are none into the layout."""
    try:
        return Reference.parse(name).familiar
    except BadReference:
        return printable(name)


def as_object(image: StoredImage) -> dict[str, object]:
    return {
        "name": image.reference,
        "digest": str(image.descriptor.digest),
        "mediaType": image.descriptor.media_type,
        "platforms": list(image.platforms),
        "created": image.created,
        "size": image.size,
    }
