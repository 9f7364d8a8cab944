"""What a config rightly asks for and this host cannot give: each with the way to get it."""

from __future__ import annotations

import posix

from tare_runtime.doctor.host import Host
from tare_runtime.validate.findings import HOST, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NAMESPACE_FILES = {"network": "net", "mount": "mnt"}
_BINDS = ("bind", "rbind")


def check_host(config: dict[str, Any], host: Host) -> list[Finding]:
    """For a config whose types are right; members may be missing."""
    linux = config.get("linux") or {}
    process = config.get("process") or {}
    found = _namespaces(linux, host)
    found += _privileges(linux, host)
    found += _capabilities(process, host)
    found += _file_systems(config.get("mounts") or [], host)
    found += _sysctls(linux, host)
    found += _limits(process, host)
    found += _sets(linux, host)
    found += _devices(linux, host)
    return found + _seccomp(linux, host)


def _namespaces(linux: dict[str, Any], host: Host) -> list[Finding]:
    found = []
    for index, entry in enumerate(linux.get("namespaces") or []):
        kind, path = entry.get("type", ""), entry.get("path") or ""
        at = f"/linux/namespaces/{index}"
        file = _NAMESPACE_FILES.get(kind, kind)
        if path[:1] == "/":
            if not host.exists(path):
                problem = f"{path} does not exist: the process whose namespace it was has ended"
                found.append(
                    Finding(HOST, at + "/path", problem, "make it anew, or leave path out for a new one")
                )
        elif kind and not host.exists(f"/proc/self/ns/{file}"):
            found.append(
                Finding(
                    HOST, at, f"this kernel has no {kind} namespaces", "boot one that has, or leave it out"
                )
            )
        elif host.number(f"/proc/sys/user/max_{file}_namespaces") == 0:
            name = f"user.max_{file}_namespaces"
            found.append(Finding(HOST, at, f"none may be made: {name} is 0", f"sysctl -w {name}=10000"))
    return found


def _privileges(linux: dict[str, Any], host: Host) -> list[Finding]:
    if host.uid == 0 or any(entry.get("type") == "user" for entry in linux.get("namespaces") or []):
        return []
    problem = "without root a container needs a user namespace, and none is listed"
    return [Finding(HOST, "/linux/namespaces", problem, "see: tare-runtime spec --rootless")]


def _capabilities(process: dict[str, Any], host: Host) -> list[Finding]:
    from tare_runtime.plan.identity import CAPABILITIES

    found = []
    for kind, names in (process.get("capabilities") or {}).items():
        if kind != "bounding" or not isinstance(names, list):
            continue
        for index, name in enumerate(names):
            if name[4:] in CAPABILITIES and not host.has_capability(name[4:]):
                problem = f"the runtime does not have {name} itself, so the container will not"
                fix = "run the runtime with it (--cap-add of the container that we are in), or leave it out"
                found.append(Finding(HOST, f"/process/capabilities/bounding/{index}", problem, fix))
    return found


def _file_systems(mounts: list[dict[str, Any]], host: Host) -> list[Finding]:
    known = {line.split()[-1] for line in (host.read("/proc/filesystems") or "").splitlines() if line.strip()}
    found = []
    for index, mount in enumerate(mounts):
        kind = mount.get("type") or ""
        options = mount.get("options") or []
        if (
            not known
            or kind in ("", "bind", "none", "cgroup", *known)
            or any(word in options for word in _BINDS)
        ):
            continue
        if kind not in host.names(f"/lib/modules/{host.release}/kernel/fs"):
            problem = f"this kernel does not know the file system {kind}"
            fix = f"modprobe {kind}, or correct the type: /proc/filesystems lists those it knows"
            found.append(Finding(HOST, f"/mounts/{index}/type", problem, fix))
    return found


def _sysctls(linux: dict[str, Any], host: Host) -> list[Finding]:
    found = []
    for name in linux.get("sysctl") or {}:
        path = "/proc/sys/" + (name if "/" in name else name.replace(".", "/"))
        if ".." not in path and not host.exists(path):
            pointer = "/linux/sysctl/" + name.replace("~", "~0").replace("/", "~1")
            problem = f"this kernel has no {path}"
            found.append(Finding(HOST, pointer, problem, "load the module that brings it, or leave it out"))
    return found


def _limits(process: dict[str, Any], host: Host) -> list[Finding]:
    most = host.number("/proc/sys/fs/nr_open")
    found = []
    for index, limit in enumerate(process.get("rlimits") or []):
        hard = limit.get("hard")
        if limit.get("type") == "RLIMIT_NOFILE" and most and isinstance(hard, int) and hard > most:
            problem = f"{hard} is above fs.nr_open, which is {most}: the limit will stay as it is"
            fix = f"sysctl -w fs.nr_open={min(hard, 2**31 - 64)}, or lower it"
            found.append(Finding(HOST, f"/process/rlimits/{index}/hard", problem, fix))
    adjust = process.get("oomScoreAdj")
    if isinstance(adjust, int) and not host.has_capability("SYS_RESOURCE"):
        have = host.number("/proc/self/oom_score_adj") or 0
        if adjust < have:
            problem = f"lowering it from {have} to {adjust} takes CAP_SYS_RESOURCE, which we do not have"
            found.append(
                Finding(HOST, "/process/oomScoreAdj", problem, f"use {have} or more, or leave it out")
            )
    return found


def _sets(linux: dict[str, Any], host: Host) -> list[Finding]:
    """Processors and memory nodes."""
    cpu = (linux.get("resources") or {}).get("cpu") or {}
    wanted = [("/linux/resources/cpu/cpus", cpu.get("cpus"), "cpu", "processors")]
    wanted.append(("/linux/resources/cpu/mems", cpu.get("mems"), "node", "memory nodes"))
    nodes = (linux.get("memoryPolicy") or {}).get("nodes")
    wanted.append(("/linux/memoryPolicy/nodes", nodes, "node", "memory nodes"))
    found = []
    for pointer, text, folder, what in wanted:
        online = _numbers(host.read(f"/sys/devices/system/{folder}/online") or "")
        lacking = sorted(_numbers(text or "") - online) if online else []
        if lacking:
            numbers = ", ".join(map(str, lacking[:8]))
            fix = f"/sys/devices/system/{folder}/online lists those there are"
            found.append(Finding(HOST, pointer, f"no such {what} here: {numbers}", fix))
    return found


def _numbers(text: str) -> set[int]:
    """A list like 0-3,5; nothing where it is none, which is for the rules to say."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            return set()
        if int(last or first) < 65536:
            numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def _devices(linux: dict[str, Any], host: Host) -> list[Finding]:
    """Moved and limited devices that are not there."""
    found = []
    for name in linux.get("netDevices") or {}:
        if not host.exists(f"/sys/class/net/{name}"):
            pointer = "/linux/netDevices/" + name.replace("~", "~0").replace("/", "~1")
            found.append(
                Finding(
                    HOST, pointer, f"there is no network device {name}", "`ip link` shows those there are"
                )
            )
    for index, limit in enumerate((linux.get("resources") or {}).get("hugepageLimits") or []):
        size = limit.get("pageSize") or ""
        units = {"KB": 1, "MB": 1 << 10, "GB": 1 << 20}
        if size[-2:] not in units or not size[:-2].isdigit():
            continue
        if not host.exists(f"/sys/kernel/mm/hugepages/hugepages-{int(size[:-2]) * units[size[-2:]]}kB"):
            pointer = f"/linux/resources/hugepageLimits/{index}/pageSize"
            fix = "/sys/kernel/mm/hugepages shows the sizes there are"
            found.append(Finding(HOST, pointer, f"this host has no huge pages of {size}", fix))
    return found


# action of a profile → what the kernel calls it
_ACTIONS = {
    "SCMP_ACT_KILL": "kill_thread",
    "SCMP_ACT_KILL_THREAD": "kill_thread",
    "SCMP_ACT_KILL_PROCESS": "kill_process",
    "SCMP_ACT_NOTIFY": "user_notif",
    "SCMP_ACT_LOG": "log",
    "SCMP_ACT_TRACE": "trace",
}


def _seccomp(linux: dict[str, Any], host: Host) -> list[Finding]:
    profile = linux.get("seccomp")
    if not profile:
        return []
    have = host.words("/proc/sys/kernel/seccomp/actions_avail")
    if not have:
        fix = "boot a kernel with CONFIG_SECCOMP_FILTER, or leave it out"
        return [Finding(HOST, "/linux/seccomp", "this kernel has no seccomp filters", fix)]
    wanted = [("/linux/seccomp/defaultAction", profile.get("defaultAction"))]
    wanted += [
        (f"/linux/seccomp/syscalls/{index}/action", rule.get("action"))
        for index, rule in enumerate(profile.get("syscalls") or [])
    ]
    fix = "boot a newer one, or take another action"
    return [
        Finding(HOST, pointer, f"this kernel does not know {action}", fix)
        for pointer, action in wanted
        if str(action) in _ACTIONS and _ACTIONS[str(action)] not in have
    ]


def this_host() -> Host:
    return Host(uid=posix.geteuid())
