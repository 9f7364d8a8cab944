"""Every case of the runtime suite passes under a good runtime and fails under each of its broken ones."""

from __future__ import annotations

import shutil

import pytest
from tare_conformance import cgroups
from tare_conformance.case import Case, cases_of
from tare_conformance.known import read_known, reason_for
from tare_conformance.runner import run_all
from tare_conformance.subject import Subject, parse_subject

CASES = cases_of("runtime")

pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.skipif(not shutil.which("runc") or not shutil.which("crun"), reason="needs runc and crun"),
]


def reports(plan: list[tuple[Subject, Case]]) -> list[tuple[Subject, str, str]]:
    """Subject, status and message of each, in the order of the plan."""
    found = {
        subject.argv: (subject, report.status, f"{report.message} {report.details} {report.leaks}")
        for subject, _, report, _ in run_all(plan, jobs=2, hide_unified=cgroups.is_hybrid())
    }
    return [found[subject.argv] for subject, _ in plan]


@pytest.fixture(scope="module")
def peers() -> list[Subject]:
    return [parse_subject(name) for name in ("runc", "crun")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case_passes_under_a_good_runtime_and_fails_under_every_broken_one(
    case: Case, peers: list[Subject]
) -> None:
    good: list[Subject] = []
    for subject, status, message in reports([(peer, case) for peer in peers]):
        expected = "fail" if reason_for(read_known(), subject, case.id) else "pass"
        assert status in (expected, "skip"), f"{subject.name}: {message}"
        good += [subject] if status == "pass" else []
    if not good:
        pytest.skip("no peer passes it: see known.toml")
    for subject, status, message in reports([(good[0].broken(mutant), case) for mutant in case.mutants]):
        assert status == "fail", f"unnoticed by {case.id}: {subject.argv[4]} {message}"


def test_ids_are_unique_and_every_case_tells_its_story() -> None:
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids)
    for case in CASES:
        assert case.story and case.clause.split(",")[0].endswith(".md"), case.id
