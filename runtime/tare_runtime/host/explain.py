"""From (operation, errno) to words: what was tried, on what, why it failed, and what to do.

Cold: loaded when something has failed. Callers match on some phrases; docker takes exit status 127 from
"executable file not found" and "no such file or directory", 126 from "permission denied".
"""

from errno import (
    EBADMSG,
    EISDIR,
)  # fmt: skip
from posix import strerror

from tare_runtime.errors import KernelError, RuntimeFailure
from tare_runtime.host.hints import hint_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.host.spawn import Failed
    from tare_runtime.plan.ops import Op

# kind → (verb, which arguments name the object)
_WORDS: dict[str, tuple[str, str]] = {
    "host_mkdir": ("make cgroup", "{0}"),
    "host_write": ("write {1!r} to", "{0}"),
    "host_enable_controllers": ("enable the controllers of cgroup", "{0}"),
    "host_copy_parent": ("copy the parent's {1} to", "{0}"),
    "host_device_filter": ("attach the device list to cgroup", "{0}"),
    "host_open_cgroup": ("open cgroup", "{0}"),
    "join_cgroups": ("join the container's cgroups", ""),
    "host_write_present": ("write {1!r} to", "{0}"),
    "host_chown": ("give cgroup to user {1}:", "{0}"),
    "host_tree": ("copy the mount tree at", "{0}"),
    "host_net_device": ("move network device", "{0}"),
    "unmount": ("unmount", "{0}"),
    "bind_tree": ("bind a tree of the host on", "{1}"),
    "open_rootfs": ("open the rootfs", "{0}"),
    "oom_score_adj": ("set oom_score_adj to", "{0}"),
    "setns_path": ("join namespace", "{1}"),
    "setns_process": ("join the container's namespaces", ""),
    "clone": ("make the new namespaces", ""),
    "become_root": ("become root in the user namespace", ""),
    "keyring": ("join a new session keyring", "{0}"),
    "sethostname": ("set hostname", "{0}"),
    "setdomainname": ("set domainname", "{0}"),
    "sysctl": ("set sysctl {0} to", "{1!r}"),
    "rootfs": ("bind the rootfs", "{0}"),
    "mount": ("mount {0} on", "{2}"),
    "bind": ("bind {0} on", "{1}"),
    "remount": ("change the mount", "{0}"),
    "mkdir": ("make directory", "{0}"),
    "mknod": ("make device", "{0}"),
    "symlink": ("make symlink", "{1}"),
    "mask": ("mask", "{0}"),
    "readonly": ("make read-only", "{0}"),
    "pivot_root": ("make the rootfs the root", ""),
    "root_attr": ("set attributes of the root mount", ""),
    "console": ("open a terminal", ""),
    "raise_limit": ("raise limit", "{0}"),
    "rlimit": ("set limit", "{0}"),
    "chdir": ("change directory to", "{0}"),
    "time_namespace": ("make the time namespace", ""),
    "personality": ("set the personality", ""),
    "scheduler": ("set the scheduler", ""),
    "io_priority": ("set the I/O priority", ""),
    "cpu_affinity": ("set the processors to run on", ""),
    "memory_policy": ("set the memory policy", ""),
    "attribute": ("write {1!r} to", "/proc/self/attr/{0}"),
    "user": ("become user", "{0}:{1}"),
    "capset": ("set capabilities", ""),
    "drop_bounding": ("drop capabilities from the bounding set", ""),
    "seccomp": ("load the seccomp filter", ""),
}


def explain(failed: "Failed", plan: "list[Op]", process: "dict[str, Any]") -> RuntimeFailure:
    """The error of a failed operation of `plan`."""
    if failed.errno == EBADMSG and not 0 <= failed.index < len(plan):
        return RuntimeFailure(f"unable to start container process: {failed.detail or 'the plan is damaged'}")
    kind, pointer, args = plan[failed.index]
    reason = failed.detail or strerror(failed.errno).lower()
    hint = hint_of(failed, plan, process)
    if kind in ("find_executable", "exec"):
        return _exec_error(process["args"][0], failed, pointer, hint)
    if kind == "run_hook":
        from tare_runtime.errors import HookError

        name = str(args[0])
        problem, _, output = reason.removeprefix(f"{name}: ").partition(": ")  # init names it, too
        return HookError(name.split(" ")[0], int(name.partition("#")[2]), str(args[1]), problem, output)
    if kind == "join_cgroups" and failed.detail.isdigit():
        opened = [str(op[2][0]) for op in plan if op[0] == "host_open_cgroup"]
        reason = opened[int(failed.detail)]
    verb, what = _WORDS.get(kind, (kind.replace("_", " "), ""))
    named = _named(kind, args)
    verb, what = verb.format(*named), what.format(*named)
    words = strerror(failed.errno).lower()
    if failed.detail and words not in reason:
        reason = f"{reason}: {words}"
    tried = "unable to start container process: error during container init: " + verb
    return KernelError(tried, pointer, failed.errno, what, hint, reason)


def _named(kind: str, args: "tuple[object, ...]") -> "list[object]":
    if kind in ("raise_limit", "rlimit"):
        from tare_runtime.plan.identity import RLIMITS

        return [f"RLIMIT_{RLIMITS[int(str(args[0]))]} to {':'.join(map(str, args[1:]))}"]
    return list(args)


def _exec_error(name: str, failed: "Failed", pointer: str, hint: str) -> KernelError:
    words = strerror(failed.errno).lower()
    reason = failed.detail if failed.detail.startswith("executable file") else words
    if failed.errno == EISDIR:
        reason += ": permission denied"  # what execve(2) says of it, and what callers look for
    tried = f"unable to start container process: exec: {_quoted(name)}"
    error = KernelError(tried, "", failed.errno, "", hint, reason)  # in the words that callers match
    error.pointer = pointer
    return error


def _quoted(text: str) -> str:
    from tare_runtime.json_text import dumps

    return dumps(text)


def warning(plan: "list[Op]", index: int, errno: int, text: str) -> str:
    _kind, pointer, _args = plan[index]
    return f"{pointer}: {text}: {strerror(errno).lower()}"


def died(state: "dict[str, Any]") -> RuntimeFailure:
    """init ended without a word: killed from outside, by the kernel for want of memory as a rule."""
    from tare_runtime.cgroup.life import oom_count

    if oom_count(state):
        return RuntimeFailure(
            "unable to start container process: container init was OOM-killed (memory limit too low?)",
            "raise linux.resources.memory.limit: about 300 kB are needed before the program itself",
        )
    return RuntimeFailure("unable to start container process: container init was killed before it was ready")
