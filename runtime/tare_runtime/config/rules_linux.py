"""What the specification says about the `linux` section of config.json beyond types. The types have been
checked before (config.shape).
"""

from __future__ import annotations

import posix

from tare_runtime.cgroup.paths import below_root
from tare_runtime.config.rules import NO_SELINUX, at, has_selinux

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.config.shape import Found

    Namespaces = dict[str, dict[str, Any]]

_SCHEDULING = frozenset(("timeOffsets", "memoryPolicy", "personality"))
NAMESPACES = ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")
PROPAGATION = (
    "", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable",
)  # fmt: skip
UNSET = 2**64 - 1  # the -1 of a manager that means "as it is", in a field without sign
# Members that each entry of an array in `resources` must have.
_NUMBERS = ("major", "minor")
_REQUIRED = (
    ("blockIO", "weightDevice", _NUMBERS),
    ("blockIO", "throttleReadBpsDevice", (*_NUMBERS, "rate")),
    ("blockIO", "throttleWriteBpsDevice", (*_NUMBERS, "rate")),
    ("blockIO", "throttleReadIOPSDevice", (*_NUMBERS, "rate")),
    ("blockIO", "throttleWriteIOPSDevice", (*_NUMBERS, "rate")),
    ("network", "priorities", ("name", "priority")),
)
_IDS = 2**32 - 1
_IPC_SYSCTLS = (
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
    "kernel.shmmni", "kernel.shm_rmid_forced",
)  # fmt: skip


def check(config: dict[str, Any], found: Found, warn: Callable[[str], None] | None) -> None:
    """Add to `found` what breaks a rule in `linux`, or in fields that need one of its namespaces."""
    linux = config["linux"]
    namespaces = _check_namespaces(linux.get("namespaces", ()), found)
    _check_names(config, namespaces, found)
    _check_mappings(linux, namespaces, found)
    if linux.get("uidMappings") and linux.get("gidMappings"):
        from tare_runtime.config.rules_ids import check as check_ids

        check_ids(config, found)
    _check_paths(linux, namespaces, found)
    for index, device in enumerate(linux.get("devices", ())):
        _check_device(device, index, found)
    if linux.get("sysctl"):
        _check_sysctls(linux["sysctl"], namespaces, found)
    if "resources" in linux:
        check_resources(linux["resources"], found)
    if "seccomp" in linux:
        from tare_runtime.seccomp.rules import check_seccomp

        check_seccomp(linux["seccomp"], config.get("annotations") or {}, found)
    if not _SCHEDULING.isdisjoint(linux):
        from tare_runtime.config.rules_scheduling import check_linux as check_scheduling

        check_scheduling(linux, namespaces, found)
    _check_rare(config, namespaces, found)


def _check_namespaces(entries: list[dict[str, Any]], found: Found) -> Namespaces:
    namespaces: Namespaces = {}
    for index, entry in enumerate(entries):
        name = entry.get("type")
        if name not in NAMESPACES:
            problem = f"{name!r} is no namespace: {', '.join(NAMESPACES)} are" if name else "is missing"
            found.append((at("linux", "namespaces", index, "type"), problem))
            continue
        if name in namespaces:
            found.append((at("linux", "namespaces", index, "type"), f"namespace {name} is given twice"))
        if entry.get("path") and entry["path"][0] != "/":
            problem = f"must be an absolute path, is {entry['path']!r}"
            found.append((at("linux", "namespaces", index, "path"), problem))
        namespaces[name] = entry
    return namespaces


def _check_names(config: dict[str, Any], namespaces: Namespaces, found: Found) -> None:
    for field in ("hostname", "domainname"):
        name = config.get(field)
        if not name:
            continue
        if "uts" not in namespaces:
            found.append((at(field), "cannot be set without a uts namespace: it would rename the host"))
        if len(name.encode()) > 64:
            found.append((at(field), "is longer than the kernel's 64 bytes"))


def _check_mappings(linux: dict[str, Any], namespaces: Namespaces, found: Found) -> None:
    given = [field for field in ("uidMappings", "gidMappings") if linux.get(field)]
    for field in given:
        if "user" not in namespaces:
            found.append((at("linux", field), "needs a user namespace, and none is in linux.namespaces"))
        for index, entry in enumerate(linux[field]):
            for key in ("containerID", "hostID", "size"):
                if key not in entry:
                    found.append((at("linux", field, index, key), "is missing"))
            size = entry.get("size")
            if size == 0:
                found.append((at("linux", field, index, "size"), "must be greater than zero"))
            elif size and max(entry.get("containerID", 0), entry.get("hostID", 0)) + size > _IDS:
                found.append((at("linux", field, index, "size"), f"reaches past the last id, {_IDS - 1}"))
    if "user" in namespaces and not namespaces["user"].get("path"):
        for field in ("uidMappings", "gidMappings"):
            if field not in given:
                found.append((at("linux", field), "is missing: a new user namespace needs it"))


def _check_paths(linux: dict[str, Any], namespaces: Namespaces, found: Found) -> None:
    for field in ("maskedPaths", "readonlyPaths"):
        paths = linux.get(field)
        if not paths:
            continue
        if "mount" not in namespaces:
            problem = "cannot be applied without a mount namespace: it would hide the host's own files"
            found.append((at("linux", field), problem))
        for index, path in enumerate(paths):
            if path[:1] != "/":
                found.append((at("linux", field, index), f"must be an absolute path, is {path!r}"))
    propagation = linux.get("rootfsPropagation")
    if propagation and propagation not in PROPAGATION:
        problem = f"{propagation!r} is none of {', '.join(PROPAGATION[1:])}"
        found.append((at("linux", "rootfsPropagation"), problem))
    path = linux.get("cgroupsPath")
    if path and not below_root(path):
        found.append((at("linux", "cgroupsPath"), f"{path!r} would put the container in the root cgroup"))


def _check_device(device: dict[str, Any], index: int, found: Found) -> None:
    here = ("linux", "devices", index)
    path = device.get("path", "")
    if path[:1] != "/":
        found.append((at(*here, "path"), f"must be an absolute path, is {path!r}" if path else "is missing"))
    kind = device.get("type")
    if kind not in ("c", "b", "u", "p"):
        found.append((at(*here, "type"), f"must be c, b, u or p, is {kind!r}" if kind else "is missing"))
    elif kind != "p":
        for field in _NUMBERS:
            if field not in device:
                found.append((at(*here, field), "is missing"))


def _check_sysctls(sysctls: dict[str, str], namespaces: Namespaces, found: Found) -> None:
    for name in sysctls:
        dotted = name.replace("/", ".")
        top, _, _ = dotted.partition(".")
        problem = ""
        if "" in dotted.split(".") or len(dotted) == len(top):
            problem = "is no name of a sysctl"
        elif dotted == "kernel.hostname":
            problem = "conflicts with the field hostname: use that"
        elif dotted in _IPC_SYSCTLS or dotted.startswith("fs.mqueue."):
            problem = _needs("ipc", namespaces)
        elif dotted == "kernel.domainname":
            problem = _needs("uts", namespaces)
        elif top == "net":
            problem = _needs("network", namespaces)
        elif top == "user":
            problem = _needs("user", namespaces)
        else:
            problem = "is not in a namespace: it would change the host"
        if problem:
            found.append((at("linux", "sysctl", name), problem))


def _needs(kind: str, namespaces: Namespaces) -> str:
    """Why a sysctl of this namespace would change the host; "" if it does not."""
    if kind not in namespaces:
        return f"needs a {kind} namespace: it would change the host"
    path = namespaces[kind].get("path")
    if path and _is_own(path, "net" if kind == "network" else kind):
        return f"would change the host: {path} is its own {kind} namespace"
    return ""


def _is_own(path: str, name: str) -> bool:
    try:
        one, two = posix.stat(path), posix.stat(f"/proc/self/ns/{name}")
    except OSError:
        return False
    return (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)


def check_resources(resources: dict[str, Any], found: Found) -> None:
    for index, rule in enumerate(resources.get("devices", ())):
        here = ("linux", "resources", "devices", index)
        if "allow" not in rule:
            found.append((at(*here, "allow"), "is missing"))
        kind = rule.get("type", "a") or "a"
        if kind not in ("a", "b", "c", "u"):
            found.append((at(*here, "type"), f"must be a, b or c, is {kind!r}"))
        access = rule.get("access", "")
        if not access or access.strip("rwm"):
            found.append((at(*here, "access"), f"must be letters of rwm, is {access!r}"))
    for index, limit in enumerate(resources.get("hugepageLimits", ())):
        here = ("linux", "resources", "hugepageLimits", index)
        size = limit.get("pageSize", "")
        if size[-2:] not in ("KB", "MB", "GB") or not (size[:-2].isascii() and size[:-2].isdigit()):
            problem = f"must be a size like 2MB, is {size!r}" if size else "is missing"
            found.append((at(*here, "pageSize"), problem))
        if "limit" not in limit:
            found.append((at(*here, "limit"), "is missing"))
    for section, field, required in _REQUIRED:
        for index, entry in enumerate(resources.get(section, {}).get(field, ())):
            for key in required:
                if key not in entry:
                    found.append((at("linux", "resources", section, field, index, key), "is missing"))
    _check_weights(resources.get("blockIO", {}), ("linux", "resources", "blockIO"), found)
    swappiness = resources.get("memory", {}).get("swappiness", 0)
    if 100 < swappiness != UNSET:
        problem = f"must lie between 0 and 100, is {swappiness}"
        found.append((at("linux", "resources", "memory", "swappiness"), problem))
    for index, entry in enumerate(resources.get("blockIO", {}).get("weightDevice", ())):
        if "weight" not in entry and "leafWeight" not in entry:
            where = at("linux", "resources", "blockIO", "weightDevice", index)
            found.append((where, "is missing a weight: weight, leafWeight, or both"))
    for name, limits in resources.get("rdma", {}).items():
        if limits is not None and not limits.keys() & {"hcaHandles", "hcaObjects"}:
            where = at("linux", "resources", "rdma", name)
            found.append((where, "is missing a limit: hcaHandles, hcaObjects, or both"))
    if "pids" in resources and "limit" not in resources["pids"]:
        found.append((at("linux", "resources", "pids", "limit"), "is missing"))
    for key in resources.get("unified", ()):
        if "/" in key or key in ("", ".", ".."):
            found.append((at("linux", "resources", "unified", key), "must be the name of one cgroup file"))


def _check_weights(block_io: dict[str, Any], here: tuple[str, ...], found: Found) -> None:
    entries: list[tuple[tuple[str | int, ...], dict[str, Any]]] = [(here, block_io)]
    for index, entry in enumerate(block_io.get("weightDevice", ())):
        entries.append(((*here, "weightDevice", index), entry))
    for place, entry in entries:
        for field in ("weight", "leafWeight"):
            weight = entry.get(field)
            if weight and not 10 <= weight <= 1000:
                found.append((at(*place, field), f"must lie between 10 and 1000, is {weight}"))


def _check_mount_label(config: dict[str, Any], found: Found) -> None:
    from tare_runtime.plan.labels import CONTEXT_ANNOTATION, CONTEXT_TYPES

    if not has_selinux():
        found.append((at("linux", "mountLabel"), NO_SELINUX))
    elif '"' in config["linux"]["mountLabel"]:
        found.append((at("linux", "mountLabel"), "must not hold a quotation mark"))
    kind = (config.get("annotations") or {}).get(CONTEXT_ANNOTATION, "context")
    if kind not in CONTEXT_TYPES:
        problem = f"must be one of {', '.join(CONTEXT_TYPES)}, is {kind!r}"
        found.append((at("annotations", CONTEXT_ANNOTATION), problem))


def _check_rare(config: dict[str, Any], namespaces: Namespaces, found: Found) -> None:
    linux = config["linux"]
    if linux.get("netDevices"):
        from tare_runtime.config.rules_net_devices import check as check_net_devices

        check_net_devices(linux["netDevices"], _needs("network", namespaces), found)
    if linux.get("intelRdt"):
        from tare_runtime.config.rules_resctrl import check as check_resctrl

        check_resctrl(linux["intelRdt"], found)
    if linux.get("mountLabel"):
        _check_mount_label(config, found)
