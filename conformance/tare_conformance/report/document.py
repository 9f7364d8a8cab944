"""The report for programs: one JSON document."""

from __future__ import annotations

import json
from dataclasses import asdict

from tare_conformance.results import Run

FORMAT = 1


def render(run: Run) -> str:
    """Members: format, suite, host, seconds, subjects (version and counts), results."""
    document = {
        "format": FORMAT,
        "suite": run.suite,
        "host": run.host,
        "seconds": round(run.seconds, 3),
        "subjects": {
            name: {"version": version, "counts": run.count(name)} for name, version in run.subjects.items()
        },
        "results": [asdict(result) for result in run.results],
    }
    return json.dumps(document, indent=2) + "\n"
