"""Device nodes and the links of /dev → operations. Pure.

Spec: runtime-spec 1.3, config-linux.md "Default Devices" and "Devices"; runtime-linux.md.
"""

from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

S_IFCHR, S_IFBLK, S_IFIFO = 0o020000, 0o060000, 0o010000
KINDS = {"c": S_IFCHR, "u": S_IFCHR, "b": S_IFBLK, "p": S_IFIFO}

DEFAULTS = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
)

LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
)
CORE_LINK = ("/dev/core", "/proc/kcore")
PTMX_LINK = ("/dev/ptmx", "pts/ptmx")


def plan_devices(config: "dict[str, Any]", *, in_user_namespace: bool, has_kcore: bool) -> "list[Op]":
    """Default devices, the config's devices, and the links. Nothing where /dev is bound from the host."""
    mounts = config.get("mounts", ())
    for mount in mounts:
        bound = mount.get("type") == "bind" or {"bind", "rbind"} & set(mount.get("options") or ())
        if mount["destination"].rstrip("/") == "/dev" and bound:
            return []
    devices = config.get("linux", {}).get("devices") or ()
    named = {device["path"] for device in devices}
    plan: list[Op] = []
    for name, major, minor in DEFAULTS:
        path = "/dev/" + name
        if path not in named:
            plan.append(_node("", path, S_IFCHR | 0o666, (major, minor), (0, 0), in_user_namespace))
    for index, device in enumerate(devices):
        mode = KINDS[device["type"]] | device.get("fileMode", 0o666) & 0o7777
        number = (device.get("major", 0), device.get("minor", 0))
        owner = (device.get("uid", 0), device.get("gid", 0))
        pointer = f"/linux/devices/{index}"
        plan.append(_node(pointer, device["path"], mode, number, owner, in_user_namespace))
    plan += [ops.symlink("", text, path) for path, text in LINKS]
    if has_kcore:
        plan.append(ops.symlink("", CORE_LINK[1], CORE_LINK[0]))
    if any(mount.get("type") == "devpts" for mount in mounts):
        plan.append(ops.symlink("", PTMX_LINK[1], PTMX_LINK[0]))
    return plan


def _node(
    pointer: str, path: str, mode: int, number: "tuple[int, int]", owner: "tuple[int, int]", bound: bool
) -> "Op":
    # mknod(2) of a device wants CAP_MKNOD in the initial user namespace: elsewhere the host's node is bound.
    if bound and mode & 0o170000 != S_IFIFO:
        return ops.bind(pointer, path, path, (0, 0), (0, 0), 0, 0)
    return ops.mknod(pointer, path, mode, number[0], number[1], owner[0], owner[1])
