"""Copies without a process: what the commands call."""

from __future__ import annotations

import sys
from pathlib import Path

from tare_imagetools.pipeline import CopyOptions, copy
from tare_imagetools.progress import Progress, Quiet
from tare_imagetools.transports.parse import Options, open_sink, open_source
from tare_spec.platform import Platform


def copy_image(
    source: str,
    target: str,
    *,
    everything: bool = False,
    platform: str = "linux/amd64",
    store: Path | None = None,
) -> str:
    """Copy from name to name; returns the digest."""
    options = CopyOptions(Progress(Quiet(sys.stderr)), everything, Platform.parse(platform))
    both = Options(store=store)
    with open_source(source, both) as start, open_sink(target, both, source) as end:
        return str(copy(start, end, options).digest)
