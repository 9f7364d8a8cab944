"""The same `run`, by `import tare_runtime` from a program that already runs, beside the command lines."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from figures.containers import here
from harness import subjects
from harness.bundle import make_bundle
from harness.results import Results
from harness.series import Run, measure
from harness.timing import Timer
from harness.worker import Worker

IN_PROCESS = "tare_runtime.run()"


def run(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    bundle = make_bundle(scratch / "bundle-in-process", args=["/bin/true"])
    runtimes = here(timer, scratch)
    runs: dict[str, Run] = {runtime.name: partial(runtime.run, bundle) for runtime in runtimes}
    with Worker(bundle, scratch / "state-in-process") as worker:
        if runtimes:
            runs[IN_PROCESS] = lambda: worker.run(runtimes[0].fresh_id())
        for mode in ("isolated", "back-to-back"):
            wanted = {"crun": 0.3 if mode == "isolated" else None, "runc": None, subjects.OURS: None}
            series = measure(runs, mode, rounds=rounds[mode])
            results.add("run in-process", series, IN_PROCESS, wanted)
