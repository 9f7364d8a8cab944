"""From a plan to a process: the part that a container's first one and those of `exec` have in common.

What each does besides, when the process is there, is in its class: life.create, life.execute.
"""

import posix

from tare_runtime._core import lib
from tare_runtime.errors import RuntimeFailure
from tare_runtime.host import spawn
from tare_runtime.host.spawn import Conversation, checked, close_all, count_host_ops, run_host_ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.plan.ops import Op


class Settings:
    """How a process is made, beside its plan: where its console and pid go, its stdio, where state lies."""

    __slots__ = (
        "config_path",
        "console_socket",
        "detached",
        "no_cgroups",
        "pid_file",
        "pidfd_socket",
        "root",
        "rootless",
        "stdio",
        "systemd_cgroup",
        "warn",
    )

    def __init__(
        self,
        root: str,
        *,
        config_path: "str | None" = None,
        console_socket: str = "",
        detached: bool = True,
        pid_file: str = "",
        pidfd_socket: str = "",
        stdio: "tuple[int, int, int]" = (0, 1, 2),
        rootless: str = "auto",
        systemd_cgroup: bool = False,
        no_cgroups: bool = False,
        warn: "Callable[[str], None]" = lambda text: None,
    ) -> None:
        self.root = root
        self.config_path = config_path
        self.console_socket = console_socket
        self.detached = detached
        self.pid_file = pid_file
        self.pidfd_socket = pidfd_socket
        self.stdio = stdio
        self.rootless = rootless
        self.systemd_cgroup = systemd_cgroup
        self.no_cgroups = no_cgroups
        self.warn = warn


class Process:
    """A process that is being made. Owned by the caller: `master` (-1: no terminal, or sent elsewhere)."""

    __slots__ = ("master", "opened", "pid")

    pidfd_name = ""  # what --pidfd-socket is told: runc's words

    def __init__(self) -> None:
        self.pid = 0
        self.master = -1
        self.opened: list[int] = []  # while it is being made: what host operations opened for it

    def spawned(self) -> None:
        """Init runs, and makes the namespaces meanwhile."""

    def cloned(self) -> None:
        """`pid` is known; the process waits."""

    def joined(self, conversation: Conversation) -> None:
        """It was told to go on, and which cgroups to join."""

    def synced(self, conversation: Conversation, point: int) -> None:
        """It has reached a point of ops.sync and waits for an answer."""
        raise ValueError(point)

    def listening(self, listener: int) -> None:
        """Its seccomp filter has a listener (ours to close), which has to be handed on."""
        raise ValueError(listener)

    def settled(self, *, begun: bool, gone: bool) -> None:
        """The conversation is over. `begun`: the program comes next; `gone`: the other end is closed."""

    def close(self) -> None:
        if self.master >= 0:
            posix.close(self.master)
            self.master = -1

    def kill(self) -> None:
        """End and reap it, if it is there."""
        if self.pid:
            try:
                posix.kill(self.pid, 9)
            except ProcessLookupError:
                pass
            lib.tare_reap(self.pid)


def bring_up(
    process: Process,
    plan: "list[Op]",
    settings: Settings,
    *,
    preserve_fds: int,
    late: int = 0,
    gate: int = -1,
    pidfd: int = -1,
) -> None:
    """Carry out `plan` until the process waits at the gate, or its program runs.

    `late`: how many of the host's operations wait until the process is there. `gate` and `pidfd` (of the
    process whose namespaces are joined) are closed here. Where this raises, `process.pid` is what is left.
    """
    host = count_host_ops(plan)
    try:
        stage_one, conversation = spawn.spawn(
            plan[host:], host, gate=gate, pidfd=pidfd, stdio=settings.stdio, preserve_fds=preserve_fds
        )
    finally:
        close_all([fd for fd in (gate, pidfd) if fd >= 0])
    with conversation:
        try:
            process.spawned()
            process.opened = run_host_ops(plan[: host - late])
            _converse(process, conversation, plan, range(host - late, host), settings)
        except BaseException:
            process.pid = process.pid or spawn.unseen_process(conversation, stage_one)
            raise
        finally:
            close_all(process.opened)
            lib.tare_reap(stage_one)  # by now, or for the second time: then there is none
    if settings.pid_file:
        from tare_runtime.life.pid_file import write_pid_file

        write_pid_file(settings.pid_file, process.pid)


def _converse(
    process: Process, conversation: Conversation, plan: "list[Op]", late: range, settings: Settings
) -> None:
    begun = False
    while True:
        message = conversation.receive()
        kind = message.kind
        if kind == spawn.CLONED:
            process.pid = message.value
            process.cloned()
            # Cgroups come before trees of mounts; what is opened late are the cgroups of systemd.
            process.opened[:0] = run_host_ops(plan[late.start : late.stop], late.start, process.pid)
            if settings.pidfd_socket:
                from tare_runtime.life.channels import send_pidfd

                send_pidfd(settings.pidfd_socket, process.pid, process.pidfd_name)
            trees = sum(op[0] == "host_tree" for op in plan[: late.stop])
            conversation.go(opened=process.opened, trees=trees)
            process.joined(conversation)
        elif kind == spawn.CONSOLE:
            process.master = hand_over_console(message.fd, message.text, settings)
            conversation.go()
        elif kind == spawn.SYNC:
            process.synced(conversation, message.value)
        elif kind == spawn.EXEC:
            begun = True
        elif kind == spawn.LISTENER:
            process.listening(message.fd)
            conversation.go()
        elif kind == spawn.WARNED:
            from tare_runtime.host.explain import warning

            settings.warn(warning(plan, message.value, message.errno, message.text))
        elif kind == spawn.FAILED:
            raise spawn.Failed(message.value, message.errno, message.text)
        else:
            break
    process.settled(begun=begun, gone=kind == spawn.ENDED)


def hand_over_console(master: int, name: str, settings: Settings) -> int:
    """Send the master on and close it, or keep it (returned; the caller's) where there is no socket.

    A terminal that we keep gets the size of our own, where our standard input is one.
    """
    console_socket = settings.console_socket
    if not console_socket:
        lib.tare_window_size(settings.stdio[0], master)
        return master
    try:
        result = lib.tare_send_console(console_socket.encode(), master, name.encode())
        checked(result, f"send the terminal to --console-socket {console_socket}")
    finally:
        posix.close(master)
    return -1


def check_terminal(process: "dict[str, Any]", console_socket: str, *, detached: bool) -> None:
    """A terminal needs someone who takes its master: a command in the foreground, or a console socket."""
    if process.get("terminal"):
        if detached and not console_socket:
            raise RuntimeFailure(
                "give the process a terminal: nobody takes its master: the command detaches and there is"
                " no --console-socket",
                "set process.terminal to false, or pass --console-socket",
            )
    elif console_socket:
        raise RuntimeFailure(
            "use --console-socket: the process has no terminal", "set process.terminal to true"
        )


def seccomp_filter(
    profile: "dict[str, Any] | None", annotations: "dict[str, str]", root: str
) -> "tuple[bytes, int] | None":
    """The program and the flags of a container's filter, or None where it has none."""
    if "run.oci.seccomp_bpf_data" in annotations:
        from tare_runtime.life.annotations import given_filter

        return given_filter(annotations)
    if not profile:
        return None
    from tare_runtime.seccomp.cache import CACHE_NAME, load_filter

    return load_filter(profile, root + CACHE_NAME)


def explained(error: BaseException, plan: "list[Op]", process: "dict[str, Any]") -> BaseException:
    """The error as the user shall read it."""
    if isinstance(error, spawn.Failed):
        from tare_runtime.host.explain import explain

        return explain(error, plan, process)
    if isinstance(error, OSError):
        from tare_runtime.errors import HostError
        from tare_runtime.host.hints import of_host_error

        return HostError(
            f"unable to start container process: {error.strerror or error}", of_host_error(error)
        )
    return error
