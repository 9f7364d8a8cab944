"""tare-image tags: which tags a repository has."""

from __future__ import annotations

from typing import Any

import click

from tare_imagetools.commands.options import Common, registry_options, store_option
from tare_imagetools.transports.parse import has_transport, open_source


@click.command("tags", short_help="list the tags of a repository")
@click.argument("repository")
@registry_options
@store_option
def command(repository: str, **given: Any) -> None:
    """Print the tags of REPOSITORY, one a line: a name in a registry, or TRANSPORT:WHERE."""
    common = Common(quiet=True, **given)
    text = repository if has_transport(repository) else f"docker://{repository}"
    with open_source(text, common.end()) as source:
        for tag in source.list_tags():
            print(tag)
