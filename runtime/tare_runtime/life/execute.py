"""Another process in a container that exists. The same code as for its first one, by the same checks."""

import posix

from tare_runtime._core import lib
from tare_runtime.cgroup.paths import is_first_user_namespace
from tare_runtime.errors import NotRunning, StateError
from tare_runtime.life.launch import Process, Settings, bring_up, check_terminal, explained, seccomp_filter
from tare_runtime.plan import ops
from tare_runtime.plan.build import Request, plan_exec
from tare_runtime.plan.identity import NAMESPACES
from tare_runtime.state.store import process_start, state_and_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

    State = dict[str, Any]


class Executed(Process):
    """Another process in a container."""

    __slots__ = ("place", "state")

    pidfd_name = "setns"

    def __init__(self, state: "State") -> None:
        super().__init__()
        self.state = state
        self.place: str | None = None  # where below a scope of the user's systemd, which has to put us there

    def cloned(self) -> None:
        if self.place is not None:
            from tare_runtime.cgroup.systemd_unit import attach_process

            attach_process(self.state["cgroup"]["unit"], self.place, self.pid)

    def listening(self, listener: int) -> None:
        from tare_runtime.life.listener import hand_over_listener

        hand_over_listener(listener, self.state, self.pid, "running")

    def settled(self, *, begun: bool, gone: bool) -> None:
        if not begun:
            from tare_runtime.host.explain import died

            raise died(self.state)


def exec_process(
    id: str,
    process: "dict[str, Any]",
    settings: Settings,
    *,
    preserve_fds: int = 0,
    ignore_paused: bool = False,
    cgroups: "tuple[str, ...]" = (),
) -> Executed:
    """Start `process` (a checked process document) in container `id`; its program runs on return.

    Raises: StateError where the container cannot take it; KernelError and its kin.
    """
    check_terminal(process, settings.console_socket, detached=settings.detached)
    state = _open(settings.root, id, ignore_paused=ignore_paused)
    flags = 0
    for name in state["namespaces"]:
        flags |= NAMESPACES[name]
    annotations = state["annotations"]
    seccomp = seccomp_filter(state.get("seccomp"), annotations, settings.root)
    keep_groups = "run.oci.keep_original_groups" in annotations
    set_groups = not keep_groups and _may_set_groups(state["pid"], flags)
    request = Request(id, state["bundle"], gate=False, preserve_fds=preserve_fds, set_groups=set_groups)
    request.keep_groups = keep_groups
    done = Executed(state)
    joins = _joins(state, cgroups)
    if state["cgroup"].get("userUnit"):
        # Whoever calls us may be in a session's cgroup, from which only the system's manager can move us.
        where = str(joins.pop()[2][0])
        done.place = where.removeprefix(state["cgroup"]["paths"][""]).removesuffix("/cgroup.procs")
    plan = plan_exec(process, request, joins, flags, seccomp, state.get("linux") or {})
    try:
        bring_up(done, plan, settings, preserve_fds=preserve_fds, pidfd=pidfd_of(state))
    except BaseException as error:
        done.kill()
        done.close()
        raise explained(error, plan, process) from error
    return done


def _may_set_groups(pid: int, flags: int) -> bool:
    if not flags & lib.CLONE_NEWUSER and posix.geteuid() == 0 and is_first_user_namespace():
        return True
    from tare_runtime.host.idmap import may_set_groups_in

    return may_set_groups_in(pid)


def _open(root: str, id: str, *, ignore_paused: bool) -> "State":
    state, have = state_and_status(root, id)
    if have == "paused" and not ignore_paused:
        message = f"cannot exec in a paused container: {id}"
        raise StateError(id, have, "running", message, "resume it first, or use --ignore-paused")
    if have in ("stopped", "creating"):
        hint = "cannot exec in a stopped container"
        raise NotRunning(id, have) if have == "creating" else _stopped(id, hint)
    return state


def _stopped(id: str, phrase: str) -> StateError:
    return StateError(id, "stopped", "running", f"{phrase}: container not running: {id}")


def _joins(state: "State", subgroups: "tuple[str, ...]") -> "list[Op]":
    """The container's cgroups, or those below them that `--cgroup [CONTROLLERS:]PATH` names."""
    cgroup = state["cgroup"]
    below: dict[str, str] = {}
    for text in subgroups:
        names, colon, path = text.rpartition(":")
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            from tare_runtime.errors import UsageError

            raise UsageError(f"--cgroup {text}: it leads out of the container's cgroup")
        for name in names.split(",") if colon else cgroup["paths"]:
            below[name] = "".join("/" + part for part in parts)
    if cgroup["version"] == 2 and cgroup["paths"] and not below:
        below[""] = _place_of_init(state["pid"], cgroup["paths"][""]) or cgroup.get("subgroup", "")
    # "unified": v2 beside v1, where systemd keeps its books.
    v2_file, file = "/cgroup.procs", "/tasks" if cgroup["version"] == 1 else "/cgroup.procs"
    paths = {
        path + below.get(name, "") + (v2_file if name == "unified" else file): 0
        for name, path in cgroup["paths"].items()
    }
    return [
        ops.host_open_cgroup("/linux/cgroupsPath", path) for path in (*paths, *cgroup.get("moreTasks", ()))
    ]


def _place_of_init(pid: int, path: str) -> str:
    """Where below the container's cgroup its first process has gone, as "/NAME…", or "".

    A container that makes cgroups of its own leaves none of its processes in the one that it was given, and
    the kernel lets none in from then on.
    """
    from tare_runtime.cgroup.paths import read_text

    try:
        lines = read_text(f"/proc/{pid}/cgroup").splitlines()
    except OSError:
        return ""
    for line in lines:
        if line.startswith("0::"):
            _, name, below = line.partition(path[path.rfind("/") :] + "/")
            return "/" + below if name else ""
    return ""


def pidfd_of(state: "State") -> int:
    pidfd: int = lib.tare_pidfd_open(state["pid"])
    if pidfd < 0 or process_start(state["pid"]) != state["pidStart"]:
        if pidfd >= 0:
            posix.close(pidfd)
        raise NotRunning(state["id"])
    return pidfd
