"""tare-image copy: an image from any transport to any other."""

from __future__ import annotations

from pathlib import Path
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
from tare_imagetools.transports.parse import open_sink, open_source


@click.command("copy", short_help="copy an image from anywhere to anywhere")
@click.argument("source")
@click.argument("destination")
@all_option
@platform_option
@click.option("--src-creds", metavar="USER:PASSWORD", help="Credentials for the source alone.")
@click.option("--dest-creds", metavar="USER:PASSWORD", help="Credentials for the destination alone.")
@click.option("--src-tls-verify/--no-src-tls-verify", default=None, help="As --tls-verify, source alone.")
@click.option("--dest-tls-verify/--no-dest-tls-verify", default=None, help="The same for the destination.")
@click.option("--chunk-size", type=click.IntRange(0), default=0, metavar="BYTES",
              help="Upload in chunks, each of which can be resumed; 0 is one stream.")  # fmt: skip
@click.option("--parallel", type=click.IntRange(1, 32), default=4, show_default=True, metavar="N",
              help="How many blobs at a time.")  # fmt: skip
@click.option("--digestfile", type=click.Path(path_type=Path), help="Write the digest of the copy there.")
@registry_options
@progress_options
@store_option
def command(
    source: str,
    destination: str,
    all_platforms: bool,
    platform: str | None,
    src_creds: str | None,
    dest_creds: str | None,
    src_tls_verify: bool | None,
    dest_tls_verify: bool | None,
    parallel: int,
    digestfile: Path | None,
    **given: Any,
) -> None:
    """Copy the image SOURCE to DESTINATION, both TRANSPORT:WHERE.

    One image is copied, that of --platform, or with --all the index and every image in it. Bytes are kept,
    so digests are. What is at the destination already is not sent again. The digest is printed.
    """
    common = Common(**given)
    options = CopyOptions(common.progress, all_platforms, platform_of(platform), parallel, common.retry)
    start = open_source(source, common.end(creds=src_creds, tls_verify=src_tls_verify))
    end = open_sink(destination, common.end(creds=dest_creds, tls_verify=dest_tls_verify), source)
    try:
        with start, end:
            done = copy(start, end, options)
    finally:
        common.progress.close()
    if digestfile:
        digestfile.write_text(f"{done.digest}\n")
    print(done.digest)
