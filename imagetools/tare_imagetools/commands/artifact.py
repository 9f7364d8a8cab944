"""tare-image artifact: files in a registry, packed as OCI artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tare_imagetools.commands.options import Common, progress_options, registry_options
from tare_imagetools.errors import UsageError
from tare_imagetools.transports.parse import session_for

UNKNOWN = "application/vnd.unknown.artifact.v1"


@click.group("artifact", short_help="push and pull plain files")
def command() -> None:
    """Push and pull plain files as OCI artifacts, with media types of your choice."""


@command.command("push", short_help="push files as one artifact")
@click.argument("reference")
@click.argument("files", nargs=-1, required=True, metavar="FILE[:MEDIA-TYPE]...")
@click.option("--artifact-type", default=UNKNOWN, show_default=True, metavar="TYPE", help="What it is.")
@click.option("--annotation", "annotations", multiple=True, metavar="KEY=VALUE", help="Said of the manifest.")
@registry_options
@progress_options
def push(
    reference: str, files: tuple[str, ...], artifact_type: str, annotations: tuple[str, ...], **given: Any
) -> None:
    """Push each FILE as a layer of the artifact REFERENCE, under its own name. The digest is printed."""
    from tare_imagetools.artifacts.client import Client

    common = Common(**given)
    with Client(session_for(common.end())) as client:
        print(client.push(reference, list(files), artifact_type, read_annotations(annotations)))


@command.command("pull", short_help="write the files of an artifact")
@click.argument("reference")
@click.option("--output", "-o", default=".", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where the files go.  [default: here]")  # fmt: skip
@registry_options
@progress_options
def pull(reference: str, output: Path, **given: Any) -> None:
    """Write the files of the artifact REFERENCE below DIR, replacing those of the same name."""
    from tare_imagetools.artifacts.client import Client

    common = Common(**given)
    with Client(session_for(common.end())) as client:
        for path in client.pull(reference, str(output)):
            print(path)


def read_annotations(texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"read --annotation {text!r}", "it is not KEY=VALUE")
        found[key] = value
    return found
