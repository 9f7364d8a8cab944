"""Opening the gate: the created container becomes its program."""

import posix

from tare_runtime._core import lib
from tare_runtime.errors import NotRunning, RuntimeFailure, StateError
from tare_runtime.host import spawn
from tare_runtime.host.spawn import Conversation
from tare_runtime.state.store import GATE, StateDir, StateStore, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

    State = dict[str, Any]


# As runc words it.
_NOT_STARTED = {"running": "an already running container", "stopped": "a container that has stopped"}


def start_container(root: str, id: str, *, notify: bytes = b"") -> None:
    """Raises: StateError unless it is `created`; KernelError if its program cannot be executed.

    `notify`: the host's NOTIFY_SOCKET. If `create` has made one for the container, what that says is passed
    on until it is ready.
    """
    with StateStore(root).open(id) as state_dir:
        state = state_dir.read()
        if notify and state.get("notify"):
            from tare_runtime.life.notify import Relay

            with Relay(state_dir.fd, notify) as relay:
                _start(root, state_dir, state)
                relay.until_ready(state["pid"])
        else:
            _start(root, state_dir, state)


def _start(root: str, state_dir: StateDir, state: "State") -> None:
    with Conversation(_knock(state_dir, state)) as conversation:
        hooks = state.get("hooks") or {}
        document = b""
        if hooks.get("startContainer"):
            from tare_runtime.life.hooks import state_document

            document = state_document(state, "created")
        conversation.go(document)
        message = conversation.receive()
        if message.kind == spawn.LISTENER:
            from tare_runtime.life.listener import hand_over_listener

            hand_over_listener(message.fd, state, state["pid"], "created")
            conversation.go()
            message = conversation.receive()
        begun = message.kind == spawn.EXEC
        if begun:
            message = conversation.receive()
    if message.kind == spawn.FAILED:
        raise _failure(root, state, message)
    if not begun:
        from tare_runtime.host.explain import died

        raise died(state)
    if hooks.get("poststart"):
        _poststart(root, state)


def _knock(state_dir: StateDir, state: "State") -> int:
    """A connection to the gate (the caller's); the gate is gone after it, so only one `start` succeeds."""
    with state_dir.lock():
        have = status(state, state_dir.path)
        if have != "created":
            word = _NOT_STARTED.get(have, f"a container in the {have} state")
            raise StateError(state["id"], have, "created", f"cannot start {word}: {state['id']}")
        connection: int = lib.tare_gate_connect(state_dir.fd, GATE.encode())
        if connection < 0:
            raise NotRunning(state["id"], "stopped", "created")
        posix.unlink(GATE, dir_fd=state_dir.fd)
    return connection


def _failure(root: str, state: "State", message: spawn.Message) -> BaseException:
    """The plan is made again to find what the failed operation was."""
    from tare_runtime.life.launch import explained

    try:
        config, plan = plan_again(root, state)
    except RuntimeFailure as error:  # the bundle has changed since
        reason = message.text or posix.strerror(message.errno).lower()
        return RuntimeFailure(f"unable to start container process: {reason}", f"no more is known: {error}")
    return explained(spawn.Failed(message.value, message.errno, message.text), plan, config["process"])


def plan_again(root: str, state: "State") -> "tuple[dict[str, Any], list[Op]]":
    """The config and the plan that a created container was made by, as far as it lies behind the gate.

    That part is the same every time. What is at the beginning, the cgroups, depends on how `create` was
    called: so operations are counted from the end. Raises: RuntimeFailure.
    """
    from tare_runtime.config.read import load_config
    from tare_runtime.life.create import make_plan
    from tare_runtime.life.launch import Settings
    from tare_runtime.plan.build import Request

    config = load_config(state["bundle"], state.get("configPath"))
    request = Request(
        state["id"],
        state["bundle"],
        preserve_fds=state.get("preserveFds", 0),
        no_new_keyring=state.get("noNewKeyring", False),
        set_groups=posix.geteuid() == 0,
        has_kcore=posix.access("/proc/kcore", posix.F_OK),
    )
    if state.get("notify"):
        from tare_runtime.life.notify import prepare

        config = prepare(config, request, root)
    _, plan = make_plan(config, request, Settings(root))
    missing = state.get("planSize", len(plan)) - len(plan)
    return config, plan[:1] * missing + plan[max(0, -missing) :]


def _poststart(root: str, state: "State") -> None:
    """Spec: runtime-spec 1.3, runtime.md "Lifecycle" 9: a failing poststart hook is an error."""
    from tare_runtime.errors import HookError
    from tare_runtime.life.hooks import run_late_hooks

    try:
        run_late_hooks("poststart", state, "running", fatal=True)
    except HookError:
        from tare_runtime.life.kill import signal_container

        try:
            signal_container(root, state["id"], 9)
        except StateError:
            pass
        raise
