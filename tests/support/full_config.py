"""A config that uses nearly every field the runtime knows, and every way to put one value elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]

_SET = ["CAP_KILL"]
_MAPS = [{"containerID": 0, "hostID": 0, "size": 65536}]
_RATES = [{"major": 8, "minor": 0, "rate": 1}]

FULL: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "consoleSize": {"height": 1, "width": 2},
        "cwd": "/",
        "env": ["A=b"],
        "args": ["x"],
        "rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 2}],
        "apparmorProfile": "",
        "capabilities": dict.fromkeys(("bounding", "permitted", "effective", "inheritable", "ambient"), _SET),
        "noNewPrivileges": True,
        "oomScoreAdj": 5,
        "selinuxLabel": "",
        "scheduler": {"policy": "SCHED_OTHER", "nice": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "execCPUAffinity": {"initial": "0", "final": "0-1"},
        "user": {"uid": 0, "gid": 0, "umask": 18, "additionalGids": [1]},
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "h",
    "domainname": "d",
    "mounts": [
        {"destination": "/proc", "source": "proc", "type": "proc", "options": ["ro"]},
        {"destination": "/b", "source": "/etc", "type": "bind", "options": ["rbind", "rro", "rslave"]},
        {"destination": "/c", "source": "cgroup", "type": "cgroup"},
        {
            "destination": "/d",
            "source": "/etc",
            "options": ["bind", "ridmap", "src-nofollow", "dest-nofollow"],
            "uidMappings": [dict(_MAPS[0])],
            "gidMappings": [dict(_MAPS[0])],
        },
    ],
    "hooks": {
        "prestart": [{"path": "/x", "args": ["a"], "env": ["A=b"], "timeout": 5}],
        "startContainer": [{"path": "/x", "args": ["a"], "env": ["A=b"], "timeout": 5}],
        "poststop": [{"path": "/x"}],
    },
    "annotations": {"a": "b"},
    "linux": {
        "namespaces": [
            {"type": "pid"},
            {"type": "mount"},
            {"type": "uts"},
            {"type": "ipc"},
            {"type": "cgroup"},
            {"type": "user"},
            {"type": "time"},
            {"type": "network", "path": "/proc/1/ns/net"},
        ],
        "uidMappings": _MAPS,
        "gidMappings": _MAPS,
        "devices": [
            {"type": "c", "path": "/dev/x", "major": 1, "minor": 1, "fileMode": 438, "uid": 0, "gid": 0},
            {"type": "p", "path": "/dev/fifo"},
        ],
        "timeOffsets": {"monotonic": {"secs": 1, "nanosecs": 1}, "boottime": {"secs": 1}},
        "personality": {"domain": "LINUX32", "flags": []},
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
        "cgroupsPath": "/x",
        "rootfsPropagation": "private",
        "maskedPaths": ["/a"],
        "readonlyPaths": ["/b"],
        "mountLabel": "",
        "resources": {
            "devices": [{"allow": True, "type": "c", "major": 1, "minor": 1, "access": "rw"}],
            "memory": {
                "limit": 9,
                "reservation": 1,
                "swap": 10,
                "kernel": 1,
                "swappiness": 1,
                "disableOOMKiller": True,
                "useHierarchy": True,
                "checkBeforeUpdate": True,
            },
            "cpu": {
                "shares": 1,
                "quota": 1,
                "burst": 1,
                "period": 1,
                "realtimeRuntime": 1,
                "realtimePeriod": 1,
                "cpus": "0",
                "mems": "0",
                "idle": 1,
            },
            "pids": {"limit": 1},
            "blockIO": {
                "weight": 10,
                "leafWeight": 10,
                "weightDevice": [{"major": 8, "minor": 0, "weight": 10, "leafWeight": 10}],
                "throttleReadBpsDevice": _RATES,
                "throttleWriteIOPSDevice": _RATES,
            },
            "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
            "network": {"classID": 1, "priorities": [{"name": "lo", "priority": 1}]},
            "rdma": {"mlx": {"hcaHandles": 1, "hcaObjects": 1}},
        },
        "seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "defaultErrnoRet": 1,
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "architectures": ["SCMP_ARCH_X86"],
            "syscalls": [
                {
                    "names": ["getpid"],
                    "action": "SCMP_ACT_ERRNO",
                    "errnoRet": 1,
                    "args": [{"index": 0, "value": 1, "valueTwo": 1, "op": "SCMP_CMP_EQ"}],
                }
            ],
        },
        "sysctl": {"kernel.shmmax": "1"},
    },
}


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Every place in a JSON value but its root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*here, key)
        yield from places(item, (*here, key))


def changed(place: Place, value: object) -> dict[str, Any]:
    """FULL with another value at one place; `...` takes the member away."""
    config = copy.deepcopy(FULL)
    parent: Any = config
    for key in place[:-1]:
        parent = parent[key]
    if value is ...:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return config
