"""What to do about a failed operation: the meaning of its errno there, and what a look around adds. Cold.

A table has what the errno alone says; functions look at the arguments, at the words of the kernel, and at the
files that the operation was about.
"""

from __future__ import annotations

import posix
from errno import (
    E2BIG,
    EACCES,
    EAGAIN,
    EBUSY,
    EDQUOT,
    EEXIST,
    EINVAL,
    ELOOP,
    EMFILE,
    ENAMETOOLONG,
    ENODEV,
    ENOENT,
    ENOEXEC,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    ENOTBLK,
    ENOTDIR,
    EPERM,
    ERANGE,
    EROFS,
    ETXTBSY,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.host.spawn import Failed
    from tare_runtime.plan.ops import Op

_BELOW_A_FILE = "something above the destination is a file in the root file system: make it a directory"
_READ_ONLY = "the place has to be made, and lies on what is read-only: make it in the root file system before"
_TOO_OLD = "this kernel is too old, or was built without it: 5.12 is the oldest that will do"
_LSM = "a security module forbids it: look for a denial in `dmesg` or /var/log/audit/audit.log"

# (kind of operation, errno) → hint
HINTS: dict[tuple[str, int], str] = {
    ("mount", ENODEV): "this kernel does not know the file system: check linux mounts[].type",
    ("mount", EINVAL): "check the mount's options: the kernel does not take one of them",
    ("bind", ENOENT): "the source must exist on the host; the target is made where it is missing",
    ("bind", EPERM): (
        "what the host has locked, as ro, nosuid, nodev, noexec or an atime, can't be cleared here"
    ),
    ("host_tree", EPERM): "it takes root of the file system's own user namespace: not possible without root",
    ("host_tree", EINVAL): "its file system cannot be id-mapped by this kernel, or is so already",
    ("host_tree", E2BIG): "there is room for 200 mounts with mapped ids",
    ("host_tree", ENOENT): "the source must exist on the host",
    ("host_net_device", ENODEV): "the host has no network device of this name: see `ip link`",
    ("host_net_device", EEXIST): "the container's network namespace has one of that name already",
    ("host_net_device", EINVAL): "lo and some others cannot leave their namespace",
    ("mount", ELOOP): "the rootfs has a symlink there: use a rootfs in which it is a directory",
    ("rootfs", ENOTDIR): "root.path must be a directory itself, not a file or a symlink to one",
    ("rootfs", ENOENT): "root.path must be an existing directory; relative paths count from the bundle",
    ("clone", EPERM): "new namespaces take CAP_SYS_ADMIN, or a user namespace among them",
    ("clone", ENOSPC): "the limit of namespaces is reached: see /proc/sys/user/max_*_namespaces",
    ("clone", EINVAL): "this kernel lacks one of the namespaces",
    ("join_cgroups", ENOSPC): "the cpuset of the cgroup has no cpus or memory nodes",
    ("join_cgroups", EINVAL): "a real-time scheduler needs resources.cpu.realtimeRuntime on cgroup v1",
    ("host_write", EINVAL): "the kernel does not take this value for the limit",
    ("host_write", ENOENT): "this kernel does not have the limit, or its controller is not enabled here",
    ("host_write", EACCES): "the cgroup belongs to another user, or the limit is above its parent's",
    ("chdir", ENOENT): "process.cwd must be a directory in the container",
    ("chdir", EPERM): "process.cwd leads out of the container: that is refused",
    ("time_namespace", ERANGE): "a clock would be before its beginning, or beyond its end",
    ("time_namespace", EINVAL): "this kernel has no time namespaces (CONFIG_TIME_NS)",
    ("scheduler", EPERM): (
        "it takes CAP_SYS_NICE on the host, and on cgroup v1 a cpu.rt_runtime_us for SCHED_FIFO"
    ),
    ("scheduler", EBUSY): "the deadlines that were given out already leave no room for this one",
    ("io_priority", EPERM): "IOPRIO_CLASS_RT takes CAP_SYS_NICE or CAP_SYS_ADMIN on the host",
    ("cpu_affinity", EINVAL): "none of these processors is there, or in the cpuset of the process",
    ("memory_policy", EINVAL): "none of these nodes is there, or in cpuset.mems of the container",
    ("memory_policy", ENOSYS): "this kernel has no NUMA policies (CONFIG_NUMA)",
    ("attribute", ENOENT): "AppArmor: the profile is not loaded, see apparmor_parser(8)",
    ("attribute", EINVAL): "SELinux: the loaded policy does not know the label",
    ("sysctl", EACCES): "the sysctl is read-only in these namespaces",
    ("exec", ENOEXEC): "the file has no format that this kernel executes: is it for this architecture?",
    ("host_mkdir", ENOSPC): (
        "the kernel has no more room for cgroups: num_cgroups in /proc/cgroups shows how many"
        " there are, those"
        " still dying included"
    ),
    ("host_mkdir", EROFS): (
        "/sys/fs/cgroup is read-only here: mount it writable, or --cgroup-manager"
        " disabled"
    ),
    ("host_mkdir", EACCES): "the cgroup above is another user's: have one delegated (systemd: Delegate=yes)",
    ("host_mkdir", ENOENT): "the cgroup above is gone, or its hierarchy is not mounted any more",
    ("host_write", EPERM): "the cgroup above allows no more than that: its own limits come first",
    ("host_write", ERANGE): "this host has no such number: see /sys/devices/system/cpu/online",
    ("host_write", EBUSY): "more than that is in use already: give more, or free some first",
    ("host_write", ENODEV): "there is no such device: `lsblk -o NAME,MAJ:MIN` shows those that are",
    ("join_cgroups", EBUSY): (
        "the cgroup has children that use its controllers: give linux.cgroupsPath a"
        " leaf"
    ),
    ("join_cgroups", EAGAIN): "pids.max of a cgroup above is reached",
    ("join_cgroups", EACCES): (
        "the cgroups here are another user's: have one delegated (systemd:"
        " Delegate=yes)"
    ),
    ("setns_path", ENOENT): "the process whose namespace it was has ended: make its sandbox anew",
    ("setns_path", EPERM): "joining takes CAP_SYS_ADMIN in the user namespace that owns it",
    ("clone", EAGAIN): "no more processes: see pids.max of the cgroups above, RLIMIT_NPROC, kernel.pid_max",
    ("clone", ENOMEM): (
        "the kernel has no memory for it; with a new pid namespace: too many of them are"
        " nested"
    ),
    ("oom_score_adj", EACCES): "to lower it takes CAP_SYS_RESOURCE, which nested and rootless runtimes lack",
    ("become_root", EINVAL): "linux.uidMappings and gidMappings have to map 0, which sets the container up",
    ("keyring", EDQUOT): "too many keys: raise kernel.keys.maxkeys and maxbytes, or use --no-new-keyring",
    ("sysctl", EINVAL): "the kernel does not take this value",
    ("sysctl", ENOENT): "this kernel, or every network namespace but the first, has no such sysctl",
    ("sysctl", EPERM): "it takes rights in the user namespace that owns the others",
    ("rootfs", EACCES): (
        "root of the container must be able to enter every directory above root.path: chmod o+x,"
        " or map its id"
    ),
    ("mount", ENOTBLK): "the source must be a block device: make one of a file by losetup(8)",
    ("mount", ENOENT): "the source, or a directory that an option names, does not exist on the host",
    ("mount", ENOTDIR): _BELOW_A_FILE,
    ("mount", EROFS): _READ_ONLY,
    ("mount", EACCES): _LSM,
    ("mount", ENOSPC): "the limit of mounts in a namespace is reached: raise fs.mount-max",
    ("mount", EBUSY): "the file system is mounted elsewhere with options that do not go together with these",
    ("bind", ENOTDIR): _BELOW_A_FILE,
    ("bind", EROFS): _READ_ONLY,
    ("bind", EACCES): _LSM,
    ("bind", ENOSPC): "the limit of mounts in a namespace is reached: raise fs.mount-max",
    ("bind", ELOOP): "the destination leads through a loop of symlinks, or a magic link of /proc",
    ("mkdir", ELOOP): "the path leads through a loop of symlinks, or a magic link of /proc: that is refused",
    ("mkdir", ENOTDIR): "something on the path is a file in the root file system",
    ("mkdir", EROFS): _READ_ONLY,
    ("mknod", EPERM): (
        "device nodes take CAP_MKNOD in the first user namespace: bind the host's nodes instead, in mounts"
    ),
    ("mknod", EROFS): _READ_ONLY,
    ("symlink", EROFS): _READ_ONLY,
    ("pivot_root", EINVAL): "the rootfs lies on a ramdisk, or its mount is shared: use --no-pivot",
    ("chdir", EACCES): "the user of the process may not enter it: chmod it, or choose another process.cwd",
    ("chdir", ENOTDIR): "process.cwd must be a directory in the container",
    ("user", EINVAL): (
        "the id is not mapped in the user namespace: add it to linux.uidMappings or"
        " gidMappings"
    ),
    ("user", EPERM): "setgroups is denied in this user namespace: leave additionalGids out",
    ("user", EAGAIN): "RLIMIT_NPROC of the user is reached",
    ("rlimit", EPERM): "raising a hard limit takes CAP_SYS_RESOURCE; that of open files ends at fs.nr_open",
    ("rlimit", EINVAL): "soft must not be above hard, and this kernel must have the limit",
    ("capset", EPERM): "the runtime itself does not have one of them: a container cannot have more than we",
    ("seccomp", EINVAL): (
        "this kernel has no filters (CONFIG_SECCOMP_FILTER), or not one of the profile's"
        " flags"
    ),
    ("seccomp", EACCES): "a filter takes CAP_SYS_ADMIN, or process.noNewPrivileges",
    ("console", ENOENT): "add a mount of type devpts on /dev/pts",
    ("console", ENOSPC): "the limit of terminals is reached: see kernel.pty.max",
    ("attribute", EACCES): "we are confined already, and may not change to this profile or label",
    ("find_executable", ELOOP): "the program is a symlink that leads to itself",
    ("find_executable", ENAMETOOLONG): "no name may have more than 255 bytes, no path more than 4095",
    ("exec", E2BIG): "one argument or variable may have 128 KiB, all together a quarter of RLIMIT_STACK",
    ("exec", ETXTBSY): "somebody has the file open for writing: `fuser -v` shows who",
    ("exec", ENOMEM): "the program does not fit into linux.resources.memory.limit",
    ("exec", EAGAIN): "RLIMIT_NPROC of the user is exceeded",
}  # fmt: skip

# The end of a cgroup file's name → what it takes
_VALUES = {
    "cpuset.cpus": "a list like 0-3,5 of processors that are online and that the cgroup above has",
    "cpuset.mems": "a list like 0-1 of memory nodes that are online and that the cgroup above has",
    "cpu.cfs_quota_us": "at least 1000 µs, or -1; not more than the cgroup above has",
    "cpu.cfs_period_us": "from 1000 to 1000000 µs",
    "cpu.rt_runtime_us": "not more than the period, and not more than the cgroup above has left",
    "memory.limit_in_bytes": "a number of bytes, not above memory.memsw.limit_in_bytes where that is set",
    "cpu.weight": "from 1 to 10000",
    "cpu.max": "a quota of at least 1000 µs, and a period from 1000 to 1000000",
}


def hints_of(kind: str) -> dict[int, str]:
    """errno → what to do, for a kind of operation."""
    return {errno: hint for (name, errno), hint in HINTS.items() if name == kind}


def hint_of(failed: Failed, plan: list[Op], process: dict[str, Any]) -> str:
    """One line, or ""."""
    kind, _pointer, args = plan[failed.index]
    look = _LOOKS.get(kind)
    found = look(failed, args, plan, process) if look else ""
    if found:
        return found
    if failed.errno == ENOSYS:
        return _TOO_OLD
    return HINTS.get((kind, failed.errno), "")


def of_host_error(error: OSError) -> str:
    """For what failed outside a plan: its words say what was tried."""
    words = str(error.strerror)
    if "_map (" in words or "setgroups (" in words:
        if error.errno == EPERM:
            return (
                "ids of the host must be our own, or ours by /etc/subuid and /etc/subgid through newuidmap(1)"
            )
        return "ranges must not overlap, hold an id twice, or be more than 340; every one needs a size"
    if "--console-socket" in words:
        return "whoever takes the terminal has to listen there before the container is created"
    if "--pid-file" in words and error.errno == ENOENT:
        return "make its directory first"
    if error.errno in (EMFILE, ENOSPC, ENOMEM):
        return {
            EMFILE: "raise RLIMIT_NOFILE of the caller",
            ENOSPC: "the file system of --root is full",
            ENOMEM: "the host, or the cgroup that we are in, has no memory left",
        }[error.errno]
    return ""


def of_write(path: str, errno: int) -> str:
    """For a limit that could not be written to a cgroup file."""
    value = _value(path.rpartition("/")[2]) if errno in (EINVAL, ERANGE) else ""
    return value or HINTS.get(("host_write", errno), "")


# --- looks around ------------------------------------------------------------------------------------------


def _at_write(failed: Failed, args: tuple[Any, ...], plan: list[Op], process: dict[str, Any]) -> str:
    name = str(args[0]).rpartition("/")[2]
    return _value(name) if failed.errno in (EINVAL, ERANGE) else ""


def _value(name: str) -> str:
    return f"{name} takes {_VALUES[name]}" if name in _VALUES else ""


def _at_mount(failed: Failed, args: tuple[Any, ...], plan: list[Op], process: dict[str, Any]) -> str:
    fstype = args[0]
    for word in ("gid", "uid"):
        if f"Invalid {word}" in failed.detail:
            return (
                f"the id is not mapped in the user namespace: add it to linux.{word}Mappings, or drop {word}="
            )
    if failed.errno == EPERM and fstype == "proc":
        return (
            "in a user namespace it needs a new pid namespace, and a host's /proc with nothing"
            " mounted over parts"
            " of it"
        )
    if failed.errno == EPERM and fstype == "sysfs":
        return "in a user namespace it needs a new network namespace, or a bind mount of /sys instead"
    if failed.errno == EPERM:
        return f"this kernel does not let a user namespace mount {fstype}: bind what the host has mounted"
    return ""


def _at_bind(failed: Failed, args: tuple[Any, ...], plan: list[Op], process: dict[str, Any]) -> str:
    """The kernel says "invalid argument" where one is a directory and the other is not."""
    if failed.errno not in (EINVAL, ENOTDIR):
        return ""
    from tare_runtime.validate.inside import Unknown, is_directory, locate

    try:
        source = is_directory(str(args[0]))
        target = is_directory(locate(_rootfs(plan), str(args[1]), frozenset()))
    except (Unknown, OSError):
        return ""
    if source == target:
        return ""
    kinds = ("a directory", "a file") if source else ("a file", "a directory")
    return (
        f"the source is {kinds[0]} and the destination {kinds[1]}: not a directory on both sides, or on none"
    )


def _at_setns(failed: Failed, args: tuple[Any, ...], plan: list[Op], process: dict[str, Any]) -> str:
    if failed.errno != EINVAL:
        return ""
    from fcntl import ioctl

    from tare_runtime.plan.identity import NAMESPACES

    words = {flag: name for name, flag in NAMESPACES.items()}
    try:
        fd = posix.open(str(args[1]), posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError:
        return ""
    try:
        have = ioctl(fd, 0xB703)  # NS_GET_NSTYPE, ioctl_ns(2)
    except OSError:
        return "it is an ordinary file: the namespace that was bound there is gone"
    finally:
        posix.close(fd)
    if have != args[0]:
        return f"it is of kind {words.get(have, 'unknown')}, and the config says {words[args[0]]}"
    return "we are in that user namespace already: leave it out of linux.namespaces"


def _at_sysctl(failed: Failed, args: tuple[Any, ...], plan: list[Op], process: dict[str, Any]) -> str:
    mapped = any(op[0] == "become_root" for op in plan)
    if failed.errno == EINVAL and mapped and str(args[0]).endswith("ping_group_range"):
        return "all groups of the range have to be mapped in the user namespace"
    return ""


def _at_program(failed: Failed, args: tuple[Any, ...], plan: list[Op], process: dict[str, Any]) -> str:
    name = process["args"][0]
    if failed.errno == EPERM:
        if any(op[0] == "seccomp" for op in plan):
            return "the seccomp profile forbids execve, or a security module does"
        return _LSM
    if not name:
        return "process.args must begin with the program"
    if failed.errno not in (ENOENT, ENOEXEC, EACCES) or failed.detail.startswith("executable file"):
        return _of_search(process) if failed.errno == ENOENT else ""
    rootfs = _rootfs(plan)
    if not rootfs:
        return ""  # `exec`: the container has changed what it was made of
    return _of_program(failed, process, rootfs, plan)


def _of_search(process: dict[str, Any]) -> str:
    if "/" in process["args"][0]:
        return ""
    paths = [entry[5:] for entry in process.get("env") or () if entry.startswith("PATH=")]
    if not paths or not paths[-1]:
        return "process.env has no PATH: set it, or give the program's full path"
    return f"it was looked for in {paths[-1]}"


def _of_program(failed: Failed, process: dict[str, Any], rootfs: str, plan: list[Op]) -> str:
    from tare_runtime.validate.program import check_program

    targets = {"mount": 2, "bind": 1, "bind_tree": 1}
    covered = frozenset(str(op[2][targets[op[0]]]).rstrip("/") for op in plan if op[0] in targets)
    findings = check_program(process, rootfs, covered)
    if not findings:
        if failed.errno == EACCES:
            return "the user may not enter a directory above it, or it lies on a mount with noexec"
        return ""
    one = findings[0]
    return f"{one.problem}: {one.fix}"


def _rootfs(plan: list[Op]) -> str:
    return next((str(op[2][0]) for op in plan if op[0] in ("rootfs", "open_rootfs")), "")


_LOOKS = {
    "host_write": _at_write,
    "mount": _at_mount,
    "bind": _at_bind,
    "setns_path": _at_setns,
    "sysctl": _at_sysctl,
    "find_executable": _at_program,
    "exec": _at_program,
}
