"""Unpacking a real tree: `tare-image unpack` beside umoci and GNU tar, from the same gzip layer."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness import subjects
from harness.filesystem import NoFilesystem, fresh
from harness.results import Results
from harness.same_tree import differences
from harness.series import Series
from harness.timing import RunFailed, Timer
from harness.tree import NoTree, facts, layer_blob, layout

TARGETS: dict[str, float | None] = {"umoci": 0.35, "tar -xzp": 0.55}
TREES = {subjects.IMAGE: "rootfs", "umoci": "rootfs", "tar -xzp": "."}


def unpack(timer: Timer, results: Results, scratch: Path, rounds: dict[str, int]) -> None:
    series = Series("fresh file system")
    try:
        commands = {name: argv for name, argv in _commands().items() if subjects.find(argv[0])}
        for turn in range(max(2, rounds["isolated"] // 8)):
            with fresh(scratch) as folder:
                _round(timer, series, commands, folder, turn)
                if turn == 0:
                    _check(results, folder)
    except (NoTree, NoFilesystem) as error:
        results.notes.append(f"unpack left out: {error}")
    results.add(f"unpack {_size()}", series, subjects.IMAGE, TARGETS)


def _commands() -> dict[str, list[str]]:
    image, blob = f"{layout()}:tree", str(layer_blob())
    _read_through(Path(blob))  # everyone finds it in the page cache
    return {
        subjects.IMAGE: [subjects.IMAGE, "unpack", f"oci:{image}", "TARGET"],
        "umoci": ["umoci", "unpack", "--image", image, "TARGET"],
        "tar -xzp": ["tar", "-xzpf", blob, "-C", "TARGET"],
    }


def _round(timer: Timer, series: Series, commands: dict[str, list[str]], folder: Path, turn: int) -> None:
    names = [name for name in commands if name not in series.failed]
    at = turn % len(names) if names else 0
    for name in names[at:] + names[:at]:
        target = folder / name.partition(" ")[0]
        if name.startswith("tar "):
            target.mkdir()
        argv = [str(target) if word == "TARGET" else word for word in commands[name]]
        subprocess.run(["sync", "--file-system", str(folder)])  # what the one before left to be written
        try:
            series.samples.setdefault(name, []).append(timer.run(argv))
        except RunFailed as error:
            series.samples.pop(name, None)
            series.failed[name] = str(error)


def _check(results: Results, folder: Path) -> None:
    """The figures count only if the trees are the same."""
    trees = {name: folder / name.partition(" ")[0] / inside for name, inside in TREES.items()}
    ours = trees.pop(subjects.IMAGE)
    for name, tree in trees.items():
        if ours.is_dir() and tree.is_dir():
            found = differences(ours, tree)
            verdict = "the same" if not found else "DIFFERENT: " + "; ".join(found)
            results.notes.append(f"unpack: our tree and that of {name} are {verdict}")


def _size() -> str:
    known = facts()
    return f"{known['files'] // 1000}k files, {known['bytes'] // 1_000_000} MB"


def _read_through(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass
