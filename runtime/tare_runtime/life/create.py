"""Making a container: from a bundle to a process that waits at the gate, or runs at once.

The order is such that a kill -9 at any point leaves what `delete` finds and removes: the state is on disk,
with the cgroups to be made, before the first of them is; init dies with the conversation.
"""

import posix
from time import gmtime, time_ns

from tare_runtime._core import lib
from tare_runtime.cgroup.paths import is_first_user_namespace
from tare_runtime.cgroup.plan import ensure_unused, plan_cgroup
from tare_runtime.config.read import load_config
from tare_runtime.host.spawn import Conversation, checked
from tare_runtime.life.launch import Process, Settings, bring_up, check_terminal, explained, seccomp_filter
from tare_runtime.plan.build import Request, plan_container
from tare_runtime.state.store import GATE, OCI_VERSION, StateDir, StateStore, process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cgroup.paths import CgroupPlan
    from tare_runtime.cgroup.systemd import Unit
    from tare_runtime.life.notify import Relay
    from tare_runtime.plan.ops import Op

    State = dict[str, Any]


def create_container(request: Request, settings: Settings) -> "Created":
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
    created = Created(config, first_state(config, request, cgroup, settings.config_path), state_dir)
    created.state["planSize"] = len(plan)
    created.unit = cgroup.unit
    try:
        if request.notify:
            _prepare_relay(created, request)
        gate = -1
        if request.gate:
            gate = checked(lib.tare_gate_listen(state_dir.fd, GATE.encode()), "listen at the gate")
        bring_up(created, plan, settings, preserve_fds=request.preserve_fds, late=cgroup.late, gate=gate)
    except BaseException as error:
        from tare_runtime.life.undo import undo_create

        undo_create(created, error)
        raise explained(error, plan, config["process"]) from error
    return created


def make_plan(
    config: "dict[str, Any]", request: Request, settings: Settings
) -> "tuple[CgroupPlan, list[Op]]":
    if not (request.set_groups and is_first_user_namespace()):
        _settle_groups(config, request)
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
    linux = config.get("linux") or {}
    if linux.get("intelRdt"):
        from tare_runtime.cgroup.resctrl import add_group, find_mount

        add_group(linux["intelRdt"], request.id, find_mount(), cgroup)
    if linux.get("netDevices"):
        from tare_runtime.plan.net_devices import plan_net_devices

        moves = plan_net_devices(linux["netDevices"])
        cgroup.host_ops += moves
        cgroup.late += len(moves)
    seccomp = seccomp_filter((config.get("linux") or {}).get("seccomp"), annotations, settings.root)
    return cgroup, plan_container(config, request, cgroup, seccomp)


def _settle_groups(config: "dict[str, Any]", request: Request) -> None:
    """Where we are not root of the host, the user namespace decides about setgroups(2)."""
    from tare_runtime.host.idmap import may_set_groups

    request.set_groups = may_set_groups(config.get("linux") or {})
    if (config["process"].get("user") or {}).get("additionalGids") and not request.set_groups:
        from tare_runtime.config.sections import section_of
        from tare_runtime.errors import ConfigError

        pointer = "/process/user/additionalGids"
        problem = "cannot be had: setgroups(2) is denied where only the own group is mapped"
        raise ConfigError([(pointer, problem, section_of(pointer))])


class Created(Process):
    """A container that was made: its first process, its config and state."""

    __slots__ = ("config", "relay", "state", "state_dir", "unit")

    pidfd_name = "standard"

    def __init__(self, config: "dict[str, Any]", state: "State", state_dir: StateDir) -> None:
        super().__init__()
        self.config = config
        self.relay: Relay | None = None  # of `run`, where NOTIFY_SOCKET is set
        self.state = state
        self.state_dir = state_dir
        self.unit: Unit | None = None  # of systemd, to be started for the process

    def close(self) -> None:
        self.state_dir.close()
        if self.relay:
            self.relay.close()
        super().close()

    def spawned(self) -> None:
        self.state_dir.write(self.state)

    def cloned(self) -> None:
        self.state["pid"] = self.pid
        self.state["pidStart"] = process_start(self.pid)
        if self.unit:
            from tare_runtime.cgroup.systemd_unit import start_unit

            start_unit(self.unit, self.pid, self.state["cgroup"])
        linux = self.config.get("linux") or {}
        if linux.get("uidMappings") or linux.get("gidMappings"):
            from tare_runtime.host.idmap import settle_maps

            settle_maps(self.pid, linux)

    def joined(self, conversation: Conversation) -> None:
        self.state_dir.write(self.state)  # while init works
        conversation.go()

    def synced(self, conversation: Conversation, point: int) -> None:
        from tare_runtime.life.hooks import answer_sync

        answer_sync(self, conversation, point)

    def listening(self, listener: int) -> None:
        from tare_runtime.life.listener import hand_over_listener

        hand_over_listener(listener, self.state, self.pid, "creating")

    def settled(self, *, begun: bool, gone: bool) -> None:
        if gone and (not begun or self._killed_by_the_kernel()):
            from tare_runtime.host.explain import died

            raise died(self.state)
        del self.state["creating"]
        self.state_dir.write(self.state)

    def _killed_by_the_kernel(self) -> bool:
        """Whether it was killed as its program began: for want of memory."""
        if process_start(self.pid):
            return False
        from tare_runtime.cgroup.life import oom_count
        from tare_runtime.life.wait import peek_status

        return peek_status(self.pid) == -9 and oom_count(self.state) > 0


def _prepare_relay(created: Created, request: Request) -> None:
    from tare_runtime.life.notify import Relay, make_folder

    make_folder(created.state_dir.fd)
    if not request.gate:  # else `start` has to do with it
        created.relay = Relay(created.state_dir.fd, posix.environ[b"NOTIFY_SOCKET"])


# --- its state at first: what later commands need to know of the config ------------------------------------


def first_state(
    config: "dict[str, Any]", request: "Request", cgroup: "CgroupPlan", config_path: "str | None"
) -> "State":
    """The state of a container that is about to be made."""
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
        "created": _timestamp(),
        "annotations": config.get("annotations") or {},
        "cgroup": cgroup.as_state(),
        # What `exec` and the later hooks need to know of the config.
        "namespaces": [item["type"] for item in (config.get("linux") or {}).get("namespaces") or ()],
        "process": {key: process[key] for key in _EXEC_DEFAULTS if key in process},
        "preserveFds": request.preserve_fds,
    }
    if config_path:  # this and the next: to make the plan again
        state["configPath"] = _absolute(config_path)
    if request.no_new_keyring:
        state["noNewKeyring"] = True
    if request.notify:
        state["notify"] = True
    if _shares_pids(config):
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


def _absolute(path: str) -> str:
    return path if path[:1] == "/" else f"{posix.getcwd()}/{path}"


def _shares_pids(config: "dict[str, Any]") -> bool:
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


def _timestamp() -> str:
    """Now, as RFC 3339 with nanoseconds in UTC."""
    now = time_ns()
    t = gmtime(now // 1_000_000_000)
    return f"{t[0]:04}-{t[1]:02}-{t[2]:02}T{t[3]:02}:{t[4]:02}:{t[5]:02}.{now % 1_000_000_000:09}Z"
