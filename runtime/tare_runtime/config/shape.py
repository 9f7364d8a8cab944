"""Which types config.json's fields have, and the walk that checks them. Pure.

A shape is `str`, `bool`, a pair of bounds for an integer, `[shape]` for an array, `{str: shape}` for an
object with free names, or a dict for an object with known members. Unknown members are allowed, as the
specification wants ("Extensibility", config.md).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # Where a value sits: (where its parent sits, its key); None is the document itself.
    Place = tuple["Place | None", str | int]
    Found = list[tuple[Place | None, str]]

U16 = (0, 2**16 - 1)
U32 = (0, 2**32 - 1)
I32 = (-(2**31), 2**31 - 1)
I64 = (-(2**63), 2**63 - 1)
U64 = (0, 2**64 - 1)
ID = (0, 2**32 - 2)  # the last number means "leave it as it is" to setresuid(2) and chown(2)
MAJOR, MINOR = (0, 2**12 - 1), (0, 2**20 - 1)  # MKDEV lets what is larger run over into its neighbour
LIMIT = (-1, 2**63 - 1)  # -1: none
TEXTS = [str]
TEXT_MAP = {str: str}
ID_MAPS = [{"containerID": ID, "hostID": ID, "size": U32}]

_HOOKS = [{"path": str, "args": TEXTS, "env": TEXTS, "timeout": I64}]

PROCESS = {
    "terminal": bool,
    "consoleSize": {"height": U16, "width": U16},
    "cwd": str,
    "env": TEXTS,
    "args": TEXTS,
    "commandLine": str,
    "rlimits": [{"type": str, "soft": U64, "hard": U64}],
    "apparmorProfile": str,
    "capabilities": {
        "bounding": TEXTS,
        "permitted": TEXTS,
        "effective": TEXTS,
        "inheritable": TEXTS,
        "ambient": TEXTS,
    },
    "noNewPrivileges": bool,
    "oomScoreAdj": I64,
    "scheduler": {
        "policy": str,
        "nice": I32,
        "priority": I32,
        "flags": TEXTS,
        "runtime": U64,
        "deadline": U64,
        "period": U64,
    },
    "selinuxLabel": str,
    "ioPriority": {"class": str, "priority": I64},
    "execCPUAffinity": {"initial": str, "final": str},
    "user": {
        "uid": ID,
        "gid": ID,
        "umask": U32,
        "additionalGids": [ID],
        "username": str,
    },
}

_RATES = [{"major": MAJOR, "minor": MINOR, "rate": U64}]

RESOURCES = {
    "devices": [
        {"allow": bool, "type": str, "major": (-1, MAJOR[1]), "minor": (-1, MINOR[1]), "access": str}
    ],
    "memory": {
        "limit": LIMIT,
        "reservation": LIMIT,
        "swap": LIMIT,
        "kernel": LIMIT,
        "kernelTCP": LIMIT,
        "swappiness": U64,
        "disableOOMKiller": bool,
        "useHierarchy": bool,
        "checkBeforeUpdate": bool,
    },
    "cpu": {
        "shares": U64,
        "quota": I64,
        "burst": U64,
        "period": U64,
        "realtimeRuntime": I64,
        "realtimePeriod": U64,
        "cpus": str,
        "mems": str,
        "idle": (0, 1),
    },
    "pids": {"limit": I64},
    "blockIO": {
        "weight": U16,
        "leafWeight": U16,
        "weightDevice": [{"major": MAJOR, "minor": MINOR, "weight": U16, "leafWeight": U16}],
        "throttleReadBpsDevice": _RATES,
        "throttleWriteBpsDevice": _RATES,
        "throttleReadIOPSDevice": _RATES,
        "throttleWriteIOPSDevice": _RATES,
    },
    "hugepageLimits": [{"pageSize": str, "limit": U64}],
    "network": {"classID": U32, "priorities": [{"name": str, "priority": U32}]},
    "rdma": {str: {"hcaHandles": U32, "hcaObjects": U32}},
    "unified": TEXT_MAP,
}

SECCOMP = {
    "defaultAction": str,
    "defaultErrnoRet": U32,
    "flags": TEXTS,
    "architectures": TEXTS,
    "listenerPath": str,
    "listenerMetadata": str,
    "syscalls": [
        {
            "names": TEXTS,
            "action": str,
            "errnoRet": U32,
            "args": [{"index": U32, "value": U64, "valueTwo": U64, "op": str}],
        }
    ],
}

CONFIG = {
    "ociVersion": str,
    "process": PROCESS,
    "root": {"path": str, "readonly": bool},
    "hostname": str,
    "domainname": str,
    "mounts": [
        {
            "destination": str,
            "source": str,
            "type": str,
            "options": TEXTS,
            "uidMappings": ID_MAPS,
            "gidMappings": ID_MAPS,
        }
    ],
    "hooks": {
        "prestart": _HOOKS,
        "createRuntime": _HOOKS,
        "createContainer": _HOOKS,
        "startContainer": _HOOKS,
        "poststart": _HOOKS,
        "poststop": _HOOKS,
    },
    "annotations": TEXT_MAP,
    "linux": {
        "namespaces": [{"type": str, "path": str}],
        "uidMappings": ID_MAPS,
        "gidMappings": ID_MAPS,
        "timeOffsets": {str: {"secs": I64, "nanosecs": U32}},
        "devices": [
            {
                "type": str,
                "path": str,
                "major": MAJOR,
                "minor": MINOR,
                "fileMode": U32,
                "uid": ID,
                "gid": ID,
            }
        ],
        "netDevices": {str: {"name": str}},
        "cgroupsPath": str,
        "rootfsPropagation": str,
        "maskedPaths": TEXTS,
        "readonlyPaths": TEXTS,
        "mountLabel": str,
        "personality": {"domain": str, "flags": TEXTS},
        "memoryPolicy": {"mode": str, "nodes": str, "flags": TEXTS},
        "intelRdt": {
            "closID": str,
            "schemata": TEXTS,
            "l3CacheSchema": str,
            "memBwSchema": str,
            "enableMonitoring": bool,
        },
        "resources": RESOURCES,
        "seccomp": SECCOMP,
        "sysctl": TEXT_MAP,
    },
}


def walk(value: Any, shape: Any, place: Place | None, found: Found) -> None:
    """Compare an object or array with its shape; what differs goes to `found`.

    Members whose value is null are removed from `value`: managers written in Go send null for "not set".
    """
    if type(shape) is list:
        if type(value) is not list:
            found.append((place, f"must be an array, is {_name(value)}"))
            return
        inner = shape[0]
        kind = type(inner)
        for index, item in enumerate(value):
            if inner is str:
                if type(item) is not str:
                    found.append(((place, index), f"must be a string, is {_name(item)}"))
            elif kind is tuple:
                if type(item) is not int or not inner[0] <= item <= inner[1]:
                    found.append(((place, index), _integer_problem(item, inner)))
            else:
                walk(item, inner, (place, index), found)
        return
    if type(value) is not dict:
        found.append((place, f"must be an object, is {_name(value)}"))
        return
    free = shape.get(str)
    empty = None
    for key, item in value.items():
        inner = free or shape.get(key)
        if inner is None:
            continue
        if item is None:
            empty = [key] if empty is None else [*empty, key]
        elif inner is str:
            if type(item) is not str:
                found.append(((place, key), f"must be a string, is {_name(item)}"))
        elif inner is bool:
            if type(item) is not bool:
                found.append(((place, key), f"must be true or false, is {_name(item)}"))
        elif type(inner) is tuple:
            if type(item) is not int or not inner[0] <= item <= inner[1]:
                found.append(((place, key), _integer_problem(item, inner)))
        else:
            walk(item, inner, (place, key), found)
    if empty:
        for key in empty:
            del value[key]


def pointer(place: Place | None) -> str:
    """A place as JSON pointer (RFC 6901)."""
    text = ""
    while place is not None:
        place, key = place
        text = "/" + str(key).replace("~", "~0").replace("/", "~1") + text
    return text


def _integer_problem(value: object, bounds: tuple[int, int]) -> str:
    if type(value) is not int:
        return f"must be an integer, is {_name(value)}"
    return f"must lie between {bounds[0]} and {bounds[1]}, is {value}"


def _name(value: object) -> str:
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is str:
        return "the string " + repr(value if len(value) <= 40 else value[:40] + "…")
    if type(value) in (int, float):
        return f"the number {value}" if type(value) is float or abs(value) < 10**30 else "a huge number"  # type: ignore[arg-type]
    return "an array" if type(value) is list else "an object"
