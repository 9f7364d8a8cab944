"""tare-image config: the configuration of an image, for people."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from tare_imagetools.commands.options import (
    Common,
    platform_of,
    platform_option,
    registry_options,
    store_option,
)
from tare_imagetools.look import image_config, look_at
from tare_imagetools.transports.parse import open_source


@click.command("config", short_help="print the configuration of an image")
@click.argument("image")
@click.option("--raw", is_flag=True, help="Byte for byte, as the digest is of.")
@platform_option
@registry_options
@store_option
def command(image: str, raw: bool, platform: str | None, **given: Any) -> None:
    """Print the configuration of IMAGE, with everything that is in it."""
    common = Common(quiet=True, **given)
    with open_source(image, common.end()) as source:
        found = look_at(source, platform_of(platform))
        if raw:
            sys.stdout.buffer.write(found.config_bytes())
            return
        print(json.dumps(json.loads(image_config(found).raw), indent=2, ensure_ascii=False))
