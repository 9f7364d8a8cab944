"""tare-image check: the store's content against its names."""

from __future__ import annotations

from pathlib import Path

import click
from tare_spec.errors import printable

from tare_imagetools.commands.options import store_option
from tare_imagetools.errors import VerifyError
from tare_imagetools.store import check
from tare_imagetools.store.store import Store


@click.command("check", short_help="read all of the store and compare it with its digests")
@click.option("--remove-damaged", is_flag=True, help="Remove damaged blobs; a pull fetches them anew.")
@store_option
def command(remove_damaged: bool, store: Path | None) -> None:
    """Read every blob of the store, and tell which are damaged, and which are missing to an image."""
    with Store(store) as opened:
        findings = check.check(opened)
        for finding in findings:
            print(printable(str(finding), 1000))
        removed = check.remove_damaged(opened, findings) if remove_damaged else 0
    if removed:
        print(f"removed {removed} damaged blobs; pull the images again")
    elif findings:
        hint = "tare-image check --remove-damaged, then pull the images again"
        error = VerifyError(f"the store {opened.root}", f"{len(findings)} blobs are not as they should be")
        error.hint = hint
        raise error
    else:
        print("all blobs are what their digests say")
