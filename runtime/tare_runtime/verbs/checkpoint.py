"""checkpoint: write a running container to files, by CRIU."""

from __future__ import annotations

from tare_runtime.cli.table_more import MORE
from tare_runtime.criu.checkpoint import checkpoint_container
from tare_runtime.verbs.create import warner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cli.argv import Options


def run(options: Options) -> int:
    chosen = named_options(options)
    checkpoint_container(options.root, options.args[0], chosen, program=options.criu, warn=warner(options))
    return 0


def named_options(options: Options) -> dict[str, Any]:
    """The options of this command, by their names with underscores."""
    names = [option[0].replace("-", "_") for option in MORE[options.verb][4]]
    return {name: getattr(options, name) for name in names}
