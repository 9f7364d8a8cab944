"""How the kernel treats a process: each field seen from inside, and every value that cannot be."""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle
from tests.support.peers import OURS, run_by

pytestmark = pytest.mark.root

POLICY = (
    "while read -r key value; do case $key in policy|prio) echo $key $value;; esac; done </proc/self/sched"
)
ALLOWED = "while read -r key value; do case $key in {0}) echo $value;; esac; done </proc/self/status"


def in_user_namespace(bundle: Bundle) -> None:
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 0, "size": 65536}]
    bundle.config["linux"]["uidMappings"] = bundle.config["linux"]["gidMappings"] = mapping


# --- clocks -----------------------------------------------------------------------------------------------

DAY_S = 86400


@pytest.mark.field("linux.namespaces", "linux.timeOffsets")
@pytest.mark.parametrize("user", [False, True], ids=["host-users", "user-namespace"])
def test_a_time_namespace_has_the_offsets_of_the_config(bundle: Bundle, user: bool) -> None:
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    bundle.config["linux"]["timeOffsets"] = {
        "boottime": {"secs": 1000 * DAY_S},
        "monotonic": {"secs": 2000 * DAY_S, "nanosecs": 5},
    }
    if user:
        in_user_namespace(bundle)
    done = bundle.script("cat /proc/uptime /proc/self/timens_offsets; readlink /proc/self/ns/time").run()
    assert done.returncode == 0, done.stderr
    uptime, monotonic, boottime, link = done.stdout.splitlines()
    assert float(uptime.split()[0]) > 1000 * DAY_S
    assert monotonic.split() == ["monotonic", str(2000 * DAY_S), "5"]
    assert boottime.split() == ["boottime", str(1000 * DAY_S), "0"]
    assert link != os.readlink("/proc/self/ns/time")


@pytest.mark.field("linux.namespaces")
def test_exec_joins_the_time_namespace(bundle: Bundle) -> None:
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    bundle.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1000 * DAY_S}}
    assert bundle.args("sleep", "100").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    link = os.readlink(f"/proc/{bundle.state()['pid']}/ns/time")
    done = bundle.tare("exec", bundle.id, "sh", "-c", "cat /proc/uptime; readlink /proc/self/ns/time")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[0]) > 1000 * DAY_S
    assert done.stdout.split()[-1] == link


def test_a_clock_before_its_beginning_is_told_so(bundle: Bundle) -> None:
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    bundle.config["linux"]["timeOffsets"] = {"boottime": {"secs": -(10**10)}}
    done = bundle.run()
    assert done.returncode == 1
    assert "make the time namespace (/linux/timeOffsets)" in done.stderr
    assert "a clock would be before its beginning" in done.stderr


# --- scheduler, priorities, processors ----------------------------------------------------------------------


@pytest.mark.field("process.scheduler")
@pytest.mark.parametrize("user", [False, True], ids=["host-users", "user-namespace"])
@pytest.mark.parametrize(
    ("scheduler", "seen"),
    [
        ({"policy": "SCHED_BATCH", "nice": 5}, (3, 5, 0)),
        ({"policy": "SCHED_OTHER", "nice": -5}, (0, -5, 0)),
        ({"policy": "SCHED_IDLE"}, (5, 0, 0)),
        ({"policy": "SCHED_RR", "priority": 7}, (2, 0, 7)),
        ({"policy": "SCHED_FIFO", "priority": 1}, (1, 0, 1)),
    ],
    ids=lambda value: value["policy"] if isinstance(value, dict) else "",
)
def test_the_first_process_has_its_scheduler(
    bundle: Bundle, scheduler: dict[str, Any], seen: tuple[int, int, int], user: bool
) -> None:
    bundle.config["process"]["scheduler"] = scheduler
    real_time_allowed(bundle)
    if user:
        in_user_namespace(bundle)
    assert bundle.args("sleep", "100").create().returncode == 0, (bundle.path / "create.err").read_text()
    assert bundle.tare("start", bundle.id).returncode == 0
    pid = bundle.state()["pid"]
    policy, nice, priority = seen
    assert os.sched_getscheduler(pid) & 0xFF == policy
    assert os.sched_getparam(pid).sched_priority == priority
    if "nice" in scheduler:  # else it is ours, which these policies do not look at
        assert os.getpriority(os.PRIO_PROCESS, pid) == nice


def real_time_allowed(bundle: Bundle) -> None:
    """Kernels with CONFIG_RT_GROUP_SCHED give a new cgroup of v1 no real time at all."""
    if Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists():
        limits = {"realtimePeriod": 1_000_000, "realtimeRuntime": 10_000}
        bundle.config["linux"]["resources"] = {"cpu": limits}


@pytest.mark.field("process.scheduler")
def test_a_scheduler_that_is_not_inherited_is_set_all_the_same(bundle: Bundle) -> None:
    flags = ["SCHED_FLAG_RESET_ON_FORK"]
    bundle.config["process"]["scheduler"] = {"policy": "SCHED_BATCH", "nice": 19, "flags": flags}
    in_user_namespace(bundle)
    assert bundle.args("sleep", "100").create().returncode == 0, (bundle.path / "create.err").read_text()
    pid = bundle.state()["pid"]
    assert os.sched_getscheduler(pid) == 3 | os.SCHED_RESET_ON_FORK


@pytest.mark.field("process.scheduler")
def test_a_deadline_is_set(bundle: Bundle) -> None:
    times = {"runtime": 1_000_000, "deadline": 10_000_000, "period": 20_000_000}
    bundle.config["process"]["scheduler"] = {"policy": "SCHED_DEADLINE", **times}
    done = bundle.args("sleep", "100").create()
    assert done.returncode == 0, done.stderr
    assert os.sched_getscheduler(bundle.state()["pid"]) == 6


@pytest.mark.field("process.scheduler", "process.ioPriority")
def test_exec_has_the_scheduler_of_its_own_document(bundle: Bundle) -> None:
    assert bundle.args("sleep", "100").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    process = {**bundle.config["process"], "scheduler": {"policy": "SCHED_BATCH", "nice": 3}}
    process["args"] = ["sh", "-c", POLICY]
    (bundle.path / "process.json").write_text(json.dumps(process))
    done = bundle.tare("exec", "--process", str(bundle.path / "process.json"), bundle.id)
    assert done.returncode == 0, done.stderr
    assert ": 3" in done.stdout
    assert ": 123" in done.stdout


@pytest.mark.field("process.ioPriority")
@pytest.mark.parametrize("user", [False, True], ids=["host-users", "user-namespace"])
@pytest.mark.parametrize(
    ("given", "number"),
    [
        ({"class": "IOPRIO_CLASS_RT", "priority": 3}, 1 << 13 | 3),
        ({"class": "IOPRIO_CLASS_BE", "priority": 6}, 2 << 13 | 6),
        ({"class": "IOPRIO_CLASS_IDLE"}, 3 << 13),
    ],
    ids=["rt", "be", "idle"],
)
def test_the_first_process_has_its_io_priority(
    bundle: Bundle, given: dict[str, Any], number: int, user: bool
) -> None:
    bundle.config["process"]["ioPriority"] = given
    if user:
        in_user_namespace(bundle)
    assert bundle.args("sleep", "100").create().returncode == 0, (bundle.path / "create.err").read_text()
    assert bundle.tare("start", bundle.id).returncode == 0
    assert io_priority(bundle.state()["pid"]) == number


def io_priority(pid: int) -> int:
    return int(ctypes.CDLL(None).syscall(252, 1, pid))  # ioprio_get(2), x86-64 and riscv64 differ


@pytest.mark.field("process.execCPUAffinity")
def test_exec_runs_on_the_processors_it_is_given_and_the_first_process_on_all(bundle: Bundle) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one processor leaves no choice")
    bundle.config["process"]["execCPUAffinity"] = {"initial": "0", "final": "1"}
    assert bundle.args("sleep", "100").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    assert len(os.sched_getaffinity(bundle.state()["pid"])) >= 2
    done = bundle.tare("exec", bundle.id, "sh", "-c", ALLOWED.format("Cpus_allowed_list:"))
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.mark.field("process.execCPUAffinity")
def test_processors_that_are_not_there_are_told_so(bundle: Bundle) -> None:
    bundle.config["process"]["execCPUAffinity"] = {"final": "4000-4095"}
    assert bundle.args("sleep", "100").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    done = bundle.tare("exec", bundle.id, "true")
    assert done.returncode == 255
    assert "set the processors to run on (/process/execCPUAffinity/final): invalid argument" in done.stderr


# --- memory policy, personality ---------------------------------------------------------------------------


@pytest.mark.field("linux.memoryPolicy")
@pytest.mark.parametrize(
    ("policy", "seen"),
    [
        ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
        (
            {"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]},
            "interleave=relative:0",
        ),
        ({"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0"}, "weighted interleave:0"),
        ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
        ({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}, "prefer (many):0"),
        ({"mode": "MPOL_LOCAL"}, "local"),
        ({"mode": "MPOL_DEFAULT"}, "default"),
    ],
    ids=lambda value: value["mode"] + "".join(value.get("flags", [])) if isinstance(value, dict) else "",
)
def test_every_process_has_the_memory_policy(bundle: Bundle, policy: dict[str, Any], seen: str) -> None:
    bundle.config["linux"]["memoryPolicy"] = policy
    assert bundle.args("sleep", "100").create().returncode == 0, (bundle.path / "create.err").read_text()
    assert bundle.tare("start", bundle.id).returncode == 0
    # Each line of numa_maps: an address, and the policy that holds there.
    first = policy_words(bundle.tare("exec", bundle.id, "cat", "/proc/1/numa_maps").stdout)
    own = policy_words(bundle.tare("exec", bundle.id, "cat", "/proc/self/numa_maps").stdout)
    assert (first, own) == (seen, seen)


def policy_words(numa_maps: str) -> str:
    line = next(line for line in numa_maps.splitlines() if "heap" in line or "anon=" in line)
    words = line.split(" ", 1)[1]
    for end in (" file=", " heap", " anon=", " stack"):
        words = words.partition(end)[0]
    return words


@pytest.mark.peer
@pytest.mark.field("linux.personality")
@pytest.mark.parametrize("program", [OURS, "crun"])
@pytest.mark.parametrize(("domain", "seen"), [("LINUX32", "00000008"), ("LINUX", "00000000")])
def test_the_personality_is_the_one_of_the_config(
    bundle: Bundle, program: str, domain: str, seen: str
) -> None:
    bundle.config["linux"]["personality"] = {"domain": domain}
    done = run_by(program, bundle.args("cat", "/proc/self/personality"))
    assert (done.code, done.out.strip()) == (0, seen), done.err


@pytest.mark.field("linux.personality")
def test_exec_has_the_personality_too(bundle: Bundle) -> None:
    bundle.config["linux"]["personality"] = {"domain": "LINUX32"}
    assert bundle.args("sleep", "100").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    assert bundle.tare("exec", bundle.id, "cat", "/proc/self/personality").stdout.strip() == "00000008"


# --- what cannot be ---------------------------------------------------------------------------------------


def deadline(**times: int) -> dict[str, Any]:
    return {"policy": "SCHED_DEADLINE", **times}


BAD: list[tuple[str, str, Any, str, str]] = [
    ("process", "scheduler", {}, "policy", "is missing"),
    ("process", "scheduler", {"policy": "SCHED_ISO"}, "policy", "must be one of"),
    ("process", "scheduler", {"policy": "SCHED_OTHER", "nice": 20}, "nice", "between -20 and 19"),
    (
        "process",
        "scheduler",
        {"policy": "SCHED_OTHER", "priority": 1},
        "priority",
        "only be given for SCHED_FIFO",
    ),
    ("process", "scheduler", {"policy": "SCHED_FIFO"}, "priority", "between 1 and 99"),
    ("process", "scheduler", {"policy": "SCHED_RR", "priority": 100}, "priority", "between 1 and 99"),
    (
        "process",
        "scheduler",
        {"policy": "SCHED_BATCH", "period": 1},
        "period",
        "only be given for SCHED_DEADLINE",
    ),
    ("process", "scheduler", {"policy": "SCHED_IDLE", "flags": ["X"]}, "flags/0", "must be one of"),
    ("process", "scheduler", deadline(runtime=5, deadline=10), "runtime", "at least 1024 ns"),
    ("process", "scheduler", deadline(runtime=9999, deadline=9000), "runtime", "not above deadline"),
    ("process", "ioPriority", {"priority": 1}, "class", "is missing"),
    ("process", "ioPriority", {"class": "IOPRIO_CLASS_NONE"}, "class", "must be one of"),
    ("process", "ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8}, "priority", "between 0 and 7"),
    ("process", "execCPUAffinity", {"initial": "3-1"}, "initial", "no range"),
    ("process", "execCPUAffinity", {"final": "a"}, "final", "must be a list"),
    ("linux", "memoryPolicy", {}, "mode", "is missing"),
    ("linux", "memoryPolicy", {"mode": "MPOL_BIND"}, "nodes", "at least one node"),
    ("linux", "memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0,"}, "nodes", "must be a list"),
    ("linux", "memoryPolicy", {"mode": "MPOL_LOCAL", "nodes": "0"}, "nodes", "must be empty"),
    (
        "linux",
        "memoryPolicy",
        {"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]},
        "flags",
        "is for MPOL_BIND",
    ),
    (
        "linux",
        "memoryPolicy",
        {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]},
        "flags",
        "must not hold both",
    ),
    ("linux", "personality", {"domain": "BSD"}, "domain", "must be one of LINUX, LINUX32"),
    ("linux", "personality", {"domain": "LINUX", "flags": ["X"]}, "flags", "no flag yet"),
    ("linux", "timeOffsets", {"boottime": {"secs": 1}}, "", "needs a new time namespace"),
    ("linux", "timeOffsets", {"realtime": {"secs": 1}}, "realtime", "is no clock"),
]


@pytest.mark.parametrize(
    ("section", "field", "value", "member", "words"),
    [
        pytest.param(*row, marks=pytest.mark.field(f"{row[0]}.{row[1]}"), id=f"{row[1]}-{row[3]}-{number}")
        for number, row in enumerate(BAD)
    ],
)
def test_what_cannot_be_is_refused_by_name(
    bundle: Bundle, section: str, field: str, value: Any, member: str, words: str
) -> None:
    bundle.config[section][field] = value
    done = bundle.run()
    assert done.returncode == 1
    assert f"/{section}/{field}" + (f"/{member}" if member else "") + ": " in done.stderr
    assert words in done.stderr
    assert bundle.leftovers() == []


@pytest.mark.field("linux.timeOffsets")
def test_offsets_for_a_namespace_that_is_joined_are_refused(bundle: Bundle) -> None:
    bundle.config["linux"]["namespaces"].append({"type": "time", "path": "/proc/self/ns/time"})
    bundle.config["linux"]["timeOffsets"] = {"boottime": {"secs": 1}}
    done = bundle.run()
    assert done.returncode == 1
    assert "/linux/timeOffsets: needs a new time namespace" in done.stderr
