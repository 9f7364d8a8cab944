"""Namespaces, capabilities, limits → operations. Pure.

Spec: runtime-spec 1.3, config-linux.md "Namespaces"; config.md "Linux Process".
"""

from tare_runtime._core import lib
from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.ops import Op

NAMESPACES: dict[str, int] = {
    "user": lib.CLONE_NEWUSER,  # first: the others are then joined with its capabilities
    "mount": lib.CLONE_NEWNS,
    "pid": lib.CLONE_NEWPID,
    "network": lib.CLONE_NEWNET,
    "ipc": lib.CLONE_NEWIPC,
    "uts": lib.CLONE_NEWUTS,
    "cgroup": lib.CLONE_NEWCGROUP,
    "time": lib.CLONE_NEWTIME,
}

# capabilities(7), in the order of their numbers
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE"
    " NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT"
    " SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE"
    " AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ"
    " PERFMON BPF CHECKPOINT_RESTORE"
).split()
SYS_ADMIN = 1 << CAPABILITIES.index("SYS_ADMIN")
_BITS = {"CAP_" + name: 1 << number for number, name in enumerate(CAPABILITIES)}

# setrlimit(2): the numbers of Linux on every architecture but MIPS, SPARC and Alpha
RLIMITS = (
    "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME"
).split()


def namespace_flags(config: "dict[str, Any]") -> "tuple[int, list[tuple[str, int, str]]]":
    """(CLONE_NEW* of the new ones, [(pointer, flag, path)] of those to join, the user namespace first)."""
    new = 0
    joined: list[tuple[str, int, str]] = []
    for index, namespace in enumerate(config.get("linux", {}).get("namespaces") or ()):
        flag = NAMESPACES[namespace["type"]]
        if namespace.get("path"):
            joined.append((f"/linux/namespaces/{index}", flag, namespace["path"]))
        else:
            new |= flag
    joined.sort(key=lambda join: join[1] != lib.CLONE_NEWUSER)
    return new, joined


def mask_of(names: "list[str] | None") -> int:
    """A set of capability names as bits; unknown names were warned of when the config was checked."""
    bits = 0
    for name in names or ():
        bits |= _BITS.get(name, 0)
    return bits


def plan_limits(process: "dict[str, Any]") -> "tuple[list[Op], list[Op]]":
    """What raises the limits while capabilities are there, and what sets them for the program alone."""
    early: list[Op] = []
    late: list[Op] = []
    for index, limit in enumerate(process.get("rlimits") or ()):
        pointer = f"/process/rlimits/{index}"
        number = RLIMITS.index(limit["type"].removeprefix("RLIMIT_"))
        early.append(ops.raise_limit(pointer, number, limit["hard"]))
        late.append(ops.rlimit(pointer, number, limit["soft"], limit["hard"]))
    return early, late


class Identity:
    """Who the process is to be, as the operations around the gate need it."""

    __slots__ = ("ambient", "bounding", "effective", "has_capabilities", "inheritable", "permitted", "user")

    def __init__(self, process: "dict[str, Any]") -> None:
        self.user = process.get("user") or {}
        sets = process.get("capabilities")
        self.has_capabilities = sets is not None
        sets = sets or {}
        self.bounding = mask_of(sets.get("bounding"))
        self.effective = mask_of(sets.get("effective"))
        self.permitted = mask_of(sets.get("permitted"))
        self.inheritable = mask_of(sets.get("inheritable"))
        # The kernel raises into the ambient set only what is permitted and inheritable (capabilities(7)).
        self.ambient = mask_of(sets.get("ambient")) & self.inheritable & self.permitted

    def become(self, *, keep: int, set_groups: bool) -> "list[Op]":
        """Ids and capabilities, with the bits of `keep` left effective until `settle`."""
        plan: list[Op] = []
        if self.has_capabilities:
            plan.append(ops.drop_bounding("/process/capabilities/bounding", self.bounding))
        umask = self.user.get("umask", 0o022)
        uid, gid = self.user.get("uid", 0), self.user.get("gid", 0)
        groups = list(dict.fromkeys(self.user.get("additionalGids") or ()))  # Docker repeats some
        plan.append(ops.user("/process/user", uid, gid, umask, groups, set_groups=set_groups))
        plan.append(self._capset(keep))
        return plan

    def settle(self) -> "Op":
        return self._capset(0)

    def _capset(self, keep: int) -> "Op":
        effective, permitted = self.effective | keep, self.permitted | keep
        return ops.capset("/process/capabilities", effective, permitted, self.inheritable, self.ambient)
