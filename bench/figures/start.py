"""What the bare start costs: `tare-runtime --version` beside an interpreter that does nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness import subjects
from harness.results import Results
from harness.series import measure
from harness.timing import Timer

NOTHING = "python3 -I -S -c pass"


def version(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    python = subjects.interpreter() or subjects.find("python3")
    commands = {name: [path, "--version"] for name, path in subjects.runtimes().items()}
    if python:
        commands[NOTHING] = [python, "-I", "-S", "-c", "pass"]
    runs = {name: partial(timer.run, argv) for name, argv in commands.items()}
    for mode in ("isolated", "back-to-back"):
        target = 1.2 if mode == "isolated" else None
        series = measure(runs, mode, rounds=rounds[mode])
        results.add("--version", series, subjects.OURS, {NOTHING: target, "crun": None, "runc": None})
