"""Every case of the runtime suite passes under a good runtime and fails under each of its broken ones."""

from __future__ import annotations

import shutil

import pytest
from tare_conformance import cgroups
from tare_conformance.case import Case, cases_of
from tare_conformance.chamber import Report
from tare_conformance.known import expected, read_known
from tare_conformance.proof import prove
from tare_conformance.runner import run_all
from tare_conformance.subject import Subject, parse_subject

CASES = cases_of("runtime")
KNOWN = read_known()
PEERS = [shutil.which("runc"), shutil.which("crun")]

pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.skipif(not all(PEERS), reason="needs runc and crun"),
]


def reports(plan: list[tuple[Subject, Case]]) -> list[tuple[Subject, Report]]:
    return [
        (subject, report) for subject, _, report, _ in run_all(plan, jobs=2, hide_unified=cgroups.is_hybrid())
    ]


@pytest.fixture(scope="module")
def peers() -> list[Subject]:
    return [parse_subject(str(path)) for path in PEERS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case_passes_under_good_runtimes_and_fails_under_broken_ones(
    case: Case, peers: list[Subject]
) -> None:
    good: list[Subject] = []
    for subject, report in reports([(peer, case) for peer in peers]):
        entry = expected(KNOWN, subject, case.id)
        allowed = {"pass"} if entry is None else {"fail", "pass"} if entry.sometimes else {"fail"}
        assert report.status in allowed | {"skip"}, f"{subject.name}: {vars(report)}"
        good += [subject] if report.status == "pass" else []
    # Where no peer passes, the peers themselves are the broken runtimes that the case notices. A peer may
    # overlook by itself what a mutant changes; then the mutant of the other one has to be noticed.
    unnoticed = list(case.mutants)
    for peer in sorted(good, key=peers.index):
        wrong = reports([(peer.broken(mutant), case) for mutant in unnoticed])
        unnoticed = [
            subject.mutant for subject, report in wrong if subject.mutant and report.status != "fail"
        ]
    assert not good or not unnoticed


def test_ids_are_unique_and_every_case_tells_its_story() -> None:
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids) >= 60
    for case in CASES:
        assert case.story and case.clause.split(",")[0].endswith(".md"), case.id


def test_known_failures_name_cases_that_exist() -> None:
    ids = {case.id for case in CASES}
    assert {case for entry in KNOWN for case in entry.cases} <= ids


def test_a_broken_runtime_is_noticed_by_prove(peers: list[Subject]) -> None:
    case = next(case for case in CASES if case.id == "process/cwd-is-where-the-program-starts")
    proofs = list(prove(peers, [case], jobs=2, hide_unified=cgroups.is_hybrid()))
    assert [(proof.subject, proof.noticed) for proof in proofs] == [("runc", True)]
