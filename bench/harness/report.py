"""Tables for a person, JSON for a program."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

from harness.results import Results


def print_tables(results: Results) -> None:
    if results.times:
        print("\nMilliseconds")
        rows: list[tuple[str, ...]] = [("figure", "mode", "subject", "median", "min", "CPU", "runs")]
        for t in results.times:
            numbers = (f"{t.median_ms:.2f}", f"{t.min_ms:.2f}", f"{t.cpu_ms:.2f}", str(t.runs))
            rows.append((t.figure, t.mode, t.subject, *numbers))
        _table(rows, right=4)
    for figure, values in results.values.items():
        print(f"\n{figure}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
    if results.ratios:
        print("\nOurs ÷ a peer's: of medians (held against the target), of minima, of CPU")
        rows = [("figure", "mode", "÷", "median", "min", "CPU", "target", "")]
        for r in results.ratios:
            target = "" if r.target is None else f"≤ {r.target:g}"
            rows.append(
                (r.figure, r.mode, r.peer, _two(r.median), _two(r.least), _two(r.cpu), target, r.verdict)
            )
        _table(rows, right=4)
    for note in results.notes:
        print(f"note: {note}")


def write_json(path: Path, results: Results, facts: dict[str, object]) -> None:
    document = {
        "machine": facts,
        "times": [asdict(row) for row in results.times],
        "values": results.values,
        "ratios": [{**asdict(row), "verdict": row.verdict} for row in results.ratios],
        "notes": results.notes,
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def markdown(results: Results, facts: dict[str, object]) -> str:
    """The ratios that have a target, as a table for the README."""
    machine = f"{facts['cores']} × {facts['cpu']}, Linux {facts['kernel']}"
    head = f"{facts['date']}, {machine}, load {facts['load']:.1f}"
    lines = [head, "", "| figure | ours ÷ | median | min | CPU | target | |", "|---|---|---|---|---|---|---|"]
    for r in results.ratios:
        if r.target is not None:
            figure = f"{r.figure}, {r.mode}" if r.mode else r.figure
            cells = [figure, r.peer, _two(r.median), _two(r.least), _two(r.cpu), f"≤ {r.target:g}", r.verdict]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def into_readme(path: Path, table: str) -> None:
    """Put TABLE between the README's two marks."""
    begin, end = "<!-- bench table: begin -->\n", "<!-- bench table: end -->"
    before, _, rest = path.read_text().partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"put the table into {path}: it lacks the marks {begin.strip()} and {end}")
    path.write_text(f"{before}{begin}{table}\n{end}{after}")


def machine() -> dict[str, object]:
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "kernel": platform.release(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "cgroup": 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
    }


def _two(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}"


def _table(rows: list[tuple[str, ...]], *, right: int) -> None:
    """Print ROWS in columns; RIGHT of them, from the fourth on, are numbers and set flush right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if at < 3 or at >= 3 + right else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
