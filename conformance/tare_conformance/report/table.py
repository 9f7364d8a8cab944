"""The report for people: what failed, and how each section went."""

from __future__ import annotations

from tare_conformance.results import Result, Run

SHORT = {"pass": "ok", "known": "known", "skip": "skip", "fixed": "FIXED", "fail": "FAIL", "error": "ERROR"}


def render(run: Run) -> str:
    """A line for each case, then the findings in words, then the sums."""
    names = list(run.subjects)
    by_case: dict[str, dict[str, Result]] = {}
    for result in run.results:
        by_case.setdefault(result.case, {})[result.subject] = result
    width = max([len(case) for case in by_case] + [4])
    columns = [max(len(name), 7) for name in names]
    head = [f"{'case':<{width}}", *(f"{name:<{size}}" for name, size in zip(names, columns, strict=True))]
    lines = ["  ".join(head).rstrip(), "  ".join("-" * size for size in [width, *columns])]
    for case, results in by_case.items():
        words = [f"{SHORT[results[name].status]:<{size}}" for name, size in zip(names, columns, strict=True)]
        lines.append("  ".join([f"{case:<{width}}", *words]).rstrip())
    lines += ["", *findings(run), *sums(run)]
    return "\n".join(lines) + "\n"


def findings(run: Run) -> list[str]:
    """Every result that is not a plain pass, in words."""
    lines: list[str] = []
    for result in run.results:
        if result.status == "pass" and not result.leaks:
            continue
        lines.append(f"{result.subject}: {result.case}: {SHORT[result.status]} ({result.clause})")
        lines += [f"    {text}" for text in (result.title, result.message) if text]
        lines += [f"    known: {result.reason}"] if result.reason else []
        lines += [f"    left: {leak}" for leak in result.leaks]
        lines += [f"    | {text}" for text in result.details.strip().splitlines()[-6:]]
        lines.append("")
    return lines


def sums(run: Run) -> list[str]:
    """One line for each subject."""
    lines = [f"{run.host}; {run.seconds:.1f} s"]
    for name, version in run.subjects.items():
        counts = ", ".join(f"{number} {status}" for status, number in run.count(name).items())
        lines.append(f"{name} ({version}): {counts}" if version else f"{name}: {counts}")
    return lines
