"""The suite judged by its own means: every case must fail when the runtime is broken where it looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tare_conformance.case import Case
from tare_conformance.runner import check_host, run_all
from tare_conformance.subject import Subject


@dataclass(frozen=True)
class Proof:
    """What became of one mutant. `message` is the case's own, or why it shows nothing."""

    case: str
    subject: str
    mutant: str
    noticed: bool
    message: str


def prove(subjects: list[Subject], cases: list[Case], *, jobs: int, hide_unified: bool) -> Iterator[Proof]:
    """Every mutant of every case, made from a subject that passes the case as it is.

    A runtime may overlook by itself what a mutant changes: then the next subject is tried. Where no subject
    passes, their own failure is the proof; a case that this machine skips is left out.

    Raises: HostError.
    """
    check_host()
    plan = [(subject, case) for case in cases for subject in subjects]
    good: dict[str, list[Subject]] = {case.id: [] for case in cases}
    failed: dict[str, Proof] = {}
    for subject, case, report, _ in run_all(plan, jobs=jobs, hide_unified=hide_unified):
        if report.status == "pass":
            good[case.id].append(subject)
        elif report.status != "skip":
            seen = report.status == "fail"
            failed[case.id] = Proof(case.id, subject.name, "as it is", seen, report.message)
    for passed in good.values():
        passed.sort(key=subjects.index)
    yield from (failed[case.id] for case in cases if not good[case.id] and case.id in failed)
    left = [(case, mutant) for case in cases for mutant in case.mutants if good[case.id]]
    for choice in range(len(subjects)):
        round_ = [(good[case.id][choice].broken(mutant), case.hurried()) for case, mutant in left]
        left = []
        for subject, case, report, _ in run_all(round_, jobs=jobs, hide_unified=hide_unified):
            mutant = subject.mutant
            assert mutant is not None
            if report.status != "fail" and choice + 1 < len(good[case.id]):
                left.append((case, mutant))
                continue
            message = report.message or ("passes" if report.status == "pass" else report.status)
            yield Proof(case.id, subject.name, mutant.name, report.status == "fail", message)
