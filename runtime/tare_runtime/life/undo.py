"""Taking back what a failed `create` or `run` has made, whatever stage it reached."""

from tare_runtime.cgroup.life import kill_all, remove_cgroups
from tare_runtime.errors import RuntimeFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.life.create import Created


def undo_create(created: "Created", cause: BaseException) -> None:
    """Kill, reap and remove. What goes wrong here never hides `cause`, the reason we are here."""
    created.kill()
    try:
        if created.pid:
            _poststop(created)
        if created.state.get("sharesPids"):
            kill_all(created.state, 9)
        remove_cgroups(created.state)
        created.state_dir.remove()
    except (RuntimeFailure, OSError) as error:
        cause.add_note(f"clean-up failed too: {error}")
    created.close()


def _poststop(created: "Created") -> None:
    if (created.state.get("hooks") or {}).get("poststop"):
        from tare_runtime.life.hooks import run_late_hooks

        run_late_hooks("poststop", created.state, "stopped", fatal=False)
