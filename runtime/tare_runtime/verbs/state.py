"""state: print the state document of a container."""

from __future__ import annotations

from tare_runtime.cli.main import show
from tare_runtime.json_text import dumps_indented
from tare_runtime.state.store import StateStore, oci_state, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: Options) -> int:
    with StateStore(options.root).open(options.args[0]) as state_dir:
        state = state_dir.read()
        document = oci_state(state, status(state, state_dir.path))
    show(dumps_indented(document) + "\n")
    return 0
