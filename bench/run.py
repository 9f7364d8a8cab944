"""`./dev bench`: our programs beside runc, crun, umoci and tar, interleaved in one run.

Prints times and ratios with their targets, and writes bench/out/DATE.json and .svg. A subject or tool that
is missing or fails is left out with a note. Root only: containers are started.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from figures import containers, inprocess, memory, pull, start, unpack, verbs
from harness import report, subjects
from harness.picture import write_svg
from harness.results import Results
from harness.timing import OUT, Timer

Figure = Callable[[Timer, Results, Path, dict[str, int]], None]

FIGURES: dict[str, Figure] = {
    "run": containers.run,
    "seccomp": containers.run_seccomp,
    "cycle": containers.cycle,
    "verbs": verbs.verbs,
    "exec": containers.exec_,
    "in-process": inprocess.run,
    "version": start.version,
    "memory": memory.limit,
    "unpack": unpack.unpack,
    "pull": pull.pull,
}
ROUNDS = {"isolated": 40, "back-to-back": 60, "loop": 60}
README = Path(__file__).resolve().parent.parent / "README.md"
QUICK_ROUNDS = {"isolated": 8, "back-to-back": 12, "loop": 12}

# crun 1.8 refuses a hybrid hierarchy, so nobody sees the v2 part of one. The namespace ends with the bench.
HIDE_UNIFIED = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'


def main() -> int:
    options = _parse(sys.argv[1:])
    if os.geteuid() != 0:
        print("bench: containers are started: run it as root", file=sys.stderr)
        return 1
    if not options.inside:
        unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HIDE_UNIFIED, "sh"]
        os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv, "--inside"])
    return _measure(options)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the rounds")
    parser.add_argument("--rounds", type=int, metavar="N", help="runs of each subject in each mode")
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="where the two files go")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=sorted(FIGURES), help=", ".join(FIGURES))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _measure(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was mounted and made is then tidied up
    results = Results()
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    if options.rounds:
        rounds = dict.fromkeys(rounds, options.rounds)
    versions = subjects.versions()
    facts = {**report.machine(), "versions": versions, "date": time.strftime("%Y-%m-%d %H:%M:%S")}
    for name, version in versions.items():
        print(f"{name:12} {version}")
    scratch = Path(tempfile.mkdtemp(prefix="tare-bench-", dir="/run"))
    # States and bundles in memory, as /run is on a host; the mount ends with our namespace.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", str(scratch)], check=True)
    try:
        with Timer() as timer:
            for name in options.only or FIGURES:
                print(f"measuring {name} …", flush=True)
                FIGURES[name](timer, results, scratch, rounds)
    finally:
        subprocess.run(["umount", "--lazy", str(scratch)])
        scratch.rmdir()
    report.print_tables(results)
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / time.strftime("%Y-%m-%d-%H%M%S")
    report.write_json(stem.with_suffix(".json"), results, facts)
    write_svg(stem.with_suffix(".svg"), results, f"tare beside its peers, {facts['date']}")
    if options.readme:
        report.into_readme(README, report.markdown(results, facts))
    print(f"\nwritten: {stem}.json, {stem}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
