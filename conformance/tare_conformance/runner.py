"""Run cases under subjects, several at a time, and say how each ended."""

from __future__ import annotations

import fnmatch
import os
import platform
import secrets
import select
import time
from collections.abc import Callable, Iterator

from tare_conformance import cgroups
from tare_conformance.bundle import PROBE
from tare_conformance.case import Case
from tare_conformance.chamber import Chamber, Report
from tare_conformance.errors import HostError
from tare_conformance.known import Known, expected
from tare_conformance.results import Result, Run
from tare_conformance.subject import Subject


def select_cases(cases: list[Case], patterns: list[str]) -> list[Case]:
    """Those whose id matches one of the patterns (`process/*`, or a part of the id); all without patterns."""
    if not patterns:
        return cases
    return [case for case in cases if any(_matches(case.id, pattern) for pattern in patterns)]


def _matches(id: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(id, pattern) or (not set(pattern) & set("*?[") and pattern in id)


def check_host() -> None:
    """Raises: HostError if containers cannot be made and observed here."""
    if os.geteuid() != 0:
        raise HostError("run the cases: they make namespaces and control groups", "run as root")
    if not PROBE.exists():
        raise HostError(f"run the cases: the probe {PROBE} is missing", "build the package: ./dev build")


def run_suite(
    suite: str,
    subjects: list[Subject],
    cases: list[Case],
    known: list[Known],
    *,
    jobs: int,
    hide_unified: bool,
    on_result: Callable[[Result], None] = lambda result: None,
) -> Run:
    """Every case under every subject. Case by case, so that subjects meet the same weather.

    Raises: HostError.
    """
    check_host()
    started = time.monotonic()
    plan = [(subject, case) for case in cases for subject in subjects]
    found: dict[tuple[str, str], Result] = {}
    for subject, case, report, seconds in run_all(plan, jobs=jobs, hide_unified=hide_unified):
        result = _result(subject, case, report, seconds, expected(known, subject, case.id))
        found[subject.name, case.id] = result
        on_result(result)
    results = [found[subject.name, case.id] for subject in subjects for case in cases]
    versions = {subject.name: subject.version for subject in subjects}
    host = f"{platform.system()} {platform.release()}, cgroup v{cgroups.version()}"
    host += " (hybrid)" if cgroups.is_hybrid() else ""
    return Run(suite, versions, host, results, time.monotonic() - started)


def run_all(
    plan: list[tuple[Subject, Case]], *, jobs: int, hide_unified: bool
) -> Iterator[tuple[Subject, Case, Report, float]]:
    """Yield reports as chambers end. Whatever happens, no chamber outlives the generator."""
    token = f"tare-conformance-{secrets.token_hex(4)}"
    waiting = list(enumerate(plan))[::-1]
    running: dict[int, tuple[Subject, Case, Chamber]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                number, (subject, case) = waiting.pop()
                chamber = Chamber(subject, case, f"{token}-{number}", hide_unified=hide_unified)
                running[chamber.fd] = (subject, case, chamber)
            for fd in _ended(running):
                subject, case, chamber = running.pop(fd)
                seconds = time.monotonic() - chamber.started
                yield subject, case, chamber.finish(), seconds
    finally:
        for _, _, chamber in running.values():
            chamber.abort()
            while not chamber.listen():
                pass
            chamber.finish()


def _ended(running: dict[int, tuple[Subject, Case, Chamber]]) -> list[int]:
    """Wait for news; stop the chambers that are late."""
    now = time.monotonic()
    nearest = min(chamber.deadline for _, _, chamber in running.values())
    ready = select.select(list(running), [], [], max(0.0, nearest - now))[0]
    ended = [fd for fd in ready if running[fd][2].listen()]
    for _, _, chamber in running.values():
        if time.monotonic() > chamber.deadline:
            chamber.abort()
            chamber.deadline += chamber.deadline - chamber.started  # its end comes on its own now
    return ended


def _result(subject: Subject, case: Case, report: Report, seconds: float, entry: Known | None) -> Result:
    status = report.status
    if entry is not None and status == "fail":
        status = "known"
    elif entry is not None and status == "pass" and not entry.sometimes:
        status = "fixed"
    return Result(
        subject.name,
        case.id,
        case.clause,
        case.title,
        status,
        _printable(report.message),
        _printable(report.details),
        [_printable(leak) for leak in report.leaks],
        round(seconds, 3),
        entry.reason if entry else "",
    )


def _printable(text: str) -> str:
    """Bytes that were no UTF-8 came as lone surrogates: written out, so that every report can hold them."""
    return text.encode(errors="backslashreplace").decode()
