"""Pausing a container and letting it go on."""

from tare_runtime.cgroup.freeze import freeze, thaw
from tare_runtime.errors import NotRunning, StateError
from tare_runtime.state.store import StateStore, status


def pause_container(root: str, id: str) -> None:
    """Freeze every process. Raises: StateError unless it is running."""
    _change(root, id, "pause", ("running", "created"))


def resume_container(root: str, id: str) -> None:
    """Raises: StateError unless it is paused."""
    _change(root, id, "resume", ("paused",))


def _change(root: str, id: str, verb: str, wanted: "tuple[str, ...]") -> None:
    with StateStore(root).open(id) as state_dir, state_dir.lock():
        state = state_dir.read()
        have = status(state, state_dir.path)
        if have == "stopped":
            raise NotRunning(id)
        if have not in wanted:
            message = f"cannot {verb} container {id}: container not {wanted[0]}: it is {have}"
            raise StateError(id, have, wanted[0], message)
        (freeze if verb == "pause" else thaw)(state)
