"""Which hooks run when, and the state document they get. The running itself is host.hooks'.

Spec: runtime-spec 1.3, runtime.md "Lifecycle" steps 3 to 13; config.md "POSIX-platform Hooks".
"""

from tare_runtime.errors import HostError
from tare_runtime.host.hooks import run_hooks
from tare_runtime.json_text import dumps
from tare_runtime.plan.ops import SYNC_HOST_HOOKS
from tare_runtime.state.store import oci_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.errors import HookError
    from tare_runtime.host.spawn import Conversation
    from tare_runtime.life.create import Created

    State = dict[str, Any]


def state_document(state: "State", status: str) -> bytes:
    """The state as hooks read it on standard input."""
    return dumps(oci_state(state, status)).encode()


def answer_sync(created: "Created", conversation: "Conversation", point: int) -> None:
    """At a sync point: run the hooks that belong to our namespaces, hand init the state for its own."""
    if point == SYNC_HOST_HOOKS:
        run_host_hooks(created.config, created.state)
        conversation.go(state_document(_seen_inside(created.state), "creating"))
    else:
        conversation.go(state_document(_seen_inside(created.state), "created"))


def run_host_hooks(config: "dict[str, Any]", state: "State") -> None:
    """Those that run before the container's own, in our namespaces. Raises: HookError."""
    hooks = config.get("hooks") or {}
    document = state_document(state, "creating")
    for kind in ("prestart", "createRuntime"):
        _run(kind, hooks.get(kind) or [], document, state, fatal=True)


def _run(
    kind: str, hooks: "list[dict[str, Any]]", document: bytes, state: "State", *, fatal: bool
) -> "list[HookError]":
    annotations = state["annotations"]
    if "run.oci.hooks.stdout" not in annotations and "run.oci.hooks.stderr" not in annotations:
        return run_hooks(kind, hooks, document, fatal=fatal)
    from tare_runtime.host.spawn import close_all
    from tare_runtime.life.annotations import hook_files

    try:
        output = hook_files(annotations)
    except HostError:
        if fatal:
            raise
        output = (-1, -1)  # what comes at the end is not held up by a file
    try:
        return run_hooks(kind, hooks, document, fatal=fatal, output=output)
    finally:
        close_all([fd for fd in output if fd >= 0])


def _seen_inside(state: "State") -> "State":
    """The state with the pid that the container's namespaces have for its process.

    Spec: runtime-spec 1.3, runtime.md, "State": hooks that run in the container's namespaces get that one.
    """
    with open(f"/proc/{state['pid']}/status") as file:
        for line in file:
            if line.startswith("NSpid:"):
                return {**state, "pid": int(line.split()[-1])}
    return state


def run_late_hooks(
    kind: str, state: "State", status: str, *, fatal: bool, warn: "Callable[[str], None] | None" = None
) -> None:
    """poststart and poststop, from the copies in the state; `warn` hears of failures that are not fatal."""
    hooks = (state.get("hooks") or {}).get(kind)
    if hooks:
        for failure in _run(kind, hooks, state_document(state, status), state, fatal=fatal):
            if warn:
                warn(failure.message)
