"""What one operation is about, in a few words: "proc on /proc", "RLIMIT_NOFILE"."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.plan.ops import Op

_SHAPES = {
    "host_mkdir": "{path}",
    "host_write": "{data} > {path}",
    "host_copy_parent": "{directory}/{name}",
    "host_device_filter": "{directory}",
    "host_open_cgroup": "{path}",
    "setns_path": "{path}",
    "clone": "{namespaces}",
    "setns_process": "{namespaces}",
    "sethostname": "{name}",
    "setdomainname": "{name}",
    "sysctl": "{path}={value}",
    "rootfs": "{path}",
    "mount": "{fstype} on {target}",
    "bind": "{source} on {target}",
    "remount": "{target}",
    "mkdir": "{target}",
    "mknod": "{target}",
    "symlink": "{target} -> {text}",
    "mask": "{target}",
    "readonly": "{target}",
    "run_hook": "{path}",
    "rlimit": "{resource} {soft}:{hard}",
    "chdir": "{path}",
    "user": "{uid}:{gid}",
    "seccomp": "{program}",
    "find_executable": "{name}",
    "exec": "{args}",
    "attribute": "{name}",
}


def describe_op(op: Op) -> str:
    from tare_runtime.plan.describe import named

    shape = _SHAPES.get(op[0])
    if not shape:
        return ""
    words = {
        name: " ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in named(op).items()
    }
    return shape.format(**words)
