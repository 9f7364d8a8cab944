"""state: print the state document of a container."""

from __future__ import annotations

from tare_runtime.cli.main import show
from tare_runtime.json_text import dumps_indented
from tare_runtime.state.store import oci_state, state_and_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: Options) -> int:
    document = oci_state(*state_and_status(options.root, options.args[0]))
    show(dumps_indented(document) + "\n")
    return 0
