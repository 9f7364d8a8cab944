"""Another process in a container that exists. The same code as for its first one, by the same checks."""

import posix

from tare_runtime._core import lib
from tare_runtime.errors import NotRunning, StateError
from tare_runtime.host import spawn
from tare_runtime.life.create import (
    Settings,
    check_terminal,
    explained,
    hand_over_console,
    seccomp_filter,
    write_pid_file,
)
from tare_runtime.plan import ops
from tare_runtime.plan.build import Request, plan_exec
from tare_runtime.plan.identity import NAMESPACES
from tare_runtime.state.store import StateStore, process_start, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

    State = dict[str, Any]


class Executed:
    """A process in a container; `master` (-1: none) is the caller's."""

    __slots__ = ("master", "pid")

    def __init__(self) -> None:
        self.pid = 0
        self.master = -1


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
    set_groups = posix.geteuid() == 0 and not keep_groups
    request = Request(id, state["bundle"], gate=False, preserve_fds=preserve_fds, set_groups=set_groups)
    request.keep_groups = keep_groups
    joins = _joins(state, cgroups)
    plan = plan_exec(process, request, joins, flags, seccomp, state.get("linux") or {})
    done = Executed()
    try:
        _start(done, state, plan, request, settings)
    except BaseException as error:
        if done.pid:
            try:
                posix.kill(done.pid, 9)
            except ProcessLookupError:
                pass
            lib.tare_reap(done.pid)
        if done.master >= 0:
            posix.close(done.master)
        raise explained(error, plan, process) from error
    return done


def _open(root: str, id: str, *, ignore_paused: bool) -> "State":
    with StateStore(root).open(id) as state_dir:
        state = state_dir.read()
        have = status(state, state_dir.path)
    if have == "paused" and not ignore_paused:
        raise StateError(id, have, "running", f"cannot exec in a paused container: {id}")
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
    file = "/tasks" if cgroup["version"] == 1 else "/cgroup.procs"
    paths = {path + below.get(name, "") + file: 0 for name, path in cgroup["paths"].items()}
    return [ops.host_open_cgroup("/linux/cgroupsPath", path) for path in paths]


def _start(done: Executed, state: "State", plan: "list[Op]", request: Request, settings: Settings) -> None:
    pidfd = lib.tare_pidfd_open(state["pid"])
    if pidfd < 0 or process_start(state["pid"]) != state["pidStart"]:
        if pidfd >= 0:
            posix.close(pidfd)
        raise NotRunning(state["id"])
    host = spawn.count_host_ops(plan)
    try:
        stage_one, conversation = spawn.spawn(
            plan[host:], host, pidfd=pidfd, stdio=settings.stdio, preserve_fds=request.preserve_fds
        )
    finally:
        posix.close(pidfd)
    with conversation:
        cgroups: list[int] = []
        try:
            cgroups = spawn.run_host_ops(plan[:host])
            _converse(done, conversation, plan, state, settings, cgroups)
        except BaseException:
            done.pid = done.pid or spawn.unseen_process(conversation, stage_one)
            raise
        finally:
            spawn.close_all(cgroups)
            lib.tare_reap(stage_one)  # by now, or for the second time: then there is none
    if settings.pid_file:
        write_pid_file(settings.pid_file, done.pid)


def _converse(
    done: Executed,
    conversation: spawn.Conversation,
    plan: "list[Op]",
    state: "State",
    settings: Settings,
    cgroups: "list[int]",
) -> None:
    begun = False
    while True:
        message = conversation.receive()
        kind = message.kind
        if kind == spawn.CLONED:
            done.pid = message.value
            if settings.pidfd_socket:
                from tare_runtime.life.channels import send_pidfd

                send_pidfd(settings.pidfd_socket, done.pid, "setns")
            conversation.go(cgroups=cgroups)
        elif kind == spawn.CONSOLE:
            done.master = hand_over_console(message.fd, message.text, settings)
            conversation.go()
        elif kind == spawn.EXEC:
            begun = True
        elif kind == spawn.WARNED:
            from tare_runtime.host.explain import warning

            settings.warn(warning(plan, message.value, message.errno, message.text))
        elif kind == spawn.FAILED:
            raise spawn.Failed(message.value, message.errno, message.text)
        else:
            break
    if not begun:
        from tare_runtime.host.explain import died

        raise died(state)
