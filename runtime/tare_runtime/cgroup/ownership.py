"""A cgroup of v2 given to the container's user, so that it can make cgroups of its own below it.

Loaded where a config may ask for it. Spec: runtime-spec 1.3, config-linux.md "Cgroup ownership".
"""

from __future__ import annotations

import posix

from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

_LIST = "/sys/kernel/cgroup/delegate"
_USUAL = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")


def ownership_ops(config: dict[str, Any], path: str) -> list[Op]:
    """Operations that give cgroup `path` away; none where the specification does not want it."""
    if not (_has_own_namespace(config) and _is_writable(config)):
        return []
    uid = host_uid(config)
    if not uid:
        return []
    pointer = "/process/user/uid"
    return [ops.host_chown(pointer, path, uid, -1)] + [
        ops.host_chown(pointer, f"{path}/{name}", uid, -1) for name in delegated_files()
    ]


def _has_own_namespace(config: dict[str, Any]) -> bool:
    namespaces = (config.get("linux") or {}).get("namespaces") or ()
    return any(item["type"] == "cgroup" and not item.get("path") for item in namespaces)


def _is_writable(config: dict[str, Any]) -> bool:
    return any(
        mount.get("source") == "cgroup"
        and mount["destination"].rstrip("/") == "/sys/fs/cgroup"
        and "ro" not in (mount.get("options") or ())
        for mount in config.get("mounts", ())
    )


def host_uid(config: dict[str, Any]) -> int:
    """The host's id of the user that runs the process."""
    uid: int = ((config.get("process") or {}).get("user") or {}).get("uid", 0)
    for item in (config.get("linux") or {}).get("uidMappings") or ():
        if 0 <= uid - item["containerID"] < item["size"]:
            found: int = item["hostID"] + uid - item["containerID"]
            return found
    return uid


def delegated_files() -> tuple[str, ...]:
    try:
        fd = posix.open(_LIST, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return _USUAL
    try:
        return tuple(posix.read(fd, 65536).decode().split())
    finally:
        posix.close(fd)
