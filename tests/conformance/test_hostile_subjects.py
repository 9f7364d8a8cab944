"""Subjects that hang, crash, lie and litter: the suite says so, goes on, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tare_conformance import cgroups
from tare_conformance.case import Case, cases_of
from tare_conformance.known import Known, expected, read_known
from tare_conformance.mutants import Mutant, litters
from tare_conformance.runner import run_all, run_suite
from tare_conformance.subject import Subject, parse_subject

from tests.support.programs import TARE_RUNTIME

pytestmark = pytest.mark.root
HYBRID = cgroups.is_hybrid()


def case_named(id: str, deadline_s: float = 2.0) -> Case:
    return replace(next(case for case in cases_of("runtime") if case.id == id), deadline_s=deadline_s)


CWD = "process/cwd-is-where-the-program-starts"
MISSING = "lifecycle/every-verb-refuses-an-id-that-is-not-there"


def script(path: Path, text: str) -> Subject:
    program = path / "subject"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return Subject("subject", (str(program),))


def traces() -> set[str]:
    tops = cgroups.hierarchies()
    bases = [cgroups.MOUNTPOINT, *tops, *(top for top in map(cgroups.own_group, tops) if top not in tops)]
    groups = {str(path) for base in bases for path in base.glob("tare-conformance-*")}
    folders = {str(path) for path in Path(tempfile.gettempdir()).glob("tare-conformance-*")}
    return groups | folders | set(Path("/proc/self/mounts").read_text().splitlines())


def judge(subject: Subject, case: Case) -> tuple[str, str, list[str]]:
    before = traces()
    [(_, _, report, _)] = run_all([(subject, case)], jobs=1, hide_unified=HYBRID)
    assert traces() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    return report.status, report.message, report.leaks


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("exit 1", "fail", "create failed with status 1"),
        ("exit 0", "fail", "create succeeds but writes no pid file"),
        ("kill -SEGV $$", "fail", "create failed with status -11"),
        ("exec /no/such/file", "fail", "create failed with status 127"),
        ("exec sleep 1000", "fail", "create does not end"),
        ("trap '' TERM INT HUP; while :; do sleep 1; done", "fail", "create does not end"),
        ("head -c 1000000 /dev/zero >&2; exit 3", "fail", "create failed with status 3"),
    ],
    ids=["fails", "lies", "crashes", "no program", "hangs", "ignores signals", "babbles"],
)
def test_a_useless_subject_fails_in_time(tmp_path: Path, text: str, status: str, message: str) -> None:
    started = time.monotonic()
    found = judge(script(tmp_path, text), case_named(CWD))
    assert found[0] == status and found[1].startswith(message)
    assert time.monotonic() - started < 9


def test_a_subject_that_says_yes_to_everything_fails(tmp_path: Path) -> None:
    status, message, _ = judge(script(tmp_path, "exit 0"), case_named(MISSING))
    assert (status, message) == ("fail", "not so: start of a missing container fails")


def test_processes_that_outlive_the_subject_are_found_and_ended(tmp_path: Path) -> None:
    marker = f"31{os.getpid()}"
    subject = script(tmp_path, f"(setsid sleep {marker} >/dev/null 2>&1 &)\nexit 1")
    status, _, leaks = judge(subject, case_named(MISSING))
    assert status == "fail"
    assert any(f"sleep {marker}" in leak for leak in leaks)
    assert marker not in "".join(
        path.read_text() for path in Path("/proc").glob("[0-9]*/cmdline") if _readable(path)
    )


def _readable(path: Path) -> bool:
    try:
        path.read_text()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not cgroups.controller("freezer"), reason="needs the version 1 freezer")
def test_frozen_processes_are_ended_too(tmp_path: Path) -> None:
    # A version 1 freezer keeps even a killed process alive until it is thawed.
    text = """
    for id; do :; done
    [ "$2" = create ] || exit 0
    group=/sys/fs/cgroup/freezer/${id%.*}/$id
    mkdir -p $group
    setsid sleep 1000 >/dev/null 2>&1 &
    echo $! >$group/cgroup.procs
    echo FROZEN >$group/freezer.state
    exec sleep 1000
    """
    status, message, leaks = judge(script(tmp_path, text), case_named(CWD))
    assert (status, message) == ("fail", "create does not end")
    assert any("control group" in leak for leak in leaks)


def test_mounts_of_the_subject_do_not_reach_the_host(tmp_path: Path) -> None:
    subject = script(tmp_path, "mount -t tmpfs none /mnt; exit 1")
    status, _, leaks = judge(subject, case_named(MISSING))
    assert status == "fail"
    assert "mount on /mnt (tmpfs)" in leaks


def test_a_case_that_fails_itself_is_an_error_of_the_suite(tmp_path: Path) -> None:
    def broken(lab: object) -> None:
        raise ZeroDivisionError("in the case")

    [(_, _, report, _)] = run_all(
        [(script(tmp_path, "exit 0"), replace(case_named(CWD), body=broken))], jobs=1, hide_unified=HYBRID
    )
    assert report.status == "error"
    assert "ZeroDivisionError: in the case" in report.details


@pytest.mark.peer
@pytest.mark.skipif(not shutil.which("runc"), reason="needs runc")
@pytest.mark.parametrize("what", ["process", "mount", "cgroup"])
def test_what_a_good_runtime_leaves_behind_is_a_finding(what: str) -> None:
    subject = parse_subject("runc").broken(litters("delete", what))
    status, message, leaks = judge(subject, case_named(CWD, 10))
    assert status == "fail" and message.startswith("leaves behind: ")
    assert len(leaks) == 1


@pytest.mark.peer
@pytest.mark.parametrize("runtime", ["runc", TARE_RUNTIME], ids=["runc", "ours"])
def test_groups_below_our_own_are_removed_too(runtime: str) -> None:
    """A relative cgroupsPath may count from there."""
    relative = case_named("cgroups/a-relative-path-is-the-same-each-time", 10)
    assert judge(parse_subject(runtime), relative) == ("pass", "", [])


@pytest.mark.peer
@pytest.mark.skipif(not shutil.which("runc"), reason="needs runc")
def test_known_failures_and_their_opposites_are_told_apart() -> None:
    runc = parse_subject("runc")
    cases = [case_named(CWD, 10), case_named("rlimits/two-entries-for-one-limit-are-refused", 10)]
    known = [Known("runc", tuple(case.id for case in cases), "for the test")]
    run = run_suite("runtime", [runc], cases, known, jobs=2, hide_unified=HYBRID)
    assert [result.status for result in run.results] == ["fixed", "known"]
    assert not run.ok
    run = run_suite("runtime", [runc], cases, read_known(), jobs=2, hide_unified=HYBRID)
    assert [result.status for result in run.results] == ["pass", "known"]
    assert run.ok


def test_known_failures_are_matched_by_version() -> None:
    known = [Known("runc", ("a/b",), "old", version="1.1.")]
    assert expected(known, Subject("runc", (), "runc version 1.1.5"), "a/b") is known[0]
    assert expected(known, Subject("runc", (), "runc version 1.2.0"), "a/b") is None
    assert expected(known, Subject("crun", (), "runc version 1.1.5"), "a/b") is None


def test_the_wrapper_is_called_only_where_it_has_something_to_do() -> None:
    subject = Subject("x", ("/x",)).broken(Mutant("m", ({"do": "exit", "verb": "kill", "code": 0},)))
    assert subject.command("start") == ("/x",)
    assert subject.command("kill")[0] == sys.executable
