"""Figures of whole containers: run, run under seccomp, the create-start-delete cycle, exec."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

from harness import subjects
from harness.bundle import make_bundle
from harness.results import Results
from harness.series import measure
from harness.timing import RunFailed, Sample, Timer

_serial = itertools.count()


class Runtime:
    """One runtime with a state directory of its own, driven through its command line."""

    def __init__(self, timer: Timer, name: str, path: str, scratch: Path) -> None:
        self.timer, self.name, self.scratch = timer, name, scratch
        self.command = [path, "--root", str(scratch / f"state-{name}")]

    def fresh_id(self) -> str:
        return f"bench-{self.scratch.name}-{next(_serial)}"

    def run(self, bundle: Path) -> Sample:
        return self.timer.run([*self.command, "run", "--bundle", str(bundle), self.fresh_id()])

    def create(self, bundle: Path, container: str) -> tuple[Sample, int]:
        """Create; the cost, and the pid of the container's init (a child of the timer from then on)."""
        pid_file = self.scratch / f"pid-{self.name}"
        argv = [*self.command, "create", "--bundle", str(bundle), "--pid-file", str(pid_file), container]
        sample = self.timer.run(argv)
        return sample, int(pid_file.read_text())

    def call(self, verb: str, *args: str) -> Sample:
        return self.timer.run([*self.command, verb, *args])

    def cycle(self, bundle: Path) -> dict[str, Sample]:
        """create, start, wait for its end, delete: what a manager does for one container."""
        container = self.fresh_id()
        created, pid = self.create(bundle, container)
        try:
            started = self.call("start", container)
        except RunFailed:
            self.timer.attempt([*self.command, "delete", "--force", container])
            raise
        waited = self.timer.wait(pid)
        # The wait's CPU is the container's own; it belongs to the cycle as its wall clock does.
        return {"create": created, "start": started, "wait": waited, "delete": self.call("delete", container)}


def here(timer: Timer, scratch: Path) -> list[Runtime]:
    return [Runtime(timer, name, path, scratch) for name, path in subjects.runtimes().items()]


def run(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    bundle = make_bundle(scratch / "bundle-run", args=["/bin/true"])
    targets: dict[str, dict[str, float | None]] = {
        "isolated": {"crun": 0.45, "runc": 0.3},
        "back-to-back": {"crun": 0.55, "runc": 0.4},
        "loop": {"crun": 0.95, "runc": 0.35},
    }
    _run_figure("run", bundle, targets, timer, results, scratch, rounds)


def run_seccomp(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    bundle = make_bundle(scratch / "bundle-seccomp", args=["/bin/true"], seccomp=True)
    targets: dict[str, dict[str, float | None]] = {
        "isolated": {"crun": 0.3, "runc": None},
        "back-to-back": {"crun": 0.4, "runc": None},
        "loop": {"crun": 0.6, "runc": None},
    }
    _run_figure("run + seccomp", bundle, targets, timer, results, scratch, rounds)


def _run_figure(
    figure: str,
    bundle: Path,
    targets: dict[str, dict[str, float | None]],
    timer: Timer,
    results: Results,
    scratch: Path,
    rounds: dict[str, int],
) -> None:
    runs = {runtime.name: partial(runtime.run, bundle) for runtime in here(timer, scratch)}
    for mode, wanted in targets.items():
        series = measure(runs, mode, rounds=rounds[mode])
        results.add(figure, series, subjects.OURS, wanted)
        if figure == "run":
            results.add_cpu("CPU of run", series, subjects.OURS, {"crun": None if mode == "loop" else 1.0})


def cycle(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    bundle = make_bundle(scratch / "bundle-cycle", args=["/bin/true"])
    stages: dict[str, dict[str, list[Sample]]] = {}

    def whole(runtime: Runtime) -> Callable[[], Sample]:
        def once() -> Sample:
            cost = runtime.cycle(bundle)
            for stage, sample in cost.items():
                stages.setdefault(runtime.name, {}).setdefault(stage, []).append(sample)
            return sum(cost.values(), Sample(0, 0))

        return once

    runs = {runtime.name: whole(runtime) for runtime in here(timer, scratch)}
    for mode, target in {"isolated": 0.5, "back-to-back": 0.65, "loop": 1.0}.items():
        wanted: dict[str, float | None] = {"crun": target, "runc": 0.75 if mode == "isolated" else None}
        stages.clear()
        series = measure(runs, mode, rounds=rounds[mode])
        results.add("create + start + delete", series, subjects.OURS, wanted)
        for name, by_stage in stages.items():
            results.add_stages("create + start + delete", mode, name, by_stage)
    _create_peak(results, stages)


def _create_peak(results: Results, stages: dict[str, dict[str, list[Sample]]]) -> None:
    peaks = {name: max(sample.peak_kib for sample in by_stage["create"]) for name, by_stage in stages.items()}
    results.add_values("peak RSS of create, KiB", peaks, subjects.OURS, {"runc": 0.8, "crun": None})


def exec_(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    bundle = make_bundle(scratch / "bundle-exec", args=["/bin/sleep", "3600"])
    running: list[tuple[Runtime, str, int]] = []
    runs = {}
    try:
        for runtime in here(timer, scratch):
            container = runtime.fresh_id()
            try:
                _, pid = runtime.create(bundle, container)
                running.append((runtime, container, pid))
                runtime.call("start", container)
            except RunFailed as error:
                results.notes.append(f"exec: {runtime.name} left out: {error}")
                continue
            runs[runtime.name] = partial(runtime.call, "exec", container, "/bin/true")
        for mode, target in {"isolated": 0.5, "back-to-back": 0.8, "loop": 1.0}.items():
            wanted: dict[str, float | None] = {"crun": target, "runc": None}
            series = measure(runs, mode, rounds=rounds[mode])
            results.add("exec", series, subjects.OURS, wanted)
    finally:
        for runtime, container, pid in running:
            timer.attempt([*runtime.command, "kill", container, "KILL"])
            timer.wait(pid)
            timer.attempt([*runtime.command, "delete", "--force", container])
