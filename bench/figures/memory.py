"""The smallest memory limit under which a container runs: how much a runtime charges to it."""

from __future__ import annotations

from pathlib import Path

from figures.containers import Runtime, here
from harness import subjects
from harness.bundle import make_bundle
from harness.results import Results
from harness.timing import Timer

PAGE_KIB = 4
MOST_KIB = 16384
TRIES = 3


def limit(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    found = {}
    for runtime in here(timer, scratch):
        least = smallest(timer, runtime, scratch / f"limit-{runtime.name}")
        if least is None:
            results.notes.append(f"memory limit: {runtime.name} left out: fails under {MOST_KIB} KiB")
        else:
            found[runtime.name] = least
    results.add_values("smallest memory limit, KiB", found, subjects.OURS, {"crun": 0.8, "runc": None})


def smallest(timer: Timer, runtime: Runtime, folder: Path) -> int | None:
    """Bisect, page by page, for the least limit (KiB) at which /bin/true runs three times of three."""
    if not _runs(timer, runtime, folder / "most", MOST_KIB):
        return None
    fails, works = 0, MOST_KIB
    while works - fails > PAGE_KIB:
        middle = (fails + works) // 2 // PAGE_KIB * PAGE_KIB
        if _runs(timer, runtime, folder / str(middle), middle):
            works = middle
        else:
            fails = middle
    return works


def _runs(timer: Timer, runtime: Runtime, folder: Path, limit_kib: int) -> bool:
    bundle = make_bundle(folder, args=["/bin/true"], memory_limit=limit_kib * 1024)
    for _ in range(TRIES):
        container = runtime.fresh_id()
        # A runtime that hangs when its container is killed early counts as failing.
        argv = ["timeout", "-s", "KILL", "20", *runtime.command, "run", "--bundle", str(bundle), container]
        _, status = timer.attempt(argv)
        if status != 0:
            timer.attempt([*runtime.command, "delete", "--force", container])
            return False
    return True
