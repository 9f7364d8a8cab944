"""Making a container: from a bundle to a process that waits at the gate, or runs at once.

The order is such that a kill -9 at any point leaves what `delete` finds and removes: the state is on disk,
with the cgroups to be made, before the first of them is; init dies with the conversation.
"""

import posix
from time import gmtime, time_ns

from tare_runtime._core import lib
from tare_runtime.cgroup.plan import ensure_unused, plan_cgroup
from tare_runtime.config.read import load_config
from tare_runtime.errors import RuntimeFailure
from tare_runtime.host import spawn
from tare_runtime.host.spawn import Conversation, checked, close_all, count_host_ops, run_host_ops
from tare_runtime.plan.build import Request, plan_container
from tare_runtime.state.store import GATE, OCI_VERSION, StateDir, StateStore, process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.cgroup.paths import CgroupPlan
    from tare_runtime.life.notify import Relay
    from tare_runtime.plan.ops import Op

    State = dict[str, Any]


class Created:
    """A container that was made. Owned by the caller: `master` (-1: no terminal, or sent elsewhere)."""

    __slots__ = (
        "cgroups",
        "config",
        "late_index",
        "late_ops",
        "master",
        "pid",
        "relay",
        "state",
        "state_dir",
    )

    def __init__(self, config: "dict[str, Any]", state: "State", state_dir: StateDir) -> None:
        self.config = config
        self.state = state
        self.state_dir = state_dir
        self.pid = 0
        self.master = -1
        self.relay: Relay | None = None  # of `run`, where NOTIFY_SOCKET is set
        self.cgroups: list[int] = []
        self.late_ops: list[Op] = []  # of the host, for when the process is there
        self.late_index = 0

    def close(self) -> None:
        self.state_dir.close()
        if self.relay:
            self.relay.close()
        if self.master >= 0:
            posix.close(self.master)
            self.master = -1


class Settings:
    """How to make it, beside the plan's Request: where its console and pid go, and its stdio."""

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


def create_container(request: Request, settings: Settings) -> Created:
    """Make the container of `request`.

    With a gate it waits for `start`; without one its program runs when this returns. On failure nothing of
    it is left. Raises: RuntimeFailure and its kin.
    """
    config = load_config(request.bundle, settings.config_path, warn=settings.warn)
    if request.notify:
        from tare_runtime.life.notify import prepare

        config = prepare(config, request, settings.root)
    check_terminal(config["process"], settings.console_socket, detached=settings.detached)
    cgroup, plan = make_plan(config, request, settings)
    state_dir = StateStore(settings.root).create(request.id)
    try:
        ensure_unused(cgroup)  # before anything of it is ours to undo
    except BaseException:
        state_dir.remove()
        state_dir.close()
        raise
    state = _first_state(config, request, cgroup, settings)
    created = Created(config, state, state_dir)
    try:
        if request.notify:
            _prepare_relay(created, request)
        _bring_up(created, plan, cgroup.late, request, settings)
    except BaseException as error:
        from tare_runtime.life.undo import undo_create

        undo_create(created, error)
        raise explained(error, plan, config["process"]) from error
    return created


def make_plan(
    config: "dict[str, Any]", request: Request, settings: Settings
) -> "tuple[CgroupPlan, list[Op]]":
    annotations = config.get("annotations") or {}
    for name in annotations:
        if name.startswith(("run.oci.", "module.wasm.")):
            from tare_runtime.life.annotations import obey

            obey(config, request, settings)
            break
    if settings.no_cgroups:
        from tare_runtime.cgroup.none import no_cgroups

        cgroup = no_cgroups(config, settings.warn)
    else:
        cgroup = plan_cgroup(
            config,
            request.id,
            systemd=settings.systemd_cgroup,
            rootless=settings.rootless,
            warn=settings.warn,
        )
    if "run.oci.delegate-cgroup" in annotations:
        from tare_runtime.life.annotations import delegate

        delegate(cgroup, annotations["run.oci.delegate-cgroup"])
    seccomp = seccomp_filter((config.get("linux") or {}).get("seccomp"), annotations, settings.root)
    return cgroup, plan_container(config, request, cgroup, seccomp)


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


def explained(error: BaseException, plan: "list[Op]", process: "dict[str, Any]") -> BaseException:
    """The error as the user shall read it."""
    if isinstance(error, spawn.Failed):
        from tare_runtime.host.explain import explain

        return explain(error, plan, process)
    if isinstance(error, OSError):
        from tare_runtime.errors import HostError

        return HostError(f"unable to start container process: {error.strerror or error}")
    return error


# --- the steps -------------------------------------------------------------------------------------------


def _first_state(
    config: "dict[str, Any]", request: Request, cgroup: "CgroupPlan", settings: Settings
) -> "State":
    process = config["process"]
    rootfs = config["root"]["path"]
    state: State = {
        "ociVersion": config.get("ociVersion", OCI_VERSION),
        "id": request.id,
        "pid": 0,
        "pidStart": 0,
        "creating": True,
        "bundle": request.bundle,
        "rootfs": rootfs if rootfs[:1] == "/" else f"{request.bundle}/{rootfs}",
        "created": timestamp(),
        "annotations": config.get("annotations") or {},
        "cgroup": cgroup.as_state(),
        # What `exec` and the later hooks need to know of the config.
        "namespaces": [item["type"] for item in (config.get("linux") or {}).get("namespaces") or ()],
        "process": {key: process[key] for key in _EXEC_DEFAULTS if key in process},
        "preserveFds": request.preserve_fds,
    }
    if settings.config_path:  # this and the next: to make the plan again
        state["configPath"] = absolute(settings.config_path)
    if request.no_new_keyring:
        state["noNewKeyring"] = True
    if request.notify:
        state["notify"] = True
    if shares_pids(config):
        state["sharesPids"] = True
    linux = config.get("linux") or {}
    kept = {key: linux[key] for key in _EXEC_LINUX if key in linux}
    if kept:
        state["linux"] = kept
    hooks = config.get("hooks") or {}
    later = {kind: hooks[kind] for kind in ("startContainer", "poststart", "poststop") if hooks.get(kind)}
    if later:
        state["hooks"] = later
    profile = linux.get("seccomp")
    if profile:
        state["seccomp"] = profile
    return state


def _prepare_relay(created: Created, request: Request) -> None:
    from tare_runtime.life.notify import Relay, make_folder

    make_folder(created.state_dir.fd)
    if not request.gate:  # else `start` has to do with it
        created.relay = Relay(created.state_dir.fd, posix.environ[b"NOTIFY_SOCKET"])


def absolute(path: str) -> str:
    return path if path[:1] == "/" else f"{posix.getcwd()}/{path}"


def shares_pids(config: "dict[str, Any]") -> bool:
    """Whether others outlive the first process: it is not process 1 of a pid namespace of its own."""
    for item in (config.get("linux") or {}).get("namespaces") or ():
        if item["type"] == "pid":
            return bool(item.get("path"))
    return True


_EXEC_DEFAULTS = (
    "user",
    "env",
    "cwd",
    "capabilities",
    "rlimits",
    "noNewPrivileges",
    "oomScoreAdj",
    "apparmorProfile",
    "selinuxLabel",
    "scheduler",
    "ioPriority",
    "execCPUAffinity",
)
_EXEC_LINUX = ("memoryPolicy", "personality")


def timestamp() -> str:
    """Now, as RFC 3339 with nanoseconds in UTC."""
    now = time_ns()
    t = gmtime(now // 1_000_000_000)
    return f"{t[0]:04}-{t[1]:02}-{t[2]:02}T{t[3]:02}:{t[4]:02}:{t[5]:02}.{now % 1_000_000_000:09}Z"


def _bring_up(created: Created, plan: "list[Op]", late: int, request: Request, settings: Settings) -> None:
    host = count_host_ops(plan)
    created.late_ops = plan[host - late : host]
    created.late_index = host - late
    gate = -1
    if request.gate:
        gate = checked(lib.tare_gate_listen(created.state_dir.fd, GATE.encode()), "listen at the gate")
    try:
        stage_one, conversation = spawn.spawn(
            plan[host:], host, gate=gate, stdio=settings.stdio, preserve_fds=request.preserve_fds
        )
    finally:
        if gate >= 0:
            posix.close(gate)
    with conversation:
        try:
            # Side by side with init, which makes the namespaces meanwhile.
            created.state_dir.write(created.state)
            created.cgroups = run_host_ops(plan[: host - late])
            converse(created, conversation, plan, request, settings)
        except BaseException:
            created.pid = created.pid or spawn.unseen_process(conversation, stage_one)
            raise
        finally:
            close_all(created.cgroups)
            lib.tare_reap(stage_one)  # by now, or for the second time: then there is none
    if settings.pid_file:
        write_pid_file(settings.pid_file, created.pid)


def converse(
    created: Created,
    conversation: Conversation,
    plan: "list[Op]",
    request: Request,
    settings: Settings,
) -> None:
    """Do the runtime's part until the container waits at the gate, or runs."""
    begun = False
    while True:
        message = conversation.receive()
        kind = message.kind
        if kind == spawn.CLONED:
            _settle_process(created, message.value)
            if settings.pidfd_socket:
                from tare_runtime.life.channels import send_pidfd

                send_pidfd(settings.pidfd_socket, created.pid, "standard")
            conversation.go(cgroups=created.cgroups)
            created.state_dir.write(created.state)  # while init works
            conversation.go()
        elif kind == spawn.CONSOLE:
            created.master = hand_over_console(message.fd, message.text, settings)
            conversation.go()
        elif kind == spawn.SYNC:
            from tare_runtime.life.hooks import answer_sync

            answer_sync(created, conversation, message.value)
        elif kind == spawn.EXEC:
            begun = True
        elif kind == spawn.READY:
            break
        elif kind == spawn.WARNED:
            from tare_runtime.host.explain import warning

            settings.warn(warning(plan, message.value, message.errno, message.text))
        elif kind == spawn.FAILED:
            raise spawn.Failed(message.value, message.errno, message.text)
        else:
            break
    if kind == spawn.ENDED and (not begun or killed_by_the_kernel(created)):
        from tare_runtime.host.explain import died

        raise died(created.state)
    del created.state["creating"]
    created.state_dir.write(created.state)


def killed_by_the_kernel(created: Created) -> bool:
    """Whether the process was killed as its program began: for want of memory."""
    if process_start(created.pid):
        return False
    from tare_runtime.cgroup.life import oom_count
    from tare_runtime.life.wait import peek_status

    return peek_status(created.pid) == -9 and oom_count(created.state) > 0


def _settle_process(created: Created, pid: int) -> None:
    created.pid = pid
    created.state["pid"] = pid
    created.state["pidStart"] = process_start(pid)
    run_host_ops(created.late_ops, created.late_index)
    linux = created.config.get("linux") or {}
    if linux.get("uidMappings") or linux.get("gidMappings"):
        from tare_runtime.host.idmap import write_maps

        write_maps(pid, linux.get("uidMappings") or [], linux.get("gidMappings") or [])


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


def write_pid_file(path: str, pid: int) -> None:
    """Digits without a newline (callers parse them untrimmed), in one step.

    The file has no name until it is whole, so that nothing is left of it if we are killed.
    """
    slash = path.rfind("/") + 1
    flags = posix.O_WRONLY | posix.O_TMPFILE | posix.O_CLOEXEC
    try:
        fd = posix.open(path[:slash] or ".", flags, 0o644)
        try:
            posix.write(fd, b"%d" % pid)
            _give_name(fd, path)
        finally:
            posix.close(fd)
    except OSError as error:
        from errno import EISDIR, EOPNOTSUPP

        if error.errno in (EOPNOTSUPP, EISDIR):  # a file system without unnamed files
            _write_plainly(path, pid)
            return
        raise OSError(error.errno, f"write --pid-file {path}: {str(error.strerror).lower()}") from None


def _give_name(fd: int, path: str) -> None:
    unnamed = f"/proc/self/fd/{fd}"  # open(2), O_TMPFILE; src_dir_fd makes it linkat(2), which follows links
    try:
        posix.link(unnamed, path, src_dir_fd=fd, follow_symlinks=True)
    except FileExistsError:
        posix.unlink(path)
        posix.link(unnamed, path, src_dir_fd=fd, follow_symlinks=True)


def _write_plainly(path: str, pid: int) -> None:
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o644)
        try:
            posix.write(fd, b"%d" % pid)
        finally:
            posix.close(fd)
    except OSError as error:
        raise OSError(error.errno, f"write --pid-file {path}: {str(error.strerror).lower()}") from None
