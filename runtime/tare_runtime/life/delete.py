"""Removing what a container holds: processes, cgroups, state."""

from tare_runtime.cgroup.life import remove_cgroups
from tare_runtime.errors import ContainerNotFound, HostError, RuntimeFailure, StateError
from tare_runtime.state.store import StateDir, StateStore, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    State = dict[str, Any]

_KILL_TIMEOUT_MS = 10_000


def delete_container(
    root: str, id: str, *, force: bool = False, warn: "Callable[[str], None] | None" = None
) -> None:
    """Remove a stopped or created container; with `force` any, and a missing one is no error.

    `warn` hears of poststop hooks that fail.

    Raises: StateError if it runs; ContainerNotFound.
    """
    store = StateStore(root)
    try:
        state_dir = store.open(id)
    except ContainerNotFound:
        if force:
            return
        raise
    with state_dir:
        try:
            state = state_dir.read()
        except (ContainerNotFound, HostError):
            if not force:
                raise
            state_dir.remove()  # damaged, or never written: there is nothing else we know of
            return
        have = status(state, state_dir.path)
        if have not in ("stopped", "created") and not force:
            message = f"cannot delete container {id} that is not stopped: {have}"
            hint = f"stop it first, or: tare-runtime delete --force {id}"
            raise StateError(id, have, "stopped", message, hint)
        if have != "stopped":
            _end(state, have)
        clean_up(state, state_dir, warn)


def clean_up(state: "State", state_dir: StateDir, warn: "Callable[[str], None] | None" = None) -> None:
    """Remove cgroups and state of a container whose process has ended; then its poststop hooks run."""
    if state.get("sharesPids"):
        from tare_runtime.cgroup.life import kill_all

        kill_all(state, 9)
    remove_cgroups(state)
    state_dir.remove()
    if (state.get("hooks") or {}).get("poststop"):
        from tare_runtime.life.hooks import run_late_hooks

        # Spec: runtime.md "Lifecycle" 13: a failing poststop hook is logged, the rest goes on.
        run_late_hooks("poststop", state, "stopped", fatal=False, warn=warn)


def _end(state: "State", have: str) -> None:
    from tare_runtime.life.kill import signal_process
    from tare_runtime.life.wait import wait_gone

    if have == "paused":
        from tare_runtime.cgroup.freeze import thaw

        thaw(state)
    if not state.get("pid"):
        return
    try:
        signal_process(state, 9)
    except StateError:
        return
    if not wait_gone(state["pid"], _KILL_TIMEOUT_MS):
        raise RuntimeFailure(
            f"delete container {state['id']}: process {state['pid']} does not end after SIGKILL",
            "it waits in the kernel, on a dead network file system for example; try again later",
        )
