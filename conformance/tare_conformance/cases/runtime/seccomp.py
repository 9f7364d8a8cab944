"""config-linux.md, "Seccomp"."""

from __future__ import annotations

import errno

from tare_spec.runtime import Seccomp, Syscall

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put
from tare_conformance.verdict import equal, true


def filter_of(*rules: Syscall) -> Seccomp:
    """Everything allowed but what the rules say."""
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules)}


@case(
    "config-linux.md, Seccomp: syscalls",
    drop("/linux/seccomp"),
    put("/linux/seccomp/syscalls/0/names", ["dup"]),
)
def a_refused_call_fails_with_eperm(lab: Lab) -> None:
    """SCMP_ACT_ERRNO without errnoRet makes the call fail with EPERM; other calls work."""
    lab.linux["seccomp"] = filter_of({"names": ["getpriority"], "action": "SCMP_ACT_ERRNO"})
    facts = lab.observe("seccomp", "call=getpriority", "call=getpgid")
    equal("seccomp mode", facts["seccomp"], 2)
    equal("the refused call", facts["call=getpriority"], errno.EPERM)
    equal("another call", facts["call=getpgid"], 0)


@case(
    "config-linux.md, Seccomp: errnoRet",
    drop("/linux/seccomp/syscalls/0/errnoRet"),
    put("/linux/seccomp/syscalls/1/errnoRet", 1),
)
def a_refused_call_fails_with_the_number_asked_for(lab: Lab) -> None:
    """errnoRet is the errno of that rule."""
    lab.linux["seccomp"] = filter_of(
        {"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
        {"names": ["getsid"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOTTY},
    )
    facts = lab.observe("call=getpriority", "call=getsid")
    equal("first call", facts["call=getpriority"], errno.ENOSYS)
    equal("second call", facts["call=getsid"], errno.ENOTTY)


@case(
    "config-linux.md, Seccomp: args",
    drop("/linux/seccomp/syscalls/0/args"),
    put("/linux/seccomp/syscalls/0/args/0/value", 77),
    put("/linux/seccomp/syscalls/0/args/0/op", "SCMP_CMP_NE"),
)
def arguments_are_compared(lab: Lab) -> None:
    """A rule with args holds only for calls whose arguments compare so."""
    lab.linux["seccomp"] = filter_of(
        {
            "names": ["getpgid"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": errno.EDOM,
            "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
        }
    )
    facts = lab.observe("call=getpgid:1", "call=getpgid:0")
    equal("with the argument", facts["call=getpgid:1"], errno.EDOM)
    equal("with another argument", facts["call=getpgid:0"], 0)


@case(
    "config-linux.md, Seccomp: args",
    put("/linux/seccomp/syscalls/0/args/0/op", "SCMP_CMP_EQ"),
    put("/linux/seccomp/syscalls/0/args/0/valueTwo", 0),
    put("/linux/seccomp/syscalls/1/args/0/op", "SCMP_CMP_LE"),
)
def masks_and_order_are_compared(lab: Lab) -> None:
    """SCMP_CMP_MASKED_EQ looks at the bits of the mask, SCMP_CMP_GT at the order."""
    lab.linux["seccomp"] = filter_of(
        {
            "names": ["umask"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": errno.EDOM,
            "args": [{"index": 0, "value": 0o070, "valueTwo": 0o020, "op": "SCMP_CMP_MASKED_EQ"}],
        },
        {
            "names": ["getsid"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": errno.ERANGE,
            "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_GT"}],
        },
    )
    facts = lab.observe("call=umask:18", "call=umask:34", "call=getsid:2", "call=getsid:1")
    equal("mask matches", facts["call=umask:18"], errno.EDOM)
    equal("mask does not match", facts["call=umask:34"], 0)
    equal("greater", facts["call=getsid:2"], errno.ERANGE)
    equal("not greater", facts["call=getsid:1"], 0)


# What a runtime and the probe need; the calls of the cases are not among them.
ALLOWED = """
execve exit_group exit write writev read close brk mmap munmap mprotect arch_prctl set_tid_address
rt_sigprocmask rt_sigaction ioctl prctl fcntl fstat newfstatat open openat futex lseek getpid
set_robust_list rseq prlimit64 getrandom readlinkat sigaltstack rt_sigreturn tgkill madvise
sched_getaffinity getdents64 capget capset chdir setuid setgid setgroups fchown close_range
epoll_ctl nanosleep clock_nanosleep epoll_pwait gettid getppid execveat statx faccessat2 clone
clone3 wait4 sendmsg recvmsg dup3 umask pread64 fstatfs setresuid setresgid getcwd stat lstat poll
ppoll sched_yield unlinkat getuid geteuid getgid getegid openat2 readlink pipe2 mount umount2 keyctl
setsid personality setpriority seccomp
""".split()


@case(
    "config-linux.md, Seccomp: defaultAction",
    put("/linux/seccomp/defaultAction", "SCMP_ACT_ALLOW"),
    put("/linux/seccomp/syscalls/0/names/-", "getpriority"),
)
def the_default_action_is_for_all_other_calls(lab: Lab) -> None:
    """Calls that no rule names meet defaultAction: here a list of allowed ones, and EPERM for the rest."""
    lab.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"names": [*ALLOWED], "action": "SCMP_ACT_ALLOW"}],
    }
    facts = lab.observe("seccomp", "call=getpriority", "call=getpid")
    equal("seccomp mode", facts["seccomp"], 2)
    equal("a call that is not listed", facts["call=getpriority"], errno.EPERM)
    equal("a call that is listed", facts["call=getpid"], 0)


@case("config-linux.md, Seccomp: defaultErrnoRet", drop("/linux/seccomp/defaultErrnoRet"))
def the_default_action_has_its_own_number(lab: Lab) -> None:
    """defaultErrnoRet is the errno of defaultAction."""
    lab.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.ENOSYS,
        "syscalls": [{"names": [*ALLOWED], "action": "SCMP_ACT_ALLOW"}],
    }
    equal("a call that is not listed", lab.observe("call=getpriority")["call=getpriority"], errno.ENOSYS)


@case("config-linux.md, Seccomp: action", put("/linux/seccomp/syscalls/0/action", "SCMP_ACT_ERRNO"))
def a_forbidden_call_kills(lab: Lab) -> None:
    """SCMP_ACT_KILL_PROCESS ends the program by SIGSYS at the call."""
    lab.linux["seccomp"] = filter_of({"names": ["getpriority"], "action": "SCMP_ACT_KILL_PROCESS"})
    box = lab.run("call=getpriority")
    status = box.wait()
    true(f"the program ended by SIGSYS: status {status}", status == 128 + 31)


@case("config-linux.md, Seccomp", drop("/linux/seccomp"))
def a_filter_works_without_no_new_privileges(lab: Lab) -> None:
    """Filters hold as well for a program that may gain privileges, and for a user other than 0."""
    lab.process["noNewPrivileges"] = False
    lab.process["user"] = {"uid": 1000, "gid": 1000}
    lab.linux["seccomp"] = filter_of({"names": ["getpriority"], "action": "SCMP_ACT_ERRNO"})
    facts = lab.observe("noNewPrivs", "call=getpriority")
    equal("no_new_privs", facts["noNewPrivs"], False)
    equal("the refused call", facts["call=getpriority"], errno.EPERM)


@case("config-linux.md, Seccomp: action", put("/linux/seccomp/syscalls/0/action", "SCMP_ACT_ALLOW"))
def an_unknown_action_is_refused(lab: Lab) -> None:
    """An action that the specification does not know makes create fail."""
    lab.linux["seccomp"] = filter_of({"names": ["getpriority"], "action": "SCMP_ACT_SMILE"})
    lab.refused("pids", why="the seccomp action SCMP_ACT_SMILE")
