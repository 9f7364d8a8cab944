"""`validate`: all that is wrong at once, with pointer, section and fix; the host told from the bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.config.read import check_config
from tare_runtime.doctor.host import Host
from tare_runtime.errors import ConfigError
from tare_runtime.validate.bundle import validate_bundle
from tare_runtime.validate.document import check_document
from tare_runtime.validate.findings import BUNDLE, HOST, Finding, link_of
from tare_runtime.validate.host import check_host

from tests.support.bundles import Bundle
from tests.support.full_config import FULL, changed, places

pytestmark = pytest.mark.flag("validate", "validate --json", "validate --bundle", "validate --config")

ODD_VALUES: tuple[Any, ...] = (..., None, True, 1.5, -1, 2**64, "", "x", "/", [], {}, [1], [None], {"a": 1})


def found(bundle: Bundle) -> dict[str, Finding]:
    bundle.write()
    return {finding.pointer: finding for finding in validate_bundle(str(bundle.path))[0]}


def test_a_good_bundle_has_nothing_to_be_said_about(bundle: Bundle) -> None:
    done = bundle.tare("validate")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{bundle.path}/config.json: nothing is wrong, and this host has all it asks for\n"


def test_everything_is_said_at_once_and_in_its_place(bundle: Bundle) -> None:
    bundle.config["process"] |= {"cwd": "x", "args": ["nope", 3], "apparmorProfile": "some"}
    bundle.config["process"]["user"]["uid"] = "0"
    bundle.config["mounts"].append({"destination": "/x", "source": "/no/such", "options": ["bind"]})
    bundle.config["linux"]["seccomp"] = {"defaultAction": "X"}
    done = bundle.tare("validate", "--json")
    assert done.returncode == 2
    rows = {row["pointer"]: row for row in json.loads(done.stdout)["findings"]}
    kinds = {pointer: row["kind"] for pointer, row in rows.items()}
    assert kinds == {
        "/process/user/uid": BUNDLE,
        "/process/args/1": BUNDLE,
        "/process/cwd": BUNDLE,
        "/process/args/0": BUNDLE,
        "/linux/seccomp/defaultAction": BUNDLE,
        "/mounts/4/source": HOST,
    } | ({} if Path("/sys/kernel/security/apparmor").exists() else {"/process/apparmorProfile": HOST})
    assert all(row["fix"] and row["section"] and row["link"] for row in rows.values())
    assert rows["/process/cwd"]["link"].endswith("/config.md#process")


def test_what_only_the_host_lacks_has_a_status_of_its_own(bundle: Bundle) -> None:
    bundle.config["mounts"].append({"destination": "/x", "source": "/no/such", "options": ["bind"]})
    done = bundle.tare("validate")
    assert done.returncode == 3
    assert "wrong in the bundle" not in done.stdout
    assert (
        "right, but not to be had on this host: 1\n  /mounts/4/source: /no/such: no such file" in done.stdout
    )


@pytest.mark.parametrize("top", sorted(FULL))
def test_no_odd_value_stops_the_check_and_each_gets_a_fix(top: str) -> None:
    """What a start would refuse is among the findings, whatever else is wrong beside it."""
    unfixed: set[tuple[str, str]] = set()
    for place in [(top,), *(place for place in places(FULL) if place[0] == top and len(place) > 1)]:
        for value in ODD_VALUES:
            config = changed(place, value)
            refused = set()
            try:
                check_config(json.loads(json.dumps(config)))
            except ConfigError as error:
                refused = {(pointer, problem) for pointer, problem, _ in error.violations}
            findings = check_document(json.loads(json.dumps(config)), [])
            assert refused <= {(finding.pointer, finding.problem) for finding in findings}, (place, value)
            unfixed |= {(finding.pointer, finding.problem) for finding in findings if not finding.fix}
    assert not unfixed


WHOLE: dict[str, str] = {
    **{f"/proc/self/ns/{name}": "" for name in ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup")},
    "/proc/filesystems": "nodev\tproc\nnodev\ttmpfs\nnodev\tsysfs\nnodev\tdevpts",
    "/proc/sys/net/ipv4/ip_forward": "0",
    "/proc/sys/fs/nr_open": "1048576",
    "/proc/self/oom_score_adj": "0",
    "/sys/devices/system/cpu/online": "0-3",
    "/sys/devices/system/node/online": "0",
    "/sys/kernel/mm/hugepages/hugepages-2048kB/nr": "0",
    "/proc/sys/kernel/seccomp/actions_avail": "kill_process errno allow",
}
_FULL_SETS = 2**41 - 1


@pytest.mark.parametrize(
    ("place", "value", "pointer", "words"),
    [
        (("linux", "namespaces"), [{"type": "time"}], "/linux/namespaces/0", "no time namespaces"),
        (("linux", "namespaces"), [{"type": "ipc", "path": "/n"}], "/linux/namespaces/0/path", "has ended"),
        (("linux", "sysctl"), {"net.x": "1"}, "/linux/sysctl/net.x", "no /proc/sys/net/x"),
        (("linux", "sysctl"), {"net.ipv4.ip_forward": "1"}, "", ""),
        (("linux", "resources"), {"cpu": {"cpus": "2-5"}}, "/linux/resources/cpu/cpus", "here: 4, 5"),
        (("linux", "resources"), {"cpu": {"mems": "0-1"}}, "/linux/resources/cpu/mems", "here: 1"),
        (
            ("linux", "resources"),
            {"hugepageLimits": [{"pageSize": "1GB", "limit": 1}]},
            "/linux/resources/hugepageLimits/0/pageSize",
            "no huge pages of 1GB",
        ),
        (("linux", "resources"), {"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}, "", ""),
        (("linux", "netDevices"), {"eth9": {}}, "/linux/netDevices/eth9", "no network device"),
        (("linux", "memoryPolicy"), {"mode": "MPOL_BIND", "nodes": "3"}, "/linux/memoryPolicy/nodes", "3"),
        (
            ("linux", "seccomp"),
            {"defaultAction": "SCMP_ACT_NOTIFY"},
            "/linux/seccomp/defaultAction",
            "not know",
        ),
        (
            ("process", "capabilities"),
            {"bounding": ["CAP_SYS_TIME"]},
            "/process/capabilities/bounding/0",
            "not have",
        ),
        (("process", "oomScoreAdj"), -5, "/process/oomScoreAdj", "CAP_SYS_RESOURCE"),
        (
            ("process", "rlimits"),
            [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2**30}],
            "/process/rlimits/0/hard",
            "above fs.nr_open",
        ),
        (("mounts", 0, "type"), "zfs", "/mounts/0/type", "does not know the file system zfs"),
    ],
)
def test_what_a_host_cannot_give_is_named(
    bundle: Bundle, tmp_path: Path, place: tuple[Any, ...], value: object, pointer: str, words: str
) -> None:
    root = tmp_path / "host"
    for path, text in WHOLE.items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_text(text)
    at: Any = bundle.config
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    lacking = 1 << 25 | 1 << 24  # CAP_SYS_TIME and CAP_SYS_RESOURCE
    host = Host(str(root), uid=0, release="6.1", capabilities=_FULL_SETS & ~lacking)
    findings = check_host(bundle.config, host)
    assert [one.pointer for one in findings] == ([pointer] if pointer else [])
    for one in findings:
        assert (one.kind, words in one.problem, bool(one.fix)) == (HOST, True, True), one.problem


def test_without_root_a_user_namespace_is_missed(bundle: Bundle, tmp_path: Path) -> None:
    host = Host(str(tmp_path), uid=1000, release="6.1", capabilities=_FULL_SETS)
    assert "/linux/namespaces" in {one.pointer for one in check_host(bundle.config, host)}


def elf(machine: int, interpreter: bytes = b"") -> bytes:
    head = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\x02\0" + machine.to_bytes(2, "little") + b"\x01\0\0\0"
    head += b"\0" * 8 + (64).to_bytes(8, "little") + b"\0" * 12 + b"\x40\0\x38\0" + b"\x01\0" + b"\0" * 6
    program = (3).to_bytes(4, "little") + b"\0" * 4 + (120).to_bytes(8, "little") + b"\0" * 40
    return head + program + interpreter + b"\0"


@pytest.mark.parametrize(
    ("content", "mode", "name", "kind", "words"),
    [
        pytest.param(b"", 0o755, "prog", BUNDLE, "is empty", id="empty"),
        pytest.param(b"hello\n", 0o755, "prog", BUNDLE, "neither an ELF file nor a script", id="no-format"),
        pytest.param(b"#!/bin/sh\n", 0o644, "prog", BUNDLE, "no x permission", id="no-x"),
        pytest.param(b"#!/bin/bash\n", 0o755, "prog", BUNDLE, "needs /bin/bash: no such file", id="script"),
        pytest.param(
            elf(62, b"/lib64/ld-linux-x86-64.so.2"), 0o755, "prog", BUNDLE, "needs /lib64/ld-linux", id="libc"
        ),
        pytest.param(elf(22), 0o755, "prog", HOST, "is for s390x, this host is ", id="other-machine"),
        pytest.param(b"#!/bin/sh\n", 0o755, "/bin", BUNDLE, "is a directory", id="directory"),
        pytest.param(b"#!/bin/sh\n", 0o755, "gorp", BUNDLE, "not found in $PATH", id="not-in-path"),
        pytest.param(b"#!/bin/sh\n", 0o755, "/bin/gorp", BUNDLE, "no such file", id="no-such-path"),
        pytest.param(b"#!/bin/sh\n", 0o755, "prog", "", "", id="fine"),
    ],
)
def test_what_exec_would_fail_on_is_seen_before(
    bundle: Bundle, content: bytes, mode: int, name: str, kind: str, words: str
) -> None:
    program = bundle.rootfs / "bin/prog"
    program.write_bytes(content)
    program.chmod(mode)
    finding = found(bundle.args(name)).get("/process/args/0")
    assert (finding is not None) == bool(kind)
    if finding:
        assert (finding.kind, words in finding.problem) == (kind, True), finding.problem
        assert finding.fix


def test_a_program_that_a_mount_will_bring_is_not_doubted(bundle: Bundle) -> None:
    bundle.config["mounts"].append({"destination": "/app", "source": "/usr/bin", "options": ["bind"]})
    assert "/process/args/0" not in found(bundle.args("/app/whatever"))


def test_a_link_out_of_the_rootfs_is_followed_inside_it(bundle: Bundle) -> None:
    (bundle.rootfs / "bin/far").symlink_to("/bin/../../../../bin/busybox")
    assert not found(bundle.args("far"))
    (bundle.rootfs / "bin/loop").symlink_to("loop")
    assert "too many levels" in found(bundle.args("/bin/loop"))["/process/args/0"].problem


@pytest.mark.parametrize("kind", ["missing", "file", "symlink"])
def test_a_root_that_is_no_directory_is_named(bundle: Bundle, kind: str, tmp_path: Path) -> None:
    if kind == "file":
        (bundle.path / "other").write_text("")
    elif kind == "symlink":
        (bundle.path / "other").symlink_to(bundle.rootfs)
    bundle.config["root"]["path"] = "other"
    finding = found(bundle)["/root/path"]
    assert finding.kind == BUNDLE
    assert {"missing": "does not exist", "file": "not a directory", "symlink": "a symlink"}[
        kind
    ] in finding.problem


def test_proc_on_a_symlink_is_named(bundle: Bundle) -> None:
    (bundle.rootfs / "proc").rmdir()
    (bundle.rootfs / "proc").symlink_to("etc")
    assert "is a symlink" in found(bundle)["/mounts/0/destination"].problem


@pytest.mark.parametrize("argument", ["option", "argument", "config"])
def test_the_bundle_is_named_as_for_create(bundle: Bundle, argument: str) -> None:
    bundle.write()
    words = {
        "option": ["--bundle", str(bundle.path)],
        "argument": [str(bundle.path)],
        "config": ["-f", str(bundle.path / "config.json"), str(bundle.path)],
    }[argument]
    assert bundle.tare("validate", *words).returncode == 0


def test_a_file_that_is_no_config_is_a_finding_too(bundle: Bundle) -> None:
    (bundle.path / "other.json").write_text("{")
    done = bundle.tare("validate", "--config", "other.json")
    assert done.returncode == 2
    assert "is not JSON" in done.stdout
    assert bundle.tare("validate", "--config", "none.json").returncode == 2


def test_links_lead_to_the_section() -> None:
    at = "https://github.com/opencontainers/runtime-spec/blob/v1.3.0/"
    assert (
        link_of('config-linux.md, "User namespace mappings"')
        == at + "config-linux.md#user-namespace-mappings"
    )
    assert link_of("bundle.md") == at + "bundle.md"
