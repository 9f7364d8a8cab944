"""events: the numbers of a container in the shape that managers read, and the stream of its shortages."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from tare_runtime.errors import UsageError
from tare_runtime.verbs.events import duration_s
from tare_runtime.watch import stats

from tests.support.bundles import Bundle

EATER = "X=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; while :; do X=$X$X; done"


@pytest.fixture
def running(bundle: Bundle) -> Bundle:
    bundle.args("sleep", "100").config["linux"]["resources"] = {"pids": {"limit": 50}}
    assert bundle.create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    return bundle


def shape(document: Any) -> Any:
    """A document's names and the kinds of its values; what Go leaves out when it is zero is left out."""
    if isinstance(document, dict):
        return {name: shape(item) for name, item in document.items() if item not in (0, [], {})}
    return type(document).__name__


@pytest.mark.root
@pytest.mark.peer
@pytest.mark.flag("events", "events --stats")
def test_statistics_have_the_shape_of_runc_s(running: Bundle) -> None:
    ours = json.loads(running.tare("events", "--stats", running.id).stdout)
    runc = ["runc", "--root", str(running.path / "runc")]
    config = json.loads((running.path / "config.json").read_text())
    config["ociVersion"] = "1.0.2"
    (running.path / "config.json").write_text(json.dumps(config))
    name = f"{running.id}-runc"
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*runc, "run", "-d", "-b", str(running.path), name], check=True, **streams)  # type: ignore[call-overload]
    try:
        done = subprocess.run([*runc, "events", "--stats", name], capture_output=True, check=True)
        theirs = json.loads(done.stdout)
    finally:
        subprocess.run([*runc, "delete", "--force", name], check=True)
    assert (ours["type"], ours["id"]) == ("stats", running.id)
    for part in ("cpu", "memory", "pids", "cpuset", "blkio", "hugetlb"):
        mine, his = shape(ours["data"][part]), shape(theirs["data"][part])
        for document in (mine, his):  # what is zero at one moment is not at another
            for name in ("usage", "raw"):
                if part in ("cpu", "memory"):
                    document.pop(name, None)
        assert mine.keys() == his.keys(), part
    assert ours["data"].keys() == theirs["data"].keys()
    assert set(theirs["data"]["memory"]["raw"]) == set(ours["data"]["memory"]["raw"])
    assert ours["data"]["pids"] == {"current": 1, "limit": 50}
    assert ours["data"]["cpu"]["usage"]["total"] > 0


@pytest.mark.root
@pytest.mark.flag("events --interval")
def test_the_stream_tells_of_statistics_shortages_and_ends_with_the_container(running: Bundle) -> None:
    assert running.tare("update", "--memory", "8m", "--memory-swap", "8m", running.id).returncode == 0
    stream = subprocess.Popen(
        running.command("events", "--interval", "20ms", running.id), stdout=subprocess.PIPE, text=True
    )
    with stream:
        assert stream.stdout
        first = json.loads(stream.stdout.readline())
        assert first["type"] == "stats"
        assert running.tare("exec", running.id, "sh", "-c", EATER).returncode == 137
        kinds = (json.loads(line)["type"] for line in stream.stdout)
        assert "oom" in kinds
        running.tare("kill", running.id, "KILL")
        assert set(kinds) <= {"stats", "oom"}
    assert stream.returncode == 0


@pytest.mark.root
@pytest.mark.parametrize("flags", [[], ["--stats"]], ids=["stream", "once"])
def test_a_container_that_is_not_there_has_no_events(running: Bundle, flags: list[str]) -> None:
    done = running.tare("events", *flags, "no-such")
    assert (done.returncode, "container does not exist" in done.stderr) == (1, True)
    running.tare("kill", running.id, "KILL")
    while running.state()["status"] != "stopped":
        pass
    done = running.tare("events", *flags, running.id)
    assert (done.returncode, "container not running" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("1m30s", 90), ("1.5h", 5400), ("7", 7), ("10us", 1e-5)]
)
def test_an_interval_is_read_as_go_writes_it(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "5x", "s", "1 s", "5s5"])
def test_an_interval_that_is_none_is_refused(text: str) -> None:
    if text == "5s5":
        assert duration_s(text) == 10
        return
    with pytest.raises(UsageError):
        duration_s(text)


def test_numbers_of_cgroup_v2_are_those_of_its_files(tmp_path: Any) -> None:
    files = {
        "cpu.stat": "usage_usec 30\nuser_usec 20\nsystem_usec 10\n"
        "nr_periods 4\nnr_throttled 1\nthrottled_usec 7",
        "memory.current": "4096",
        "memory.max": "max",
        "memory.swap.current": "100",
        "memory.swap.max": "0",
        "memory.stat": "anon 10\nfile 20",
        "memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1",
        "memory.pressure": "some avg10=0.50 avg60=0.00 avg300=0.00 total=12",
        "pids.current": "2",
        "pids.max": "max",
        "io.stat": "8:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0",
        "hugetlb.2MB.current": "0",
        "hugetlb.2MB.events": "max 9",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    data = stats.statistics({"cgroup": {"version": 2, "paths": {"": str(tmp_path)}}})
    assert data["cpu"] == {
        "usage": {"total": 30_000, "kernel": 10_000, "user": 20_000},
        "throttling": {"periods": 4, "throttledPeriods": 1, "throttledTime": 7000},
    }
    assert data["memory"]["usage"] == {"limit": 2**64 - 1, "usage": 4096, "failcnt": 0}
    assert data["memory"]["swap"] == {"limit": 2**64 - 1, "usage": 4196, "failcnt": 0}
    assert data["memory"]["event_count"]["oom_kill"] == 1
    assert data["memory"]["psi"]["some"] == {"avg10": 0.5, "avg60": 0.0, "avg300": 0.0, "total": 12}
    assert data["pids"] == {"current": 2}
    assert data["blkio"]["ioServicedRecursive"][0] == {"major": 8, "op": "Read", "value": 1}
    assert data["hugetlb"] == {"2MB": {"failcnt": 9}}
