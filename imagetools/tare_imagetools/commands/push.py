"""tare-image push: an image from the store, or from elsewhere, to a registry."""

from __future__ import annotations

from typing import Any

import click

from tare_imagetools.commands.options import (
    Common,
    platform_of,
    platform_option,
    progress_options,
    registry_options,
    store_option,
)
from tare_imagetools.pipeline import CopyOptions, copy
from tare_imagetools.transports.parse import open_sink, open_source, registry_name


@click.command("push", short_help="copy an image from the store to a registry")
@click.argument("source")
@click.argument("destination", required=False)
@platform_option
@click.option("--chunk-size", type=click.IntRange(0), default=0, metavar="BYTES",
              help="Upload in chunks, each of which can be resumed; 0 is one stream.")  # fmt: skip
@registry_options
@progress_options
@store_option
def command(source: str, destination: str | None, platform: str | None, **given: Any) -> None:
    """Copy SOURCE, a name in the store or TRANSPORT:WHERE, to DESTINATION, a name in a registry.

    Without DESTINATION the name in the store says where. An index is pushed with all that it names, unless
    --platform chooses one image. The digest is printed.
    """
    common = Common(**given)
    target = registry_name(destination or source)
    options = CopyOptions(common.progress, platform is None, platform_of(platform), retry=common.retry)
    start = open_source(source, common.end())
    end = open_sink(f"docker://{target}", common.end(), source)
    try:
        with start, end:
            done = copy(start, end, options)
    finally:
        common.progress.close()
    print(f"{target.name}{f':{target.tag}' if target.tag else ''}@{done.digest}")
