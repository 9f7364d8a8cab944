"""The report as TAP version 13, one test point for each case and subject."""

from __future__ import annotations

import json

from tare_conformance.results import GOOD, Result, Run


def render(run: Run) -> str:
    """A known failure is a TODO point, as TAP has it; so is a pass that was not expected."""
    lines = ["TAP version 13", f"1..{len(run.results)}"]
    for number, result in enumerate(run.results, 1):
        lines.append(
            f"{_verdict(result)} {number} - {_plain(f'{result.subject} {result.case}')}{_mark(result)}"
        )
        if result.status not in GOOD or result.leaks:
            lines += _explanation(result)
    return "\n".join(lines) + "\n"


def _verdict(result: Result) -> str:
    return "ok" if result.status in ("pass", "skip", "fixed") else "not ok"


def _mark(result: Result) -> str:
    if result.status == "skip":
        return f" # SKIP {_plain(result.message)}"
    if result.status in ("known", "fixed"):
        return f" # TODO {_plain(result.reason)}"
    return ""


def _explanation(result: Result) -> list[str]:
    facts = {
        "clause": result.clause,
        "title": result.title,
        "message": result.message,
        "leaks": result.leaks,
        "details": result.details,
    }
    # A JSON value is a YAML value, and needs no quoting rules of our own.
    return ["  ---", *(f"  {name}: {json.dumps(value)}" for name, value in facts.items() if value), "  ..."]


def _plain(text: str) -> str:
    return text.replace("\n", " ").replace("#", "\\#")
