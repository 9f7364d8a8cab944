"""checkpoint and restore as far as they need no CRIU that works: requests, refusals, and what stays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tare_runtime.criu import options as field
from tare_runtime.criu.wire import decode, encode, number, text
from tare_runtime.errors import UsageError
from tare_runtime.plan import ops

from tests.support.bundles import Bundle

CRIU = "/usr/sbin/criu"
VALUES = st.one_of(st.integers(0, 2**63 - 1), st.binary(max_size=300), st.text(max_size=40))


@given(st.lists(st.tuples(st.integers(1, 2**20), VALUES), max_size=20))
def test_what_is_written_is_read_again(fields: list[tuple[int, Any]]) -> None:
    want: dict[int, list[int | bytes]] = {}
    for key, value in fields:
        want.setdefault(key, []).append(value.encode() if isinstance(value, str) else value)
    assert decode(encode(fields)) == want


@given(st.binary(max_size=200))
def test_junk_is_refused_or_read_and_never_runs_wild(data: bytes) -> None:
    try:
        decode(data)
    except ValueError:
        pass


def test_numbers_and_messages_are_as_protobuf_writes_them() -> None:
    # The example of the format's own description: field 1 is 150; field 3 is a message with that.
    assert encode([(1, 150)]) == b"\x08\x96\x01"
    assert encode([(3, [(1, 150)])]) == b"\x1a\x03\x08\x96\x01"
    assert encode([(2, "testing")]) == b"\x12\x07testing"
    assert number(decode(encode([(7, -1)])), 7) == -1
    assert text(decode(encode([(9, "why")])), 9) == "why"
    assert number({}, 5, 3) == 3


FLAGS = [
    ("leave_running", field.LEAVE_RUNNING, 3, "checkpoint --leave-running"),
    ("ext_unix_sk", field.EXT_UNIX_SK, 4, "checkpoint --ext-unix-sk"),
    ("tcp_established", field.TCP_ESTABLISHED, 5, "checkpoint --tcp-established"),
    ("shell_job", field.SHELL_JOB, 7, "checkpoint --shell-job"),
    ("file_locks", field.FILE_LOCKS, 8, "checkpoint --file-locks"),
    ("auto_dedup", field.AUTO_DEDUP, 16, "checkpoint --auto-dedup"),
    ("link_remap", field.LINK_REMAP, 18, "checkpoint --link-remap"),
    ("tcp_skip_in_flight", field.TCP_SKIP_IN_FLIGHT, 46, "checkpoint --tcp-skip-in-flight"),
    ("lazy_pages", field.LAZY_PAGES, 48, "checkpoint --lazy-pages"),
    ("tcp_close", field.TCP_CLOSE, 52, "restore --tcp-close"),
]


@pytest.mark.parametrize(
    ("name", "constant", "want"),
    [pytest.param(*row[:3], marks=pytest.mark.flag(row[3]), id=row[3]) for row in FLAGS],
)
@pytest.mark.flag("restore --tcp-established", "restore --ext-unix-sk", "restore --shell-job")
@pytest.mark.flag("restore --file-locks", "restore --auto-dedup", "restore --lazy-pages")
def test_a_flag_is_the_field_that_criu_has_for_it(name: str, constant: int, want: int) -> None:
    assert constant == want
    assert (want, True) in field.common_fields({name: True}, {}, "log")
    assert want not in dict(field.common_fields({}, {}, "log"))


@pytest.mark.flag("checkpoint --manage-cgroups-mode", "checkpoint --empty-ns", "checkpoint --network-lock")
@pytest.mark.flag("restore --manage-cgroups-mode", "restore --empty-ns", "restore --network-lock")
@pytest.mark.flag("restore --lsm-profile", "restore --lsm-mount-context", "org.criu.config")
@pytest.mark.parametrize(
    ("options", "annotations", "wanted"),
    [
        ({"manage_cgroups_mode": "strict"}, {}, (34, 5)),
        ({}, {}, (34, 3)),
        ({"empty_ns": ["network"]}, {}, (38, 0x40000000)),
        ({"network_lock": "skip"}, {}, (58, 3)),
        ({"lsm_profile": "apparmor:x"}, {}, (53, "apparmor:x")),
        ({"lsm_mount_context": "c"}, {}, (57, "c")),
        ({}, {"org.criu.config": "/etc/mine"}, (51, "/etc/mine")),
        ({}, {}, (51, "/etc/criu/runc.conf")),
    ],
)
def test_an_option_is_the_field_that_criu_has_for_it(
    options: dict[str, Any], annotations: dict[str, str], wanted: tuple[int, Any]
) -> None:
    assert wanted in field.common_fields(options, annotations, "log")


def test_an_empty_annotation_leaves_criu_without_a_config() -> None:
    assert field.CONFIG_FILE not in dict(field.common_fields({}, {"org.criu.config": ""}, "log"))


@pytest.mark.flag("checkpoint --page-server")
def test_a_page_server_is_an_address_and_a_port() -> None:
    assert field.page_server("10.0.0.1:99") == [(1, "10.0.0.1"), (2, 99)]
    assert field.page_server("[::1]:99") == [(1, "::1"), (2, 99)]
    for bad in ("10.0.0.1", ":9", "a:b", "a:0", "a:70000"):
        with pytest.raises(UsageError):
            field.page_server(bad)
    with pytest.raises(UsageError):
        field.common_fields({"empty_ns": ["pid"]}, {}, "log")


def test_mounts_from_outside_are_named_by_their_place_and_found_again_by_their_source() -> None:
    plan = [
        ops.bind("", "/host/data", "/data", (0, 0), (0, 0), 0, 0),
        ops.host_tree("", "/host/tree", "", "", "", 0),
        ops.bind_tree("", 0, "/tree", (0, 0), (0, 0), 0, 0),
        ops.mask("", "/proc/keys"),
        ops.mask("", "/sys/firmware"),
        ops.mount("", "proc", "proc", "/proc", 0, "", 0, 0),
    ]

    def pairs(restore: bool) -> list[tuple[str, str]]:
        found = field.external_mounts(plan, restore=restore, is_file=lambda path: path == "/proc/keys")
        return [(entry[0][1], entry[1][1]) for _, entry in found]

    assert pairs(False) == [("/data", "/data"), ("/tree", "/tree"), ("/proc/keys", "/dev/null")]
    assert pairs(True) == [("/data", "/host/data"), ("/tree", "/host/tree"), ("/dev/null", "/dev/null")]


@pytest.fixture
def running(bundle: Bundle) -> Bundle:
    assert bundle.args("sleep", "100").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    return bundle


@pytest.mark.root
@pytest.mark.flag("--criu")
def test_without_criu_the_program_is_named_and_the_container_goes_on(running: Bundle) -> None:
    done = running.tare("--criu", "/no/such", "checkpoint", "--image-path", "images", running.id)
    assert (done.returncode, "run /no/such: no such file" in done.stderr) == (1, True)
    assert "hint: install CRIU" in done.stderr
    assert running.state()["status"] == "running"


def can_checkpoint() -> bool:
    return subprocess.run([CRIU, "check"], capture_output=True).returncode == 0


@pytest.mark.root
@pytest.mark.flag("checkpoint", "checkpoint --image-path", "restore", "restore --image-path")
def test_what_criu_cannot_do_here_is_told_in_its_words_and_nothing_is_left(running: Bundle) -> None:
    if can_checkpoint():
        pytest.skip("CRIU works here: tests/vm has the rest")
    done = running.tare("checkpoint", "--image-path", "images", running.id)
    log = (running.path / "images" / "dump.log").read_text()
    words = done.stderr.splitlines()[0].rpartition(": ")[2]
    assert (done.returncode, words != "" and words in log) == (1, True), done.stderr
    assert running.state()["status"] == "running"
    running.tare("delete", "--force", running.id)
    done = running.tare("restore", "-d", "--image-path", "images", running.id)
    assert (done.returncode, "criu failed" in done.stderr) == (1, True), done.stderr
    assert running.leftovers() == []
    assert not (running.path / "state" / running.id).exists()


@pytest.mark.root
@pytest.mark.flag("checkpoint --status-fd")
def test_a_container_that_cannot_be_written_is_told_before_criu_is_asked(running: Bundle) -> None:
    done = running.tare("checkpoint", "--status-fd", "99", running.id)
    assert (done.returncode, "descriptor 99 is not open" in done.stderr) == (1, True)
    running.tare("delete", "--force", running.id)
    assert running.create().returncode == 0
    done = running.tare("checkpoint", running.id)
    assert (done.returncode, "it is created, not running" in done.stderr) == (1, True)
    done = running.tare("restore", "--image-path", "no-such", "tare-none")
    assert (done.returncode, "use directory no-such for images" in done.stderr) == (1, True)
    done = running.tare("checkpoint", "no-such")
    assert (done.returncode, "container does not exist" in done.stderr) == (1, True)


def test_the_streams_of_a_process_are_named_as_criu_names_them(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "100"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as sleeper:
        assert sleeper.stdin
        inode = os.fstat(sleeper.stdin.fileno()).st_ino
        found = field.external_files(sleeper.pid)
        sleeper.kill()
    streams = {stream["number"]: stream["key"] for stream in found}
    assert streams[0] == f"pipe:[{inode}]"
    assert 1 not in streams, "the null device is of this mount namespace, which is the process's too"
