"""ps: the processes of a container, as the host's ps shows them, or their numbers as JSON."""

from __future__ import annotations

from tare_runtime.cgroup.life import cgroup_pids
from tare_runtime.cli.main import show
from tare_runtime.errors import HostError, NotRunning
from tare_runtime.json_text import dumps
from tare_runtime.state.store import state_and_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options

_DEFAULT_ARGS = ["-ef"]


def run(options: Options) -> int:
    id = options.args[0]
    state, have = state_and_status(options.root, id)
    pids = cgroup_pids(state)
    if not pids and have in ("created", "running", "paused"):
        pids = [state["pid"]]  # a container without cgroups
    if have == "creating":
        raise NotRunning(id, have)
    if options.format == "json":
        show((dumps(pids) if pids else "null") + "\n")  # null: Go's word for no entries
    else:
        show(_table(pids, options.args[1:] or _DEFAULT_ARGS))
    return 0


def _table(pids: list[int], ps_args: list[str]) -> str:
    """The lines of the host's ps that are about these processes, below its header."""
    import subprocess

    command = ["ps", *ps_args]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise HostError(f"run {' '.join(command)}: {(error.strerror or '').lower()}") from None
    if done.returncode:
        raise HostError(f"run {' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()}")
    header, *lines = done.stdout.splitlines() or [""]
    if "PID" not in header.split():
        raise HostError(f"run {' '.join(command)}: its output has no column PID", "give other ps options")
    column = header.split().index("PID")
    wanted = {str(pid) for pid in pids}
    kept = [line for line in lines if line.split()[column : column + 1] and line.split()[column] in wanted]
    return "\n".join([header, *kept]) + "\n"
