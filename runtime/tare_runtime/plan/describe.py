"""Plans for people and programs: names for arguments, words for flags. Cold; `plan` alone loads it."""

from tare_runtime.plan.identity import CAPABILITIES, NAMESPACES, RLIMITS
from tare_runtime.plan.mounts import ATTRIBUTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.plan.ops import Arg, Op

# kind → the names of its arguments, in order
FIELDS: dict[str, str] = {
    "host_mkdir": "path",
    "host_write": "path data",
    "host_copy_parent": "directory name",
    "host_device_filter": "directory program",
    "host_open_cgroup": "path",
    "host_write_present": "path data",
    "host_chown": "path uid gid",
    "host_tree": "source user_namespace uid_map gid_map flags",
    "host_net_device": "name new_name",
    "host_enable_controllers": "path",
    "recorded": "",
    "join_cgroups": "",
    "cgroup_namespace": "",
    "oom_score_adj": "value",
    "setns_path": "namespaces path",
    "setns_process": "namespaces",
    "open_proc": "",
    "clone": "namespaces",
    "sync": "point",
    "become_root": "keep_groups",
    "setsid": "",
    "loopback_up": "",
    "sethostname": "name",
    "setdomainname": "name",
    "sysctl": "path value",
    "keyring": "name",
    "root_propagation": "propagation",
    "rootfs": "path",
    "mount": "fstype source target attr data propagation flags",
    "bind": "source target attr_set attr_clear recursive_set recursive_clear propagation flags",
    "remount": "target attr_set attr_clear",
    "mkdir": "target mode",
    "mknod": "target mode major minor uid gid",
    "symlink": "text target",
    "mask": "target",
    "readonly": "target",
    "pivot_root": "how",
    "root_attr": "attr_set propagation",
    "console": "width height uid bind_console",
    "run_hook": "name path args env timeout_s",
    "raise_limit": "resource hard",
    "rlimit": "resource soft hard",
    "chdir": "path",
    "drop_bounding": "keep",
    "user": "uid gid umask groups set_groups",
    "capset": "effective permitted inheritable ambient",
    "no_new_privs": "",
    "seccomp": "program flags",
    "find_executable": "name env",
    "home": "uid",
    "ready": "",
    "gate": "",
    "close_fds": "first",
    "exec": "args env",
    "attribute": "name text stack",
    "time_namespace": "offsets",
    "personality": "domain",
    "scheduler": "policy sched_flags nice priority runtime_ns deadline_ns period_ns",
    "io_priority": "io_priority",
    "cpu_affinity": "cpus",
    "memory_policy": "memory_mode nodes",
    "unmount": "target",
    "bind_tree": "tree target attr_set attr_clear recursive_set recursive_clear propagation flags",
    "open_rootfs": "path",
}

_PROPAGATIONS = {1 << 17: "unbindable", 1 << 18: "private", 1 << 19: "slave", 1 << 20: "shared"}
_FLAGS = (
    "plain-directory",
    "recursive",
    "copy-up",
    "src-nofollow",
    "dest-nofollow",
    "copy-symlink",
    "ridmap",
)
_HOW = ("pivot_root", "move", "chroot")
_POINTS = {2: "host-hooks", 3: "start-hooks"}
_REC = 1 << 14


def stage(op: "Op", seen_clone: bool) -> str:
    """Where an operation runs: "host", "enter" or "setup"."""
    if op[0].startswith("host_"):
        return "host"
    return "setup" if seen_clone else "enter"


def named(op: "Op") -> "dict[str, object]":
    """The arguments by name, each in words where its number stands for some."""
    kind, _pointer, args = op
    return {name: _words(name, arg) for name, arg in zip(FIELDS[kind].split(), args, strict=True)}


def _words(name: str, arg: "Arg") -> object:
    if isinstance(arg, bytes):
        return _from_bytes(name, arg)
    if isinstance(arg, str):
        return arg
    if name == "namespaces":
        return [word for word, flag in NAMESPACES.items() if arg & flag]
    if name.startswith(("attr", "recursive_")):
        return _attributes(arg)
    if name == "propagation":
        base = next((word for flag, word in _PROPAGATIONS.items() if arg & flag), "")
        return ("r" if arg & _REC else "") + base
    if name == "flags":
        return [word for bit, word in enumerate(_FLAGS) if arg >> bit & 1]
    if name in ("mode", "umask"):
        return f"{arg:#o}"
    if name in ("keep", "effective", "permitted", "inheritable", "ambient"):
        return ["CAP_" + word for number, word in enumerate(CAPABILITIES) if arg >> number & 1]
    if name == "resource":
        return "RLIMIT_" + RLIMITS[arg]
    if name == "how":
        return _HOW[arg]
    if name == "point":
        return _POINTS[arg]
    return bool(arg) if name in ("set_groups", "bind_console", "stack", "keep_groups") else arg


def _attributes(bits: int) -> "list[str]":
    words = [word for word, (add, _drop) in ATTRIBUTES.items() if add and bits & add == add]
    return words if "noatime" not in words else [word for word in words if word != "strictatime"]


def _from_bytes(name: str, arg: bytes) -> object:
    if name == "program":
        return f"{len(arg) // 8} instructions"
    if name in ("uid_map", "gid_map"):
        return arg.decode().splitlines()
    if name in ("cpus", "nodes"):
        bits = int.from_bytes(arg, "little")
        return [number for number in range(len(arg) * 8) if bits >> number & 1]
    if name == "groups":
        return [int.from_bytes(arg[at : at + 4], "little") for at in range(0, len(arg), 4)]
    return [item.decode("utf-8", "replace") for item in arg.split(b"\0")[:-1]]
