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
    """Every mutant of every case, made from the first subject that passes the case as it is.

    Where no subject passes, their own failure is the proof; a case that this machine skips is left out.

    Raises: HostError.
    """
    check_host()
    plan = [(subject, case) for case in cases for subject in subjects]
    verdicts = {
        (subject.name, case.id): report
        for subject, case, report, _ in run_all(plan, jobs=jobs, hide_unified=hide_unified)
    }
    mutated: list[tuple[Subject, Case]] = []
    names: dict[str, str] = {}
    for case in cases:
        reports = [verdicts[subject.name, case.id] for subject in subjects]
        good = next((s for s, report in zip(subjects, reports, strict=True) if report.status == "pass"), None)
        if good is not None:
            for mutant in case.mutants:
                broken = good.broken(mutant)
                names[broken.argv[4]] = mutant.name
                mutated.append((broken, case))
        elif not all(report.status == "skip" for report in reports):
            yield Proof(
                case.id, subjects[0].name, "as it is", reports[0].status == "fail", reports[0].message
            )
    for subject, case, report, _ in run_all(mutated, jobs=jobs, hide_unified=hide_unified):
        noticed = report.status == "fail"
        message = report.message or ("passes" if report.status == "pass" else report.status)
        yield Proof(case.id, subject.name, names[subject.argv[4]], noticed, message)
