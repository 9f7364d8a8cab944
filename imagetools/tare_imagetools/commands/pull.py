"""tare-image pull: an image from a registry into the store."""

from __future__ import annotations

from typing import Any

import click

from tare_imagetools.commands.options import (
    Common,
    all_option,
    platform_of,
    platform_option,
    progress_options,
    registry_options,
    store_option,
)
from tare_imagetools.pipeline import CopyOptions, copy
from tare_imagetools.transports.parse import open_sink, open_source, registry_name


@click.command("pull", short_help="copy an image from a registry into the store")
@click.argument("name")
@all_option
@platform_option
@registry_options
@progress_options
@store_option
def command(name: str, all_platforms: bool, platform: str | None, **given: Any) -> None:
    """Copy the image NAME[:TAG|@DIGEST] from its registry into the store, under the same name.

    A download that is cut is gone on with by the next pull. The full name and the digest are printed.
    """
    common = Common(**given)
    reference = registry_name(name)
    options = CopyOptions(common.progress, all_platforms, platform_of(platform), retry=common.retry)
    start = open_source(f"docker://{reference}", common.end())
    end = open_sink(f"store:{reference}", common.end())
    try:
        with start, end:
            done = copy(start, end, options)
    finally:
        common.progress.close()
    print(f"{reference.name}{f':{reference.tag}' if reference.tag else ''}@{done.digest}")
