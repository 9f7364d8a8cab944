"""Golden plans: a config in, the plan as text out, reviewed as a diff. No root, no system calls.

`./dev golden` writes them anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tare_runtime._core import lib
from tare_runtime.cgroup.paths import Hierarchy
from tare_runtime.cgroup.plan import plan_cgroup
from tare_runtime.config.read import check_config
from tare_runtime.plan import describe, ops, wire
from tare_runtime.plan.build import Request, plan_container, plan_exec
from tare_runtime.verbs.plan import as_json
from tare_runtime.verbs.plan import describe as rows_of

from tests.support.bundles import default_config

PLANS = Path(__file__).parent.parent / "data/plans"
V1 = Hierarchy(
    1,
    {name: f"/sys/fs/cgroup/{name}" for name in ("cpuset", "memory", "devices", "freezer", "pids")},
    {name: f"/sys/fs/cgroup/{name}/own" for name in ("cpuset", "memory", "devices", "freezer", "pids")},
)
V2 = Hierarchy(2, {"": "/sys/fs/cgroup"}, {"": "/sys/fs/cgroup/own"})
SECCOMP = (b"\x06\0\0\0\0\0\xff\x7f", 0)


def plain() -> dict[str, Any]:
    return default_config()


def limited() -> dict[str, Any]:
    config = default_config()
    config["linux"]["cgroupsPath"] = "/tests/limited"
    config["linux"]["resources"] = {
        "memory": {"limit": 67108864},
        "pids": {"limit": 32},
        "devices": [{"allow": False, "access": "rwm"}],
    }
    config["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro", "nosuid"]})
    return config


def limited_v2() -> dict[str, Any]:
    config = limited()
    del config["linux"]["resources"]["devices"]
    return config


def everything() -> dict[str, Any]:
    config = default_config()
    process, linux = config["process"], config["linux"]
    process.update(
        {
            "terminal": True,
            "consoleSize": {"width": 80, "height": 24},
            "user": {"uid": 1000, "gid": 1000, "additionalGids": [5, 6], "umask": 0o77},
            "env": ["PATH=/bin", "A=1", "A=2"],
            "cwd": "/work/here",
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}],
            "oomScoreAdj": 100,
            "noNewPrivileges": False,
        }
    )
    config["root"]["readonly"] = True
    config["domainname"] = "example"
    config["mounts"] += [
        {"destination": "/data", "type": "bind", "source": "data", "options": ["rbind", "rro", "rslave"]},
        {"destination": "run", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "noexec"]},
    ]
    linux["namespaces"][1]["path"] = "/run/netns/blue"
    linux["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    linux["uidMappings"] = linux["gidMappings"] = mapping
    linux["rootfsPropagation"] = "rshared"
    linux["sysctl"] = {"kernel.shm_rmid_forced": "1"}
    linux["devices"] = [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o660, "gid": 5},
        {"path": "/dev/pipe", "type": "p"},
    ]
    hook = {"path": "/bin/hook", "args": ["hook", "x"], "env": ["K=V"], "timeout": 3}
    config["hooks"] = {kind: [hook] for kind in ("createRuntime", "createContainer", "startContainer")}
    return config


CASES = {
    "plain-v1": (plain, V1, None),
    "plain-v2": (plain, V2, None),
    "limited-v1": (limited, V1, None),
    "limited-v2": (limited_v2, V2, None),
    "everything-v1": (everything, V1, SECCOMP),
}


@pytest.mark.parametrize("name", CASES)
def test_the_golden_plan_is_what_the_config_gives(name: str) -> None:
    make, hierarchy, seccomp = CASES[name]
    config = make()
    check_config(config)
    cgroup = plan_cgroup(config, "golden", hierarchy=hierarchy)
    plan = plan_container(config, Request("golden", "/bundle"), cgroup, seccomp)
    compare(name, plan)


def test_the_golden_plan_of_exec() -> None:
    process = everything()["process"]
    join = [ops.host_open_cgroup("/linux/cgroupsPath", "/sys/fs/cgroup/pids/own/golden/tasks")]
    flags = lib.CLONE_NEWNS | lib.CLONE_NEWPID | lib.CLONE_NEWUSER
    compare("exec", plan_exec(process, Request("golden", "/bundle", gate=False), join, flags, SECCOMP))


def compare(name: str, plan: list[ops.Op]) -> None:
    text = as_json(rows_of(plan)) + "\n"
    path = PLANS / f"{name}.json"
    if os.environ.get("TARE_GOLDEN") == "write":
        path.write_text(text)
    assert json.loads(text) == json.loads(path.read_text())
    wire.encode(plan)  # every plan fits the wire


def test_every_operation_has_a_name_for_each_argument() -> None:
    assert describe.FIELDS.keys() == wire.KINDS.keys()
    for kind, (_number, signature) in wire.KINDS.items():
        assert len(describe.FIELDS[kind].split()) == len(signature), kind


def test_every_operation_points_at_a_field_that_exists() -> None:
    config = everything()
    check_config(config)
    cgroup = plan_cgroup(config, "golden", hierarchy=V1)
    for kind, pointer, _args in plan_container(config, Request("golden", "/bundle"), cgroup, SECCOMP):
        value: Any = config
        for part in pointer.split("/")[1:]:
            if part in ("cgroupsPath", "seccomp", "resources"):
                break
            value = value[int(part)] if isinstance(value, list) else value[part.replace("~1", "/")]
        assert value is not None, (kind, pointer)
