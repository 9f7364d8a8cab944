"""pause: freeze every process of a container."""

from tare_runtime.cgroup.freeze import freeze
from tare_runtime.errors import NotRunning, StateError
from tare_runtime.state.store import StateStore, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    pause_container(options.root, options.args[0])
    return 0


def pause_container(root: str, id: str) -> None:
    """Raises: StateError unless it is running."""
    with StateStore(root).open(id) as state_dir, state_dir.lock():
        state = state_dir.read()
        have = status(state, state_dir.path)
        if have == "stopped":
            raise NotRunning(id)
        if have not in ("running", "created"):
            raise StateError(id, have, "running", f"cannot pause container {id}: it is {have}")
        freeze(state)
