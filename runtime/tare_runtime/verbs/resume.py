"""resume: let the processes of a paused container go on."""

from tare_runtime.cgroup.freeze import thaw
from tare_runtime.errors import NotRunning, StateError
from tare_runtime.state.store import StateStore, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    resume_container(options.root, options.args[0])
    return 0


def resume_container(root: str, id: str) -> None:
    """Raises: StateError unless it is paused."""
    with StateStore(root).open(id) as state_dir, state_dir.lock():
        state = state_dir.read()
        have = status(state, state_dir.path)
        if have == "stopped":
            raise NotRunning(id)
        if have != "paused":
            raise StateError(id, have, "paused", f"cannot resume container {id}: it is {have}")
        thaw(state)
