"""update: limits of a container that exists, by flags and by document; all of a change or none of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.config.resources import size_bytes
from tare_runtime.errors import UsageError

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


@pytest.fixture
def running(bundle: Bundle) -> Bundle:
    bundle.args("sleep", "100").config["linux"]["cgroupsPath"] = f"/{bundle.id}"
    assert bundle.create().returncode == 0
    return bundle


def file_of(bundle: Bundle, name: str) -> Path:
    """A file of the container's cgroup on v1, where the controller's name begins the file's."""
    return Path("/sys/fs/cgroup", name.partition(".")[0], bundle.id, name)


def value(bundle: Bundle, name: str) -> str:
    return file_of(bundle, name).read_text().strip()


def refused(bundle: Bundle, *args: str, stdin: str = "") -> str:
    done = bundle.tare("update", *args, bundle.id, stdin=stdin)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def accepted(bundle: Bundle, *args: str, stdin: str = "") -> None:
    done = bundle.tare("update", *args, bundle.id, stdin=stdin)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


FLAGS = [
    ("--memory", "64m", "memory.limit_in_bytes", str(64 << 20)),
    ("--memory-reservation", "16MiB", "memory.soft_limit_in_bytes", str(16 << 20)),
    ("--cpu-share", "512", "cpu.shares", "512"),
    ("--cpu-period", "50000", "cpu.cfs_period_us", "50000"),
    ("--cpu-quota", "20000", "cpu.cfs_quota_us", "20000"),
    ("--cpu-idle", "1", "cpu.idle", "1"),
    ("--cpuset-cpus", "0", "cpuset.cpus", "0"),
    ("--cpuset-mems", "0", "cpuset.mems", "0"),
    ("--pids-limit", "10", "pids.max", "10"),
    ("--pids-limit", "-1", "pids.max", "max"),
]


@pytest.mark.flag("update", *{f"update {flag}" for flag, *_ in FLAGS})
@pytest.mark.parametrize(("flag", "text", "file", "want"), FLAGS, ids=[f"{f} {t}" for f, t, *_ in FLAGS])
def test_a_flag_changes_its_limit(running: Bundle, flag: str, text: str, file: str, want: str) -> None:
    if not file_of(running, file).exists():
        pytest.skip(f"this kernel has no {file}")
    accepted(running, flag, text)
    assert value(running, file) == want


@pytest.mark.flag("update --memory-swap", "update --cpu-burst")
def test_limits_that_bind_one_another_change_together_in_both_directions(running: Bundle) -> None:
    for memory, swap in (("64m", "128m"), ("256m", "512m"), ("32m", "32m"), ("-1", "-1")):
        accepted(running, "--memory", memory, "--memory-swap", swap)
    accepted(running, "--memory-swap", "64m", "--memory", "64m")
    assert value(running, "memory.memsw.limit_in_bytes") == value(running, "memory.limit_in_bytes")
    accepted(running, "--memory-swap", "1g")
    assert value(running, "memory.memsw.limit_in_bytes") == str(1 << 30)
    accepted(running, "--cpu-quota", "50000", "--cpu-period", "100000", "--cpu-burst", "20000")
    accepted(running, "--cpu-quota", "10000", "--cpu-period", "20000", "--cpu-burst", "5000")
    assert [value(running, f"cpu.cfs_{name}_us") for name in ("quota", "period", "burst")] == [
        "10000",
        "20000",
        "5000",
    ]


@pytest.mark.flag("update --resources")
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_document_changes_all_it_names_but_devices(running: Bundle, source: str) -> None:
    before = value(running, "devices.list")
    document: dict[str, Any] = {
        "memory": {"limit": 64 << 20, "swap": 96 << 20, "kernel": None},
        "cpu": {"shares": 256, "quota": 0, "cpus": ""},
        "pids": {"limit": 7},
        "devices": [{"allow": True, "access": "rwm"}],
        "network": None,
    }
    text = json.dumps(document)
    if source == "file":
        (running.path / "limits.json").write_text(text)
        accepted(running, "-r", "limits.json")
    else:
        accepted(running, "--resources", "-", stdin=text)
    assert value(running, "memory.memsw.limit_in_bytes") == str(96 << 20)
    assert (value(running, "cpu.shares"), value(running, "pids.max")) == ("256", "7")
    assert value(running, "devices.list") == before


def test_what_is_refused_at_the_end_leaves_the_limits_as_they_were(running: Bundle) -> None:
    accepted(running, "--memory", "64m", "--memory-swap", "64m", "--pids-limit", "9", "--cpu-share", "100")
    words = refused(running, "--cpu-share", "200", "--memory", "1g", "--pids-limit", "5")
    assert "/memory.limit_in_bytes (/linux/resources/memory/limit): invalid argument" in words
    assert value(running, "cpu.shares") == "100"
    assert value(running, "memory.limit_in_bytes") == str(64 << 20)
    assert value(running, "pids.max") == "9"


@pytest.mark.field("linux.resources.memory.checkBeforeUpdate")
def test_a_limit_below_the_use_is_refused_where_that_is_asked_for(running: Bundle) -> None:
    document = {"memory": {"limit": 4096, "checkBeforeUpdate": True}}
    assert "bytes in use" in refused(running, "-r", "-", stdin=json.dumps(document))
    assert value(running, "memory.limit_in_bytes") != "4096"


@pytest.mark.flag("update --blkio-weight", "update --cpu-rt-period", "update --cpu-rt-runtime")
@pytest.mark.parametrize(
    ("flag", "text", "file"),
    [
        ("--blkio-weight", "500", "blkio.bfq.weight"),
        ("--cpu-rt-period", "900000", "cpu.rt_period_us"),
        ("--cpu-rt-runtime", "0", "cpu.rt_runtime_us"),
    ],
)
def test_a_limit_that_kernels_may_lack_is_set_or_refused_by_its_file(
    running: Bundle, flag: str, text: str, file: str
) -> None:
    if file_of(running, file).exists():
        accepted(running, flag, text)
        assert value(running, file).split()[-1] == text
    else:
        assert f"/{file} (/linux/resources/" in refused(running, flag, text)


@pytest.mark.flag("update --kernel-memory", "update --kernel-memory-tcp")
def test_limits_that_kernels_have_given_up_are_warned_of(running: Bundle) -> None:
    done = running.tare("update", "--kernel-memory", "1m", "--kernel-memory-tcp", "1m", running.id)
    assert done.returncode == 0
    assert done.stderr.count("has no effect") == 2


@pytest.mark.parametrize(
    ("args", "stdin", "words"),
    [
        (["--memory", "1x"], "", "'1x' is no size in bytes"),
        (["--cpu-share", "-4"], "", "/linux/resources/cpu/shares: must lie between 0"),
        (["--cpu-quota", "many"], "", "'many' is not a number"),
        (["-r", "-"], "{", "check standard input: /: is not JSON"),
        (["-r", "-"], "[]", "must be a JSON object"),
        (["-r", "-"], '{"memory": {"limit": "64m"}}', "/linux/resources/memory/limit: must be an integer"),
        (["-r", "-"], '{"pids": {}}', "/linux/resources/pids/limit: is missing"),
        (["-r", "-"], '{"unified": {"a/b": "1"}}', "must be the name of one cgroup file"),
        (["-r", "no-such-file"], "", "read the limits from no-such-file: no such file"),
        (["--l3-cache-schema", "L3:0=f"], "", "no class of service of Intel RDT"),
        (["--mem-bw-schema", "MB:0=20"], "", "no class of service of Intel RDT"),
    ],
)
@pytest.mark.flag("update --l3-cache-schema", "update --mem-bw-schema")
def test_a_change_that_cannot_be_understood_is_explained(
    running: Bundle, args: list[str], stdin: str, words: str
) -> None:
    assert words in refused(running, *args, stdin=stdin)


def test_a_container_that_ended_and_a_missing_one_have_no_limits(running: Bundle) -> None:
    done = running.tare("update", "--pids-limit", "5", "no-such")
    assert (done.returncode, "container does not exist" in done.stderr) == (1, True)
    running.tare("kill", running.id, "KILL")
    while running.state()["status"] != "stopped":
        pass
    assert "container not running" in refused(running, "--pids-limit", "5")


@pytest.mark.parametrize(
    ("text", "size"),
    [("512", 512), ("64k", 65536), ("64kb", 65536), ("1.5M", 3 << 19), ("2GiB", 2 << 30), ("-1", -1)],
)
def test_a_size_is_read_as_people_write_it(text: str, size: int) -> None:
    assert size_bytes(text, "--memory") == size


@pytest.mark.parametrize("text", ["", "-2", "1x", "m", "1 2", "0x10", "1e3", "٣"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        size_bytes(text, "--memory")
