"""Cgroup v2, in a mount namespace that shows it at /sys/fs/cgroup: whole lives of containers, device rules.

On a host whose controllers are on v1 these tests see v2 without memory, cpu and pids; what needs those is
proved by plans (test_cgroup_plan.py).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.runtime import TARE_RUNTIME, Runtime, make_bundle, unique_id

SEEN_AS_V2 = """#!/bin/sh -e
mount --make-rprivate /
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec {program} "$@"
"""


def has_v2() -> bool:
    return "cgroup2" in Path("/proc/filesystems").read_text()


pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not has_v2(), reason="this kernel has no cgroup v2"),
]


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    script = tmp_path / "on-v2"
    script.write_text(SEEN_AS_V2.format(program=TARE_RUNTIME))
    script.chmod(0o755)
    wrapper = tmp_path / "tare-runtime"
    wrapper.write_text(f'#!/bin/sh\nexec unshare --mount {script} "$@"\n')
    wrapper.chmod(0o755)
    with Runtime(tmp_path / "root", str(wrapper)) as made:
        yield made
    for hierarchy in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        for above in Path(hierarchy).glob(f"tare-v2-{os.getpid()}-*"):
            above.rmdir()  # of the bundle's two levels; a container takes away its own, and so it is empty


def bundle_on_v2(directory: Path, *args: str, **resources: Any) -> Path:
    resources.setdefault("devices", [{"allow": False, "access": "rwm"}])
    linux = {"cgroupsPath": "/" + unique_id("v2") + "/inner", "resources": resources}
    return make_bundle(directory, *args, linux=linux)


def cgroup_of(runtime: Runtime, id: str) -> tuple[str, str]:
    """The path below the hierarchy's root, as the state has it and as the kernel says."""
    state = json.loads((runtime.root / id / "state.json").read_text())
    assert state["cgroup"]["version"] == 2
    lines = Path(f"/proc/{state['pid']}/cgroup").read_text().splitlines()
    (actual,) = [line[3:] for line in lines if line.startswith("0::")]
    return state["cgroup"]["paths"][""].removeprefix("/sys/fs/cgroup"), actual


def test_a_container_lives_in_its_cgroup_and_leaves_none_behind(runtime: Runtime, tmp_path: Path) -> None:
    id = unique_id("v2")
    runtime.create(bundle_on_v2(tmp_path / "b", "sleep", "100"), id)
    planned, actual = cgroup_of(runtime, id)
    assert planned == actual
    runtime.good("start", id)
    assert runtime.good("exec", id, "cat", "/proc/self/cgroup").rpartition("0::")[2].strip()
    pid = runtime.state(id)["pid"]
    assert json.loads(runtime.good("ps", "--format", "json", id)) == [pid]
    runtime.good("pause", id)
    assert runtime.state(id)["status"] == "paused"
    assert "paused" in runtime("exec", id, "true").stderr
    runtime.good("resume", id)
    assert runtime.state(id)["status"] == "running"
    runtime.good("delete", "--force", id)
    seen = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"mount -t cgroup2 x /mnt && ls /mnt{planned}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No such file" in seen.stderr


NULL, ZERO, FULL, TTY = (1, 3), (1, 5), (1, 7), (5, 0)
DENY_ALL = {"allow": False, "access": "rwm"}
ALLOW_ALL = {"allow": True, "access": "rwm"}


def char(allow: bool, access: str, major: int, minor: int) -> dict[str, Any]:
    return {"allow": allow, "type": "c", "major": major, "minor": minor, "access": access}


@pytest.mark.parametrize(
    ("rules", "action", "works"),
    [
        pytest.param([DENY_ALL], "head -c 1 /dev/zero", True, id="a-default-device"),
        pytest.param([DENY_ALL], "head -c 1 /dev/kmsg", False, id="another-device"),
        pytest.param([ALLOW_ALL], "head -c 1 /dev/kmsg", True, id="all-allowed"),
        pytest.param([DENY_ALL, char(True, "r", 1, 11)], "head -c 1 /dev/kmsg", True, id="read-allowed"),
        pytest.param([DENY_ALL, char(True, "r", 1, 11)], "true >>/dev/kmsg", False, id="write-not-allowed"),
        pytest.param([DENY_ALL, char(True, "rw", 1, 11)], "true >>/dev/kmsg", True, id="write-allowed"),
        pytest.param([DENY_ALL, char(True, "r", 1, -1)], "head -c 1 /dev/kmsg", True, id="any-minor"),
        pytest.param([DENY_ALL, char(True, "r", 2, -1)], "head -c 1 /dev/kmsg", False, id="other-major"),
        pytest.param([ALLOW_ALL, char(False, "r", 1, 11)], "head -c 1 /dev/kmsg", False, id="denied-after"),
        pytest.param([ALLOW_ALL, char(False, "w", 1, 11)], "head -c 1 /dev/kmsg", True, id="write-denied"),
        pytest.param(
            [char(True, "r", 1, 11), DENY_ALL], "head -c 1 /dev/kmsg", False, id="a-later-rule-overrides"
        ),
        pytest.param([], "head -c 1 /dev/kmsg", False, id="no-rules-deny"),
        pytest.param([DENY_ALL], "mknod /dev/mine c 99 7", True, id="mknod-is-always-allowed"),
    ],
)
def test_device_rules_decide_as_on_v1(
    runtime: Runtime, tmp_path: Path, rules: list[dict[str, Any]], action: str, works: bool
) -> None:
    bundle = bundle_on_v2(tmp_path / "b", "sh", "-c", action, devices=rules)
    config = json.loads((bundle / "config.json").read_text())
    config["linux"]["devices"] = [
        {"type": "c", "path": "/dev/kmsg", "major": 1, "minor": 11, "fileMode": 438}
    ]
    for kind in ("bounding", "permitted", "effective"):
        config["process"]["capabilities"][kind] += ["CAP_MKNOD", "CAP_SYSLOG"]
    (bundle / "config.json").write_text(json.dumps(config))
    (bundle / "rootfs" / "bin" / "mknod").symlink_to("busybox")
    done = runtime("run", "--bundle", str(bundle), unique_id("v2"))
    assert (done.returncode == 0) == works, done.stderr
    if not works:
        assert "Operation not permitted" in done.stderr


def test_a_controller_that_is_not_there_is_named(runtime: Runtime, tmp_path: Path) -> None:
    bundle = bundle_on_v2(tmp_path / "b", "true", rdma={"none0": {"hcaHandles": 1}})
    done = runtime("run", "--bundle", str(bundle), unique_id("v2"))
    assert done.returncode == 1
    assert "/linux/resources/rdma" in done.stderr
    assert runtime.good("list", "-q") == ""


# --- ownership, reservations, unified ----------------------------------------------------------------------

WRITABLE = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid"]}


def owned_bundle(directory: Path, uid: int, *, mount: dict[str, Any], cgroup_namespace: bool = True) -> Path:
    bundle = bundle_on_v2(directory, "sleep", "100")
    config = json.loads((bundle / "config.json").read_text())
    config["mounts"] = [item for item in config["mounts"] if item["destination"] != "/sys/fs/cgroup"]
    config["mounts"].append(mount)
    config["process"]["user"] = {"uid": uid, "gid": uid}
    kinds = [item for item in config["linux"]["namespaces"] if item["type"] != "cgroup"]
    config["linux"]["namespaces"] = kinds + ([{"type": "cgroup"}] if cgroup_namespace else [])
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def owners(runtime: Runtime, id: str) -> dict[str, int]:
    path = (
        Path("/sys/fs/cgroup/unified") if Path("/sys/fs/cgroup/unified").exists() else Path("/sys/fs/cgroup")
    )
    directory = path / cgroup_of(runtime, id)[1].lstrip("/")
    return {".": directory.stat().st_uid, **{file.name: file.stat().st_uid for file in directory.iterdir()}}


@pytest.mark.field("linux.resources.ownership")
def test_a_cgroup_that_is_mounted_writable_belongs_to_the_containers_user(
    runtime: Runtime, tmp_path: Path
) -> None:
    id = unique_id("owned")
    runtime.create(owned_bundle(tmp_path, 1234, mount=WRITABLE), id)
    have = owners(runtime, id)
    listed = Path("/sys/kernel/cgroup/delegate")
    given = set(listed.read_text().split()) if listed.exists() else {"cgroup.procs"}
    assert have["."] == 1234
    assert {name for name, uid in have.items() if uid == 1234} == {".", *(given & have.keys())}
    assert have["cgroup.freeze" if "cgroup.freeze" not in given else "cgroup.kill"] == 0


@pytest.mark.field("linux.resources.ownership")
@pytest.mark.parametrize(
    ("change", "cgroup_namespace"),
    [({"options": ["ro"]}, True), ({"destination": "/cg"}, True), ({}, False)],
    ids=["read-only", "elsewhere", "no-cgroup-namespace"],
)
def test_any_other_cgroup_stays_the_hosts(
    runtime: Runtime, tmp_path: Path, change: dict[str, Any], cgroup_namespace: bool
) -> None:
    id = unique_id("owned")
    bundle = owned_bundle(tmp_path, 1234, mount={**WRITABLE, **change}, cgroup_namespace=cgroup_namespace)
    runtime.create(bundle, id)
    assert set(owners(runtime, id).values()) == {0}


@pytest.mark.field("linux.resources.unified")
def test_a_file_that_every_cgroup_has_needs_no_controller(runtime: Runtime, tmp_path: Path) -> None:
    id = unique_id("unified")
    bundle = bundle_on_v2(tmp_path, "sleep", "100", unified={"cgroup.max.depth": "3"})
    runtime.create(bundle, id)
    root = (
        Path("/sys/fs/cgroup/unified") if Path("/sys/fs/cgroup/unified").exists() else Path("/sys/fs/cgroup")
    )
    assert (root / cgroup_of(runtime, id)[1].lstrip("/") / "cgroup.max.depth").read_text() == "3\n"


@pytest.mark.field("linux.resources.unified")
def test_a_controller_that_is_not_there_is_an_error_by_name(runtime: Runtime, tmp_path: Path) -> None:
    bundle = bundle_on_v2(tmp_path, "true", unified={"nosuch.max": "1"})
    done = runtime("run", "--bundle", str(bundle), unique_id("unified"))
    assert done.returncode == 1
    assert "/linux/resources/unified/nosuch.max" in done.stderr


@pytest.mark.field("linux.resources.hugepageLimits")
def test_huge_pages_are_limited_by_use_and_by_reservation(runtime: Runtime, tmp_path: Path) -> None:
    root = (
        Path("/sys/fs/cgroup/unified") if Path("/sys/fs/cgroup/unified").exists() else Path("/sys/fs/cgroup")
    )
    if "hugetlb" not in (root / "cgroup.controllers").read_text():
        pytest.skip("v2 has no hugetlb controller here")
    id = unique_id("huge")
    limits = [{"pageSize": "2MB", "limit": 4 << 20}]
    runtime.create(bundle_on_v2(tmp_path, "sleep", "100", hugepageLimits=limits), id)
    directory = root / cgroup_of(runtime, id)[1].lstrip("/")
    assert (directory / "hugetlb.2MB.max").read_text() == f"{4 << 20}\n"
    assert (directory / "hugetlb.2MB.rsvd.max").read_text() == f"{4 << 20}\n"
