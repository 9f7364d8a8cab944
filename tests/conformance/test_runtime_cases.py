"""Every case of the runtime suite passes under a good runtime and fails under each of its broken ones."""

from __future__ import annotations

import shutil

import pytest
from tare_conformance import cgroups
from tare_conformance.case import Case, cases_of
from tare_conformance.chamber import Report
from tare_conformance.known import expected, read_known
from tare_conformance.mutants import Mutant
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


Reports = dict[tuple[str, str], Report]


def judged(plan: list[tuple[Subject, Case]]) -> list[tuple[Subject, Case, Report]]:
    found = run_all(plan, jobs=3, hide_unified=cgroups.is_hybrid())
    return [(subject, case, report) for subject, case, report, _ in found]


@pytest.fixture(scope="module")
def peers() -> list[Subject]:
    return [parse_subject(str(path)) for path in PEERS]


@pytest.fixture(scope="module")
def chosen(request: pytest.FixtureRequest) -> list[Case]:
    """The cases of the tests that were selected: judging them together keeps every processor busy."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    found = [item.callspec.params.get("case") for item in items if hasattr(item, "callspec")]
    return [case for case in CASES if any(case is one for one in found)]


@pytest.fixture(scope="module")
def as_they_are(chosen: list[Case], peers: list[Subject]) -> Reports:
    """What became of each case under each peer."""
    plan = [(peer, case) for case in chosen for peer in peers]
    return {(peer.name, case.id): report for peer, case, report in judged(plan)}


@pytest.fixture(scope="module")
def unnoticed(chosen: list[Case], peers: list[Subject], as_they_are: Reports) -> dict[str, list[Mutant]]:
    """The mutants of each case that it passes.

    A peer may overlook by itself what a mutant changes; then the other peer's mutant has to be noticed.
    """
    left = {case.id: list(case.mutants) for case in chosen}
    for peer in peers:
        good = [case for case in chosen if as_they_are[peer.name, case.id].status == "pass"]
        plan = [(peer.broken(mutant), case.hurried()) for case in good for mutant in left[case.id]]
        left.update({case.id: [] for case in good})
        for subject, case, report in judged(plan):
            if report.status != "fail" and subject.mutant:
                left[case.id].append(subject.mutant)
    return left


@pytest.mark.timeout(300)  # the first one waits for the judgement of all
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case_passes_under_good_runtimes_and_fails_under_broken_ones(
    case: Case, peers: list[Subject], as_they_are: Reports, unnoticed: dict[str, list[Mutant]]
) -> None:
    statuses = []
    for peer in peers:
        report = as_they_are[peer.name, case.id]
        entry = expected(KNOWN, peer, case.id)
        allowed = {"pass"} if entry is None else {"fail", "pass"} if entry.sometimes else {"fail"}
        assert report.status in allowed | {"skip"}, f"{peer.name}: {vars(report)}"
        statuses.append(report.status)
    # Where no peer passes, the peers themselves are the broken runtimes that the case notices.
    assert "pass" not in statuses or not unnoticed[case.id]
    assert "pass" in statuses or "fail" in statuses or set(statuses) == {"skip"}


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
