"""Changing the limits of a container that exists: all of the change, or none of it.

A limit may be bound to others that change too (a memory limit to that of memory and swap, a period to its
quota). So what the kernel refuses at first is tried once more behind the rest; when something stays refused,
the files get back what they held.
"""

from __future__ import annotations

import posix
from errno import EINVAL

from tare_runtime.errors import ConfigError, KernelError, NotRunning, RuntimeFailure
from tare_runtime.state.store import StateStore, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.plan.ops import Op

    Resources = dict[str, Any]
    State = dict[str, Any]

_WRITE = posix.O_WRONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW
_READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW
_USAGE = {1: "memory.usage_in_bytes", 2: "memory.current"}
_LIMIT = {1: "memory.limit_in_bytes", 2: "memory.max"}


def update_container(
    root: str, id: str, resources: Resources, warn: Callable[[str], None] = lambda text: None
) -> None:
    """Apply the limits of `resources` (checked, as linux.resources); device rules are left as they are.

    Raises: NotRunning; ConfigError for limits that cannot be applied here; KernelError if one is refused.
    """
    with StateStore(root).open(id) as state_dir, state_dir.lock():
        state = state_dir.read()
        have = status(state, state_dir.path)
        if have in ("stopped", "creating"):
            raise NotRunning(id, have)
        cgroup = state["cgroup"]
        wanted = {name: value for name, value in resources.items() if name != "devices"}
        if not cgroup["paths"]:
            _refuse(wanted)
            return
        _complete(wanted, cgroup)
        _check_use(id, wanted.get("memory") or {}, cgroup)
        ops = _writes(wanted, cgroup, warn)
        _apply(id, ops)
        if "unit" in cgroup:
            _tell_systemd(wanted, cgroup)


def _tell_systemd(wanted: Resources, cgroup: dict[str, Any]) -> None:
    """It writes its own values again whenever it is reloaded."""
    from tare_runtime.cgroup.systemd_properties import limits
    from tare_runtime.cgroup.systemd_unit import set_properties

    devices = ("DevicePolicy", "DeviceAllow")
    known = [entry for entry in limits(wanted, cgroup["version"]) if entry[0] not in devices]
    set_properties(cgroup["unit"], known, user=cgroup["userUnit"])


def _refuse(wanted: Resources) -> None:
    from tare_runtime.config.sections import section_of

    problem = "cannot be applied: the container has no cgroups of its own"
    pointers = [f"/linux/resources/{name}" for name, value in wanted.items() if value]
    if pointers:
        raise ConfigError([(pointer, problem, section_of(pointer)) for pointer in pointers], "the limits")


def _complete(wanted: Resources, cgroup: dict[str, Any]) -> None:
    """The limit of memory and swap is counted from that of memory: where it is not given, the present one."""
    memory = wanted.get("memory") or {}
    if memory.get("swap", 0) > 0 and not memory.get("limit"):
        text = _read(f"{_memory_path(cgroup)}/{_LIMIT[cgroup['version']]}").strip()
        if text.isdigit():
            wanted["memory"] = {**memory, "limit": int(text)}


def _check_use(id: str, memory: dict[str, Any], cgroup: dict[str, Any]) -> None:
    """Spec: runtime-spec 1.3, config-linux.md "Memory", checkBeforeUpdate."""
    limit = memory.get("limit", 0)
    if not memory.get("checkBeforeUpdate") or limit <= 0:
        return
    text = _read(f"{_memory_path(cgroup)}/{_USAGE[cgroup['version']]}").strip()
    if text.isdigit() and int(text) > limit:
        raise RuntimeFailure(
            f"update container {id}: the memory limit {limit} is below the {int(text)} bytes in use",
            "memory.checkBeforeUpdate asks for this refusal: without it the kernel would reclaim or kill",
        )


def _memory_path(cgroup: dict[str, Any]) -> str:
    path: str = cgroup["paths"].get("" if cgroup["version"] == 2 else "memory", "")
    return path


def _writes(wanted: Resources, cgroup: dict[str, Any], warn: Callable[[str], None]) -> list[Op]:
    problems: list[tuple[str, str]] = []
    if cgroup["version"] == 1:
        from tare_runtime.cgroup.v1_limits import limit_ops

        ops = limit_ops(wanted, cgroup["paths"], problems, warn)
    else:
        from tare_runtime.cgroup.v2_limits import limit_ops as limit_ops_v2

        path = cgroup["paths"][""]
        ops, needed = limit_ops_v2(wanted, path, problems, warn)
        for controller, pointer in needed.items():
            if controller != "cgroup" and not _enable(path, controller):
                problems.append((pointer, f"cannot be applied: there is no {controller} controller to use"))
    if problems:
        from tare_runtime.config.sections import section_of

        raise ConfigError([(at, text, section_of(at)) for at, text in problems], "the limits")
    return ops


def _enable(path: str, controller: str) -> bool:
    """Enable a controller of v2 in every cgroup above `path` that lacks it, from the top down."""
    above: list[str] = []
    word = controller.encode()
    directory = path.rpartition("/")[0]
    while word not in _read(f"{directory}/cgroup.subtree_control").split():
        above.append(directory)
        if word in _read(f"{directory}/cgroup.controllers").split():
            break
        directory = directory.rpartition("/")[0]
        if not posix.access(f"{directory}/cgroup.controllers", posix.F_OK):
            return False
    try:
        for directory in reversed(above):
            _write(f"{directory}/cgroup.subtree_control", b"+" + word)
    except OSError:
        return False
    return True


def _apply(id: str, ops: list[Op]) -> None:
    done: list[tuple[str, bytes]] = []
    try:
        _write_all(id, ops, done, last=False)
    except BaseException:
        for path, before in reversed(done):
            _restore(path, before)
        raise


def _write_all(id: str, ops: list[Op], done: list[tuple[str, bytes]], *, last: bool) -> None:
    later: list[Op] = []
    for op in ops:
        _kind, pointer, (path, text) = op
        path, text = str(path), str(text)
        before = _read(path)
        try:
            _write(path, text.encode())
        except OSError as error:
            code = error.errno or 0
            if code == EINVAL and not last and len(ops) > 1:
                later.append(op)
                continue
            from tare_runtime.host.hints import of_write

            tried = f"update container {id}: write {text!r} to"
            raise KernelError(tried, pointer, code, path, of_write(path, code)) from None
        done.append((path, before))
    if later:
        _write_all(id, later, done, last=True)


def _restore(path: str, before: bytes) -> None:
    for line in before.splitlines() or [b""]:
        try:
            _write(path, line)
        except OSError:
            pass  # a file of statistics, or a default that may be read and not written


def _write(path: str, data: bytes) -> None:
    fd = posix.open(path, _WRITE)
    try:
        posix.write(fd, data)
    finally:
        posix.close(fd)


def _read(path: str) -> bytes:
    """The text of a cgroup's file; b"" if it cannot be read."""
    try:
        fd = posix.open(path, _READ)
    except OSError:
        return b""
    try:
        return posix.read(fd, 65536)
    except OSError:
        return b""
    finally:
        posix.close(fd)
