"""The short verbs, each by itself: start, kill, state and delete of a container that was made beforehand."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from figures.containers import Runtime, here
from harness import subjects
from harness.bundle import make_bundle
from harness.results import Results
from harness.series import ISOLATED_PAUSE_S, measure
from harness.timing import RunFailed, Sample, Timer

TARGETS = {"isolated": 0.5, "back-to-back": 0.6, "loop": 0.7}


def verbs(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    bundle = make_bundle(scratch / "bundle-verbs", args=["/bin/sleep", "3600"])
    for verb in ("start", "state", "kill", "delete"):
        for mode, target in TARGETS.items():
            pause_s = ISOLATED_PAUSE_S if mode == "isolated" else 0
            runs = {
                runtime.name: partial(_once, runtime, verb, bundle, pause_s)
                for runtime in here(timer, scratch)
            }
            # The pause belongs between the preparation and the call, so the series itself has none.
            series = measure(runs, "back-to-back" if mode == "isolated" else mode, rounds=rounds[mode])
            series.mode = mode
            results.add(verb, series, subjects.OURS, {"crun": target, "runc": None})


def _once(runtime: Runtime, verb: str, bundle: Path, pause_s: float) -> Sample:
    """Only the call of `verb` is timed; what leads to it and away from it is not."""
    container = runtime.fresh_id()
    _, pid = runtime.create(bundle, container)
    try:
        return _steps(runtime, verb, container, pid, pause_s)
    except RunFailed:
        runtime.timer.attempt([*runtime.command, "delete", "--force", container])
        raise


def _steps(runtime: Runtime, verb: str, container: str, pid: int, pause_s: float) -> Sample:
    steps: dict[str, Callable[[], Sample]] = {
        "start": partial(runtime.call, "start", container),
        "state": partial(runtime.call, "state", container),
        "kill": partial(runtime.call, "kill", container, "KILL"),
        "wait": partial(runtime.timer.wait, pid),
        "delete": partial(runtime.call, "delete", container),
    }
    cost: dict[str, Sample] = {}
    for name, step in steps.items():
        if name == verb:
            time.sleep(pause_s)
        cost[name] = step()
    return cost[verb]
