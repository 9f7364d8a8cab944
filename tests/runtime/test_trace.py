"""--trace: every stage and operation with its time, as JSON and as a picture."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.trace.picture import svg
from tare_runtime.trace.recorder import STAGES
from tare_runtime.trace.scale import Scale, duration, ticks
from tare_runtime.trace.timeline import ENTER, LANES, RUNTIME, SETUP, Mark, Span, Timeline

from tests.support.bundles import Bundle
from tests.support.faults import everything_left
from tests.support.strace_log import calls_in

pytestmark = [pytest.mark.root, pytest.mark.flag("--trace")]


def events(path: Path) -> list[dict[str, Any]]:
    document = json.loads(path.read_text())
    assert document["displayTimeUnit"] == "ms"
    result: list[dict[str, Any]] = document["traceEvents"]
    return result


def operations(path: Path) -> list[dict[str, Any]]:
    """Those of the plan, by their place in it."""
    spans = [event for event in events(path) if event["ph"] == "X" and "index" in event["args"]]
    return sorted(spans, key=lambda event: event["args"]["index"])


def planned(bundle: Bundle) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(bundle.tare("plan", "--json", bundle.id).stdout)
    return rows


def traced(bundle: Bundle, *args: str) -> Path:
    path = bundle.path / "trace.json"
    done = bundle.tare("--trace", str(path), *args)
    assert done.returncode == 0, done.stderr
    return path


GATE = ("ready", "gate")


def test_a_run_shows_each_operation_of_its_plan_once(bundle: Bundle) -> None:
    rows = [row for row in planned(bundle) if row["op"] not in GATE]
    spans = operations(traced(bundle, "run", bundle.id))
    assert [span["name"] for span in spans] == [row["op"] for row in rows]
    assert [span["args"].get("pointer", "") for span in spans] == [row["pointer"] for row in rows]
    assert everything_left(bundle) == [str(bundle.path / "trace.json")]


def test_operations_follow_one_another_and_lie_on_the_lane_of_their_stage(bundle: Bundle) -> None:
    spans = operations(traced(bundle, "run", bundle.id))
    lanes = [LANES[span["tid"] - 1] for span in spans]
    assert lanes == sorted(lanes, key=LANES.index)
    assert set(lanes) == {RUNTIME, ENTER, SETUP}
    for lane in (ENTER, SETUP):
        own = [span for span in spans if LANES[span["tid"] - 1] == lane]
        for before, after in pairwise(own):
            assert before["ts"] + before["dur"] <= after["ts"] + 1, f"{before['name']} and {after['name']}"
    assert all(span["dur"] >= 0 for span in spans)


def test_stages_of_the_runtime_lie_in_one_another(bundle: Bundle) -> None:
    spans = {event["name"]: event for event in events(traced(bundle, "run", bundle.id)) if event["ph"] == "X"}
    create, plan, ran = spans["create"], spans["plan"], spans["the container runs"]
    assert create["ts"] <= plan["ts"] <= plan["ts"] + plan["dur"] <= create["ts"] + create["dur"] <= ran["ts"]
    assert {"read and check config.json", "start init", "write state", "remove cgroups"} <= spans.keys()


def test_create_and_start_share_the_plan_between_them(bundle: Bundle) -> None:
    rows = planned(bundle)
    gate = next(row["index"] for row in rows if row["op"] == "gate")
    path = bundle.path / "trace.json"
    assert bundle.args("sleep", "60").create().returncode == 0  # untraced: `start` can be traced all the same
    begun = operations(traced(bundle, "start", bundle.id))
    names = {row["index"]: row["op"] for row in rows}
    assert {span["args"]["index"] for span in begun} == {row["index"] for row in rows if row["index"] > gate}
    assert all(span["name"] == names[span["args"]["index"]] for span in begun)
    bundle.tare("delete", "--force", bundle.id)
    bundle.write()
    words = bundle.command("--trace", str(path), "create", bundle.id)
    quiet = subprocess.DEVNULL
    assert (
        subprocess.run(words, cwd=bundle.path, stdin=quiet, stdout=quiet, stderr=quiet, timeout=30).returncode
        == 0
    )
    made = {span["args"]["index"] for span in operations(path)}
    assert made == {row["index"] for row in rows if row["index"] < gate}
    assert bundle.tare("start", bundle.id).returncode == 0  # which wants no times, and gets none


def test_exec_is_traced_as_run_is(bundle: Bundle) -> None:
    assert bundle.args("sleep", "60").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    names = [span["name"] for span in operations(traced(bundle, "exec", bundle.id, "true"))]
    assert names[0] == "host_open_cgroup"
    assert {"setns_process", "clone", "user", "capset", "exec"} <= set(names)


@pytest.mark.parametrize("call", ["sendmsg", "clock_gettime"])
def test_a_filter_that_forbids_what_tracing_needs_kills_nothing(bundle: Bundle, call: str) -> None:
    bundle.config["process"]["noNewPrivileges"] = True
    rule = {"names": [call], "action": "SCMP_ACT_KILL_PROCESS"}
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    plain = bundle.run().returncode
    path = bundle.path / "trace.json"
    done = bundle.tare("--trace", str(path), "run", bundle.id)
    assert done.returncode == plain
    names = [span["name"] for span in operations(path)]
    assert "seccomp" in names


def test_a_failure_is_marked_and_written(bundle: Bundle) -> None:
    path = bundle.path / "trace.json"
    done = bundle.args("nothing-like-it").tare("--trace", str(path), "run", bundle.id)
    assert done.returncode == 1
    marks = [event["name"] for event in events(path) if event["ph"] == "i"]
    assert any("fails: no such file or directory" in name for name in marks)
    assert any("executable file not found" in name for name in marks)
    assert operations(path)[-1]["name"] == "find_executable"


@pytest.mark.parametrize("verb", ["list", "features", "plan", "validate", "spec"])
def test_any_command_takes_it(bundle: Bundle, verb: str) -> None:
    words = [verb, *(["--config", "other.json"] if verb == "spec" else [])]
    names = {event["name"] for event in events(traced(bundle, *words)) if event["ph"] == "X"}
    assert {"imports", verb} <= names


def test_a_file_that_cannot_be_written_stops_it_before_it_begins(bundle: Bundle) -> None:
    done = bundle.tare("--trace", "/no/such/place", "run", bundle.id)
    assert done.returncode == 1
    assert done.stderr == "tare-runtime: write --trace /no/such/place: no such file or directory\n"
    assert everything_left(bundle) == []


def test_the_picture_has_a_row_for_every_group_of_operations(bundle: Bundle) -> None:
    path = bundle.path / "trace.svg"
    assert bundle.tare("--trace", str(path), "run", bundle.id).returncode == 0
    root = ElementTree.fromstring(path.read_text())
    titles = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]
    for row in planned(bundle):
        if row["op"] not in GATE:
            assert any(title.startswith(row["op"]) for title in titles), row["op"]
    words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {f"tare-runtime run {bundle.id}", "Every operation of the plan", "the program"} <= words


def test_without_it_init_sends_no_times(bundle: Bundle) -> None:
    from tare_runtime._core import lib

    def sent(*options: str) -> int:
        """How many messages with times init has sent."""
        log = bundle.path / "strace"
        bundle.write()
        words = ["strace", "-f", "-qq", "-xx", "-e", "trace=sendmsg", "-o", str(log)]
        words += bundle.command(*options, "run", bundle.id)
        assert subprocess.run(words, cwd=bundle.path, capture_output=True, timeout=60).returncode == 0
        head = "".join(f"\\x{byte:02x}" for byte in int(lib.MSG_TIMES).to_bytes(4, "little"))
        return sum(f'iov_base="{head}' in str(call) for call in calls_in(log))

    assert sent() == 0
    assert sent("--trace", str(bundle.path / "trace.json")) > 0


def test_the_stages_that_are_measured_exist() -> None:
    for module_name, path, _category, _name in STAGES:
        place: Any = __import__("tare_runtime." + module_name, None, None, ("_",))
        for part in path.split("."):
            place = getattr(place, part)
        assert callable(place)


def test_a_long_run_is_cut_short_in_the_picture_and_hostile_names_are_shown_as_text() -> None:
    hour = 3_600 * 10**9
    timeline = Timeline("run <script>&\x1b[2J")
    timeline.spans = [
        Span(RUNTIME, "parse", "read", 0, 10**6),
        Span(RUNTIME, "program", "the container runs", 10**6, hour),
        Span(SETUP, "mounts", "mount", 10**5, 2 * 10**5, index=3, detail='"><x', pointer="/mounts/0"),
    ]
    timeline.marks = [Mark(RUNTIME, "it failed", hour, bad=True)]
    text = svg(timeline)
    assert "<script>" not in text
    assert "\x1b" not in text
    ElementTree.fromstring(text)
    assert len(text) < 20_000


def test_an_axis_keeps_its_order_across_a_cut() -> None:
    scale = Scale(0, 10**12, 100, 800, (10**9, 10**12 - 10**9))
    places = [scale.x(moment) for moment, _ in ticks(scale)]
    assert places == sorted(places)
    assert (scale.x(0), scale.x(10**12)) == (100, pytest.approx(900))


@pytest.mark.parametrize(
    ("nanoseconds", "words"),
    [(0, "0"), (900, "0.90 µs"), (12_345, "12.3 µs"), (1_500_000, "1.50 ms"), (2 * 10**9, "2.00 s")],
)
def test_durations_are_said_in_fitting_units(nanoseconds: int, words: str) -> None:
    assert duration(nanoseconds) == words
