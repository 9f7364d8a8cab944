"""tare-image inspect: what an image is, without copying it."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from tare_spec.image import Manifest

from tare_imagetools.commands.options import (
    Common,
    platform_of,
    platform_option,
    registry_options,
    store_option,
)
from tare_imagetools.look import described, look_at
from tare_imagetools.transports.parse import open_source


@click.command("inspect", short_help="describe an image, or print its manifest")
@click.argument("image")
@click.option("--raw", is_flag=True, help="The manifest or index, byte for byte.")
@click.option("--config", "as_config", is_flag=True, help="The image's configuration, byte for byte.")
@platform_option
@registry_options
@store_option
def command(image: str, raw: bool, as_config: bool, platform: str | None, **given: Any) -> None:
    """Describe IMAGE as JSON: digest, platform, layers, and what its configuration says."""
    common = Common(quiet=True, **given)
    with open_source(image, common.end()) as source:
        if raw:
            sys.stdout.buffer.write(source.manifest().raw)
            return
        found = look_at(source, platform_of(platform))
        if as_config:
            sys.stdout.buffer.write(found.config_bytes())
            return
        assert isinstance(found.manifest, Manifest)
        print(json.dumps(described(found), indent=2, ensure_ascii=False))
