"""tare-image logout: credentials, forgotten."""

from __future__ import annotations

from pathlib import Path

import click

from tare_imagetools.commands.options import FILE
from tare_imagetools.errors import MissingError
from tare_imagetools.transports.parse import registry_host


@click.command("logout", short_help="forget credentials for a registry")
@click.argument("registry", default="docker.io")
@click.option("--authfile", type=FILE, metavar="FILE", help="Where they are kept.")
def command(registry: str, authfile: Path | None) -> None:
    """Remove the credentials for REGISTRY from the file, or the helper, that `login` would use."""
    from tare_imagetools.registry import login

    host = registry_host(registry)
    where = login.forget(host, authfile)
    if where is None:
        raise MissingError(f"log out of {host}", "no credentials are kept for it")
    print(f"removed the credentials for {host} from {where}")
