"""Which effects of a run its plan accounts for: each system call of a trace is laid at an operation's door.

Every call that changes something has to fit the operation that is being carried out, or one that comes
later; and every operation that has to do something must have been seen to do it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from tests.support.strace_log import Call, path_of, text_of

Op = tuple[str, str, tuple[Any, ...]]

# What changes nothing outside the memory and the descriptors of the process itself.
INERT = frozenset(
    "access arch_prctl brk capget clock_gettime close dup dup2 epoll_wait faccessat fcntl fstat fstatfs"
    " futex getcwd getdents64 getegid geteuid getgid getpid getppid getrandom gettid getuid lseek lstat"
    " madvise mmap mprotect munmap newfstatat poll ppoll pread64 read readlink readlinkat readv recvfrom"
    " recvmsg rseq rt_sigaction rt_sigprocmask rt_sigreturn sendmsg set_robust_list set_tid_address"
    " signalfd4 socketpair stat statfs statx sysinfo uname wait4 waitid exit_group exit getrlimit"
    " restart_syscall socket connect setsockopt select pipe2".split()
)
INQUIRIES = ("SIOCGIFFLAGS", "TCGETS", "TIOCGPTN", "TIOCGWINSZ", "FIOCLEX")


def is_effect(call: Call) -> bool:
    """Whether a call changed something that others can see."""
    if call.failed or call.name in INERT:
        return False
    if call.name in ("open", "openat", "openat2"):
        return "O_CREAT" in " ".join(call.args)
    if call.name == "prlimit64":
        return call.args[2] != "NULL"
    if call.name == "ioctl":
        return call.args[1] not in INQUIRIES
    if call.name == "prctl":
        return call.args[0] not in ("PR_CAPBSET_READ", "PR_SET_NAME", "PR_GET_DUMPABLE")
    return True


# --- what each kind of operation may do: (call, operation, root file system) -> whether it fits ------------

Fits = Callable[[Call, tuple[Any, ...], str], bool]


def below(call: Call, where: int, target: str, rootfs: str) -> bool:
    """A name made in a directory: the target itself, or one of the directories above it."""
    made = path_of(call.args[where]) + "/" + text_of(call.args[where + 1])
    return made == rootfs + target or (rootfs + target).startswith(made + "/")


def attached(call: Call, target: str, rootfs: str) -> bool:
    return call.name == "move_mount" and path_of(call.args[2]) == (rootfs + target).rstrip("/")


def made(call: Call, target: str, rootfs: str) -> bool:
    """Mount points, and the directories above, that were missing."""
    if call.name in ("mkdirat", "mknodat"):
        return below(call, 0, target, rootfs)
    return call.name == "openat" and "O_CREAT" in call.args[2] and below(call, 0, target, rootfs)


def mount(call: Call, args: tuple[Any, ...], rootfs: str) -> bool:
    fstype, source, target, _attr, data, propagation, _flags = args
    if call.name == "fsopen":
        return text_of(call.args[0]) == fstype
    if call.name == "fsconfig":
        if "CMD_CREATE" in call.args[1]:
            return True
        key = text_of(call.args[2])
        value = "" if call.args[3] == "NULL" else text_of(call.args[3])
        words = data.split(",")
        return (key, value) == ("source", source) or key in words or f"{key}={value}" in words
    if call.name == "fsmount":
        return True
    if call.name == "mount_setattr":
        return bool(propagation)
    return attached(call, target, rootfs) or made(call, target, rootfs)


def bind(call: Call, args: tuple[Any, ...], rootfs: str) -> bool:
    source, target, propagation = args[0], args[1], args[6]
    if call.name == "open_tree":
        return text_of(call.args[1]) == source
    if call.name == "mount_setattr":
        place = path_of(call.args[0])
        return place == "/" or bool(propagation and place == rootfs + target)  # "/": attached nowhere yet
    return attached(call, target, rootfs) or made(call, target, rootfs)


def cover(call: Call, args: tuple[Any, ...], rootfs: str) -> bool:
    """`mask` and `readonly`."""
    return call.name in ("open_tree", "fsopen", "fsconfig", "fsmount", "mount_setattr") or attached(
        call, args[0], rootfs
    )


def written(name: Callable[[tuple[Any, ...]], str], data: Callable[[tuple[Any, ...]], str]) -> Fits:
    def fits(call: Call, args: tuple[Any, ...], _rootfs: str) -> bool:
        return (
            call.name == "write"
            and path_of(call.args[0]).endswith(name(args))
            and text_of(call.args[1]) == data(args)
        )

    return fits


def named(*names: str, having: Callable[[tuple[Any, ...]], str] | None = None) -> Fits:
    """One of these calls, with a text among its arguments."""

    def fits(call: Call, args: tuple[Any, ...], _rootfs: str) -> bool:
        return call.name in names and (having is None or having(args) in ", ".join(call.args))

    return fits


def either(*rules: Fits) -> Fits:
    return lambda call, args, rootfs: any(rule(call, args, rootfs) for rule in rules)


NEW = {
    1 << 17: "NEWNS", 1 << 25: "NEWCGROUP", 1 << 26: "NEWUTS", 1 << 27: "NEWIPC", 1 << 28: "NEWUSER",
    1 << 29: "NEWPID", 1 << 30: "NEWNET", 1 << 7: "NEWTIME",
}  # fmt: skip
LIMITS = "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME"


def clone(call: Call, args: tuple[Any, ...], _rootfs: str) -> bool:
    if call.name != "clone3":
        return False
    seen = set(re.findall(r"CLONE_(NEW\w+)", call.args[0]))
    return seen == {word for bit, word in NEW.items() if args[0] & bit}


def limit(call: Call, args: tuple[Any, ...], _rootfs: str) -> bool:
    name = "RLIMIT_" + LIMITS.split()[args[0]]
    if call.name not in ("prlimit64", "setrlimit") or name not in call.args:
        return False
    numbers = [eval_size(word) for word in re.findall(r"rlim_\w+=([\w*]+)", call.args[2])]
    return len(args) == 2 or numbers == [args[1], args[2]]


def eval_size(word: str) -> int:
    if word.startswith("RLIM"):
        return 2**64 - 1
    left, _, right = word.partition("*")
    return int(left) * int(right or "1")


def bounding(call: Call, args: tuple[Any, ...], _rootfs: str) -> bool:
    from tare_runtime.plan.identity import CAPABILITIES

    if call.name != "prctl" or call.args[0] != "PR_CAPBSET_DROP":
        return False
    name = call.args[1].partition(" ")[0].removeprefix("CAP_")
    return not args[0] >> CAPABILITIES.index(name) & 1


def user(call: Call, args: tuple[Any, ...], _rootfs: str) -> bool:
    uid, gid, umask, _groups, _set = args
    return (call.name, *call.args) in {
        ("setresuid", *[str(uid)] * 3),
        ("setresgid", *[str(gid)] * 3),
        ("umask", f"{umask:03o}"),
        ("prctl", "PR_SET_KEEPCAPS", "1", "0", "0", "0"),
        ("prctl", "PR_SET_KEEPCAPS", "1"),
    } or call.name == "setgroups"


def device(call: Call, args: tuple[Any, ...], rootfs: str) -> bool:
    target, mode, major, minor, *_ = args
    if call.name == "mknodat" and below(call, 0, target, rootfs):
        if path_of(call.args[0]) + "/" + text_of(call.args[1]) != rootfs + target:
            return False
        kind = {0o020000: "S_IFCHR", 0o060000: "S_IFBLK", 0o010000: "S_IFIFO"}[mode & 0o170000]
        number = "makedev(" + ", ".join(hex(n) if n else "0" for n in (major, minor)) + ")"
        return kind in call.args[2] and (kind == "S_IFIFO" or call.args[3] == number)
    if call.name in ("fchownat", "fchmodat"):
        return path_of(call.args[0]) + "/" + text_of(call.args[1]) == rootfs + target
    return call.name == "mkdirat" and below(call, 0, target, rootfs)


def link(call: Call, args: tuple[Any, ...], rootfs: str) -> bool:
    text, target = args
    if call.name == "symlinkat":
        return text_of(call.args[0]) == text and below(call, 1, target, rootfs)
    return call.name == "mkdirat" and below(call, 0, target, rootfs)


def executed(call: Call, args: tuple[Any, ...], _rootfs: str) -> bool:
    argv = args[0].decode().split("\0")[:-1]
    return call.name == "execve" and call.args[1] == "[" + ", ".join(f'"{word}"' for word in argv) + "]"


ROOT_MOVES = ("pivot_root", "umount2", "fchdir", "chdir", "chroot", "mount")
RULES: dict[str, Fits] = {
    "host_mkdir": lambda call, args, _: call.name == "mkdir" and text_of(call.args[0]) == args[0],
    "host_write": written(lambda args: args[0], lambda args: args[1]),
    "host_write_present": written(lambda args: args[0], lambda args: args[1]),
    "host_chown": lambda call, args, _: "chown" in call.name and args[0] in " ".join(call.args),
    "host_copy_parent": lambda call, args, _: (
        call.name == "write" and path_of(call.args[0]) == f"{args[0]}/{args[1]}"
    ),
    "oom_score_adj": written(lambda args: "/oom_score_adj", lambda args: str(args[0])),
    "setns_path": named("setns", having=lambda args: "CLONE_" + NEW[args[0]]),
    "clone": clone,
    "join_cgroups": written(lambda args: "", lambda args: "0"),
    "cgroup_namespace": named("unshare", having=lambda args: "CLONE_NEWCGROUP"),
    "time_namespace": either(
        named("unshare", "setns", having=lambda args: "CLONE_NEWTIME"),
        written(lambda args: "/timens_offsets", lambda args: args[0]),
    ),
    "become_root": either(
        named("setresuid", "setresgid", having=lambda args: "0, 0, 0"),
        named("setgroups", having=lambda args: "0, NULL"),
        named("prctl", having=lambda args: "PR_SET_DUMPABLE"),
        lambda call, args, _: call.name == "write"
        and path_of(call.args[0]).endswith(("id_map", "/setgroups")),
    ),
    "setsid": named("setsid"),
    "loopback_up": named("ioctl", having=lambda args: 'SIOCSIFFLAGS, {ifr_name="lo"'),
    "sethostname": named("sethostname", having=lambda args: f'"{args[0]}"'),
    "setdomainname": named("setdomainname", having=lambda args: f'"{args[0]}"'),
    "sysctl": written(lambda args: "/sys/" + args[0], lambda args: args[1]),
    "keyring": named("keyctl", having=lambda args: f'KEYCTL_JOIN_SESSION_KEYRING, "{args[0]}"'),
    "root_propagation": named("mount", having=lambda args: 'NULL, "/", NULL, MS_'),
    "rootfs": lambda call, args, _: (
        (call.name == "open_tree" and text_of(call.args[1]) == args[0]) or attached(call, "", args[0])
    ),
    "mount": mount,
    "bind": bind,
    "remount": lambda call, args, rootfs: (
        call.name == "mount_setattr" and path_of(call.args[0]) == rootfs + args[0]
    ),
    "mkdir": lambda call, args, rootfs: call.name == "mkdirat" and below(call, 0, args[0], rootfs),
    "mknod": device,
    "symlink": link,
    "mask": cover,
    "readonly": cover,
    "pivot_root": named(*ROOT_MOVES),
    "root_attr": named("mount_setattr", "mount"),
    "rlimit": limit,
    "raise_limit": limit,
    "attribute": written(lambda args: "/" + args[0], lambda args: args[1]),
    "chdir": named("chdir", having=lambda args: f'"{args[0]}"'),
    "drop_bounding": bounding,
    "user": user,
    "capset": either(named("capset"), named("prctl", having=lambda args: "PR_CAP_AMBIENT")),
    "no_new_privs": named("prctl", having=lambda args: "PR_SET_NO_NEW_PRIVS"),
    "seccomp": named("seccomp", having=lambda args: "SECCOMP_SET_MODE_FILTER"),
    "personality": named("personality"),
    "scheduler": named("sched_setattr"),
    "io_priority": named("ioprio_set"),
    "cpu_affinity": named("sched_setaffinity"),
    "memory_policy": named("set_mempolicy"),
    "close_fds": named("close_range"),
    "exec": executed,
}
# These find what they would make in place already, or only look.
MAY_DO_NOTHING = frozenset(
    "host_open_cgroup host_copy_parent host_write_present host_chown open_rootfs open_proc recorded sync"
    " ready gate find_executable home mkdir mask readonly raise_limit drop_bounding".split()
)


def attribute(calls: list[Call], plan: list[Op], rootfs: str) -> tuple[list[Call], list[int]]:
    """(effects that no operation accounts for, operations that had to have an effect and had none).

    `calls`: of one process, in order; `plan`: the operations it carries out, in order. Among all ways to lay
    the calls at the operations' doors, in order, the one that leaves the fewest of both is taken.
    """
    effects = [call for call in calls if is_effect(call)]
    # Operation → the least cost up to here with its effects begun (or not), and how that came about.
    idle_cost = [op[0] not in MAY_DO_NOTHING for op in plan]
    ways: dict[tuple[int, bool], _Way] = {(0, False): _Way(0, (), ())}
    _advance(ways, idle_cost)
    for number, call in enumerate(effects):
        following: dict[tuple[int, bool], _Way] = {}
        for (at, begun), way in ways.items():
            if at < len(plan) and _fits(call, plan[at], rootfs):
                _keep(following, (at, True), way)
            _keep(following, (at, begun), _Way(way.cost + 1, (number, way.strangers), way.idle))
        _advance(following, idle_cost)
        ways = following
    best = ways[len(plan), False]
    return [effects[number] for number in _listed(best.strangers)], _listed(best.idle)


class _Way(NamedTuple):
    """Linked lists of (last, the ones before it)."""

    cost: int
    strangers: tuple[Any, ...]
    idle: tuple[Any, ...]


def _keep(ways: dict[tuple[int, bool], _Way], state: tuple[int, bool], way: _Way) -> None:
    if state not in ways or way.cost < ways[state].cost:
        ways[state] = way


def _advance(ways: dict[tuple[int, bool], _Way], idle_cost: list[bool]) -> None:
    """Go on to later operations; one that had to do something and did not costs."""
    for at, costs in enumerate(idle_cost):
        for begun in (False, True):
            way = ways.get((at, begun))
            if way is None:
                continue
            is_idle = costs and not begun
            _keep(
                ways,
                (at + 1, False),
                _Way(way.cost + is_idle, way.strangers, (at, way.idle) if is_idle else way.idle),
            )


def _listed(linked: tuple[Any, ...]) -> list[int]:
    numbers = []
    while linked:
        number, linked = linked
        numbers.append(number)
    return numbers[::-1]


@cache
def _fits(call: Call, op: Op, rootfs: str) -> bool:
    rule = RULES.get(op[0])
    return rule is not None and rule(call, op[2], rootfs)
