"""`doctor`: what a host has and lacks for containers, told from its files alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tare_runtime.doctor.host import NO, PARTLY, YES, Fact, Host
from tare_runtime.doctor.report import as_text, can_run, examine

from tests.support.bundles import TARE_RUNTIME
from tests.support.strace_log import calls_in

pytestmark = pytest.mark.flag("doctor", "doctor --json")

NAMESPACES = ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time")
EVERYTHING = 2**41 - 1
GOOD: dict[str, str] = {
    **{f"/proc/self/ns/{name}": "" for name in NAMESPACES},
    "/proc/self/cgroup": "0::/user.slice",
    "/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate",
    "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc",
    "/sys/fs/cgroup/user.slice/cgroup.controllers": "cpu memory pids",
    "/proc/filesystems": "nodev\ttmpfs\nnodev\toverlay\nnodev\tmqueue\nnodev\tfuse\n\text4",
    "/proc/sys/kernel/seccomp/actions_avail": "kill_process trap errno user_notif trace log allow",
    "/sys/kernel/security/lsm": "lockdown,capability,landlock,yama,apparmor",
    "/sys/module/apparmor/parameters/enabled": "Y",
    "/usr/bin/newuidmap": "",
    "/usr/bin/newgidmap": "",
    "/etc/subuid": "me:100000:65536",
    "/etc/subgid": "me:100000:65536",
    "/run/systemd/system": "",
    "/run/dbus/system_bus_socket": "",
    "/usr/sbin/criu": "",
    "/proc/self/map_files": "",
    "/dev/fuse": "",
    "/proc/self/limits": "Max open files            1024                 1048576              files",
}


def host(root: Path, files: dict[str, str | None], uid: int = 0, release: str = "6.12.1") -> Host:
    for path, text in (GOOD | files).items():
        if text is not None:
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    return Host(str(root), uid=uid, release=release, capabilities=EVERYTHING)


def facts(found: list[Fact]) -> dict[str, Fact]:
    return {fact.name: fact for fact in found}


def test_a_good_host_lacks_only_what_is_off(tmp_path: Path) -> None:
    found = examine(host(tmp_path, {}))
    assert [fact.name for fact in found if fact.status != YES] == ["SELinux"]
    assert can_run(found)


def test_a_host_of_which_nothing_can_be_read_is_still_described(tmp_path: Path) -> None:
    found = examine(Host(str(tmp_path), uid=1000, release="6.1", capabilities=0))
    assert not can_run(found)
    assert all(fact.detail for fact in found)
    assert "containers cannot run here: " in as_text(found)


@pytest.mark.parametrize(
    ("files", "uid", "name", "status", "words", "advice"),
    [
        ({"/proc/self/ns/time": None}, 0, "time", NO, "does not have it", "CONFIG_TIME_NS"),
        ({"/proc/sys/user/max_user_namespaces": "0"}, 1000, "user", NO, "is 0", "sysctl -w user.max_user"),
        ({"/proc/sys/kernel/unprivileged_userns_clone": "0"}, 1000, "user", NO, "root alone", "=1"),
        ({"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1"}, 1000, "user", NO, "root", "=0"),
        ({"/proc/sys/kernel/unprivileged_userns_clone": "0"}, 0, "user", PARTLY, "root alone", "=1"),
        ({"/usr/bin/newuidmap": None}, 1000, "id map helpers", NO, "newuidmap is", "uidmap"),
        ({"/etc/subuid": "me:1:10"}, 1000, "/etc/subuid", PARTLY, "10 ids", "65536"),
        ({"/proc/self/mountinfo": ""}, 0, "version", NO, "no cgroup", "mount -t cgroup2"),
        ({"/sys/fs/cgroup/cgroup.controllers": "cpu pids"}, 0, "controllers", PARTLY, "memory", "boot"),
        ({}, 1000, "delegated controllers", PARTLY, "cpuset, io", "Delegate="),
        ({}, 1000, "systemd", NO, "no bus at /run/user/1000", "log in"),
        ({"/proc/self/mountinfo": GOOD["/proc/self/mountinfo"].replace(" rw,nosuid", " ro,nosuid")},
            0, "own cgroups", NO, "read-only", "remount"),
        ({"/sys/module/apparmor/parameters/enabled": "N"}, 0, "AppArmor", NO, "off", "apparmor=1"),
        ({"/proc/filesystems": "nodev\ttmpfs"}, 0, "overlay", NO, "layers of images", "modprobe overlay"),
        ({"/dev/fuse": None}, 0, "/dev/fuse", PARTLY, "missing", "mknod"),
        ({"/usr/sbin/criu": None}, 0, "criu", NO, "not installed", "criu"),
        ({"/proc/sys/kernel/keys/maxkeys": "200"}, 0, "kernel.keys.maxkeys", PARTLY, "little", "sysctl -w"),
        ({"/proc/sys/kernel/seccomp/actions_avail": None}, 0, "seccomp", NO, "no filters", "CONFIG"),
        ({"/.dockerenv": ""}, 0, "nesting", PARTLY, "inside a container", ""),
        ({"/proc/self/mountinfo": "9 9 0:9 / /proc/kcore rw - tmpfs tmpfs rw"},
            0, "/proc", PARTLY, "/proc/kcore", "uncover"),
    ],
)  # fmt: skip
def test_what_is_wanting_is_told_with_the_way_to_change_it(
    tmp_path: Path, files: dict[str, str | None], uid: int, name: str, status: str, words: str, advice: str
) -> None:
    fact = facts(examine(host(tmp_path, files, uid)))[name]
    assert fact.status == status
    assert words in fact.detail
    assert advice in fact.advice
    assert bool(fact.advice) or name == "nesting"


def test_an_old_kernel_runs_nothing(tmp_path: Path) -> None:
    found = examine(host(tmp_path, {}, release="5.4.0-42-generic"))
    assert not can_run(found)
    assert facts(found)["kernel"].status == NO
    assert facts(found)["mounts with mapped ids"].detail == "not before kernel 5.12"


@pytest.mark.parametrize("text", ["", "garbage", "\0\0", ":::::", "a b c d e f g h", "-1", "9" * 40])
def test_files_with_strange_content_are_no_reason_to_stop(tmp_path: Path, text: str) -> None:
    found = examine(
        host(tmp_path, dict.fromkeys([path for path in GOOD if path.startswith(("/proc", "/etc"))], text))
    )
    assert found
    assert as_text(found)


def test_the_command_shows_this_host_and_changes_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ["strace", "-f", "-qq", "-o", str(log), TARE_RUNTIME, "doctor", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    document = json.loads(done.stdout)
    assert done.returncode == (0 if document["containersRun"] else 3)
    assert {row["status"] for row in document["facts"]} <= {YES, NO, PARTLY}
    topics = {row["topic"] for row in document["facts"]}
    assert {"system", "namespaces", "cgroups", "security", "file systems", "limits"} <= topics
    changing = {"mkdir", "mount", "unshare", "setns", "unlink", "rename", "bpf", "sethostname"}
    assert not [
        call
        for call in calls_in(log)
        if call.name in changing and not call.failed and "__pycache__" not in str(call)
    ]


def test_text_and_document_say_the_same() -> None:
    text = subprocess.run([TARE_RUNTIME, "doctor"], capture_output=True, text=True, timeout=60).stdout
    document = json.loads(
        subprocess.run([TARE_RUNTIME, "doctor", "--json"], capture_output=True, text=True, timeout=60).stdout
    )
    for row in document["facts"]:
        assert row["name"] in text
        assert row["detail"] in text
