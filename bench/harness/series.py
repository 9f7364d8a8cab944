"""The three modes of a series: what is run in which order, with which pauses."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.timing import RunFailed, Sample

MODES = ("isolated", "back-to-back", "loop")
ISOLATED_PAUSE_S = 0.2  # the kernel's deferred clean-up of the run before is then not in the figure

Run = Callable[[], Sample]


@dataclass
class Series:
    """The samples of several subjects in one mode; a subject that failed has a reason instead."""

    mode: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def median(self, subject: str) -> float:
        return statistics.median(sample.wall_ms for sample in self.samples[subject])

    def least(self, subject: str) -> float:
        return min(sample.wall_ms for sample in self.samples[subject])

    def cpu(self, subject: str) -> float:
        return statistics.median(sample.cpu_ms for sample in self.samples[subject])

    def peak_kib(self, subject: str) -> int:
        return max(sample.peak_kib for sample in self.samples[subject])


def measure(subjects: Mapping[str, Run], mode: str, *, rounds: int, warmup: int = 2) -> Series:
    """Run every subject ROUNDS times in MODE.

    Interleaved modes go round the subjects, beginning with another one each time, so that none is always
    first. `loop` runs each subject alone, without pause.
    """
    series = Series(mode)
    for name, run in subjects.items():
        _warm(series, name, run, warmup)
    for name in _order(list(series.samples), mode, rounds):
        if name in series.failed:
            continue
        if mode == "isolated":
            time.sleep(ISOLATED_PAUSE_S)
        try:
            series.samples[name].append(subjects[name]())
        except RunFailed as error:
            _drop(series, name, error)
    return series


def _order(names: list[str], mode: str, rounds: int) -> list[str]:
    if mode == "loop":
        return [name for name in names for _ in range(rounds)]
    return [name for turn in range(rounds) for name in _rotated(names, turn)]


def _warm(series: Series, name: str, run: Run, times: int) -> None:
    series.samples[name] = []
    try:
        for _ in range(times):
            run()
    except RunFailed as error:
        _drop(series, name, error)


def _drop(series: Series, name: str, error: RunFailed) -> None:
    series.samples.pop(name, None)
    series.failed[name] = str(error)


def _rotated(names: list[str], turn: int) -> list[str]:
    at = turn % len(names) if names else 0
    return names[at:] + names[:at]
