"""What a figure gives back: times of each subject, and ratios held against a target."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from harness.series import Series
from harness.timing import Sample


@dataclass(frozen=True)
class Times:
    """One subject in one mode of one figure, in ms."""

    figure: str
    mode: str
    subject: str
    median_ms: float
    min_ms: float
    cpu_ms: float
    runs: int


@dataclass(frozen=True)
class Ratio:
    """Ours ÷ a peer's (below 1: ours is less). `cpu` and `least` are None where there is only one value."""

    figure: str
    mode: str
    peer: str
    median: float
    least: float | None = None
    cpu: float | None = None
    target: float | None = None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "pass" if self.median <= self.target else "miss"


@dataclass
class Results:
    """Everything one run of the bench found out."""

    times: list[Times] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, figure: str, series: Series, ours: str, targets: dict[str, float | None]) -> None:
        """Take in a series: a row of times for each subject and a ratio to each peer that `targets` names."""
        for subject, samples in series.samples.items():
            median, least, cpu = series.median(subject), series.least(subject), series.cpu(subject)
            self.times.append(Times(figure, series.mode, subject, median, least, cpu, len(samples)))
        for subject, reason in series.failed.items():
            self.notes.append(f"{figure}, {series.mode}: {subject} left out: {reason}")
        if ours not in series.samples:
            return
        for peer, target in targets.items():
            if peer in series.samples:
                self.ratios.append(
                    Ratio(
                        figure,
                        series.mode,
                        peer,
                        series.median(ours) / series.median(peer),
                        series.least(ours) / series.least(peer),
                        series.cpu(ours) / max(series.cpu(peer), 0.001),
                        target,
                    )
                )

    def add_cpu(self, figure: str, series: Series, ours: str, targets: dict[str, float | None]) -> None:
        """Ratios of the CPU time of a series that `add` has taken in."""
        for peer, target in targets.items():
            if ours in series.samples and peer in series.samples:
                ratio = series.cpu(ours) / max(series.cpu(peer), 0.001)
                self.ratios.append(Ratio(figure, series.mode, peer, ratio, target=target))

    def add_stages(self, figure: str, mode: str, subject: str, stages: dict[str, list[Sample]]) -> None:
        """The parts that one subject's total is made of, as rows of times without ratios."""
        for stage, samples in stages.items():
            walls = [sample.wall_ms for sample in samples]
            cpu = statistics.median(sample.cpu_ms for sample in samples)
            row = Times(
                f"{figure}: {stage}", mode, subject, statistics.median(walls), min(walls), cpu, len(samples)
            )
            self.times.append(row)

    def add_values(
        self, figure: str, values: dict[str, int], ours: str, targets: dict[str, float | None]
    ) -> None:
        """One number for each subject (a size, not a time)."""
        self.values.setdefault(figure, {}).update(values)
        if ours not in values:
            return
        for peer, target in targets.items():
            if peer in values:
                self.ratios.append(Ratio(figure, "", peer, values[ours] / values[peer], target=target))
