"""Mounts that come to a container that exists, or go: all of them, or none. Cold.

Sources are opened on the host; what is mounted and where is then done by init in the container's namespaces,
by the same operations as when a container is made.
"""

from __future__ import annotations

from tare_runtime._core import lib
from tare_runtime.cgroup.paths import CgroupPlan
from tare_runtime.config import rules, shape
from tare_runtime.errors import ConfigError, KernelError, RuntimeFailure
from tare_runtime.life.execute import pidfd_of
from tare_runtime.life.launch import Process, Settings, bring_up, explained
from tare_runtime.plan import ops
from tare_runtime.plan.identity import NAMESPACES
from tare_runtime.plan.mounts import plan_mounts
from tare_runtime.state.store import state_in_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.plan.ops import Op

    State = dict[str, Any]
    Mounts = list[dict[str, Any]]

_SECTION = 'config.md, "Mounts"'
_AS_A_START = "unable to start container process: error during container init: "


def add_mounts(root: str, id: str, mounts: Mounts, warn: Callable[[str], None] = lambda text: None) -> None:
    """Mount what `mounts`, as in config.json, say. Raises: ConfigError; NotRunning; KernelError."""
    state = _open(root, id)
    _check(mounts, warn)
    trees: list[Op] = []
    config = {"mounts": mounts, "annotations": state["annotations"]}
    plan = plan_mounts(config, state["bundle"], CgroupPlan(1, {}, [], [], []), trees, from_host=True)
    try:
        _carry_out("add", state, trees, plan, Settings(root, warn=warn))
    except KernelError as error:
        done = int(error.pointer.split("/")[2]) if error.pointer.startswith("/mounts/") else 0
        if done:
            _remove(state, mounts[:done], Settings(root))
        raise


def remove_mounts(root: str, id: str, mounts: Mounts) -> None:
    """Detach what is mounted at the destinations of `mounts`, the last one first. Raises: as `add_mounts`."""
    _remove(_open(root, id), mounts, Settings(root))


def _remove(state: State, mounts: Mounts, settings: Settings) -> None:
    plan = []
    for index in range(len(mounts) - 1, -1, -1):
        target = "/" + mounts[index]["destination"].strip("/")
        pointer = f"/mounts/{index}/destination"
        if target == "/":
            raise ConfigError([(pointer, "is the container's root, which stays", "")], "the mounts")
        plan.append(ops.unmount(pointer, target))
    _carry_out("remove", state, [], plan, settings)


def _open(root: str, id: str) -> State:
    state = state_in_use(root, id)
    if "mount" not in state["namespaces"]:
        raise RuntimeFailure(
            f"change mounts of container {id}: it has no mount namespace of its own",
            "they would be the host's: use mount(8)",
        )
    return state


def _check(mounts: Mounts, warn: Callable[[str], None]) -> None:
    found: shape.Found = []
    for index, mount in enumerate(mounts):
        rules.check_mount(mount, index, {"mounts": mounts, "linux": {}}, found, warn)
        if mount.get("type") in ("cgroup", "cgroup2"):
            problem = "cannot be mounted afterwards: bind the host's directory"
            found.append((rules.at("mounts", index, "type"), problem))
    if found:
        problems = [(shape.pointer(place), problem, _SECTION) for place, problem in found]
        raise ConfigError(problems, "the mounts")


class _Mounter(Process):
    """Init, which ends when it has done what it was there for."""

    def settled(self, *, begun: bool, gone: bool) -> None:
        if gone:
            raise RuntimeFailure("init was killed before it was ready")


def _carry_out(verb: str, state: State, trees: list[Op], plan: list[Op], settings: Settings) -> None:
    flags = 0
    for name in state["namespaces"]:
        flags |= NAMESPACES[name]
    enter = [ops.open_proc(""), ops.setns_process("/linux/namespaces", flags), ops.clone("", 0)]
    if flags & lib.CLONE_NEWUSER:
        enter.append(ops.become_root("/linux/namespaces"))
    whole = [*trees, *enter, *plan, ops.ready("")]
    mounter = _Mounter()
    try:
        bring_up(mounter, whole, settings, preserve_fds=0, pidfd=pidfd_of(state))
    except BaseException as error:
        mounter.kill()
        raise _worded(verb, state["id"], explained(error, whole, {})) from error
    lib.tare_reap(mounter.pid)


def _worded(verb: str, id: str, error: BaseException) -> BaseException:
    """Not as if a container were being started."""
    if isinstance(error, RuntimeFailure):
        error.message = error.message.replace(_AS_A_START, f"{verb} mounts of container {id}: ", 1)
        error.args = (error.message,)
    return error
