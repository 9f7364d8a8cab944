"""`./dev vm`: tests in a machine of its own, for what this one does not have.

    ./dev vm [--quick] [LANE…] [-- PYTEST ARGUMENTS]     no lane: all of them
    ./dev vm LANE --command 'SHELL COMMAND'              instead of pytest

A lane is a kind of machine with the tests that are run in it. --quick leaves out what is marked slow; it is
what `./dev test` runs.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from tests.vm.machine import Machine

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PYTEST = [".venv/bin/python", "-m", "pytest", "-p", "no:cacheprovider", "--timeout=600"]
# Of the virtual environment: what tests in the machine never import, and is large.
LEFT_OUT = (
    "mypy",
    "mypyc",
    "pip",
    "setuptools",
    "pkg_resources",
    "ruff",
    "hatchling",
    "ast_serialize",
    "librt",
)


class Lane:
    """cgroups, systemd: as for Machine. tests: paths for pytest; expression: its -k, or ""."""

    def __init__(self, cgroups: str, *, systemd: bool, tests: list[str], expression: str = "") -> None:
        self.cgroups = cgroups
        self.systemd = systemd
        self.tests = tests
        self.expression = expression


LANES = {
    "v2": Lane("v2", systemd=False, tests=["tests/vm/v2"]),
    "systemd": Lane("v2", systemd=True, tests=["tests/vm/systemd"]),
    "hybrid": Lane("hybrid", systemd=True, tests=["tests/vm/hybrid"]),
}


def main() -> int:
    arguments = sys.argv[1:]
    extra: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, extra = arguments[:at], arguments[at + 1 :]
    parser = argparse.ArgumentParser(prog="./dev vm", description=__doc__, add_help=True)
    parser.add_argument("lanes", nargs="*", metavar="LANE", help=" ".join(LANES))
    parser.add_argument("--quick", action="store_true", help="leave out what is marked slow")
    parser.add_argument("--command", help="run this in the machine instead of pytest")
    parser.add_argument("--timeout", type=float, default=1800, metavar="SECONDS", help="for one lane")
    options = parser.parse_args(arguments)
    unknown = set(options.lanes) - LANES.keys()
    if unknown:
        parser.error(f"no such lane: {', '.join(unknown)}; there are {' '.join(LANES)}")
    parts = _parts()
    failed = []
    for name in options.lanes or LANES:
        begin = time.monotonic()
        print(f"vm: lane {name}", flush=True)
        command = (
            ["sh", "-c", options.command] if options.command else _pytest(LANES[name], options.quick, extra)
        )
        status = _run(LANES[name], parts, command, options.timeout)
        print(f"vm: lane {name}: exit status {status}, {time.monotonic() - begin:.0f} s", flush=True)
        if status:
            failed.append((name, status))
    if failed and len(options.lanes) != 1:
        print("vm: failed: " + ", ".join(name for name, _ in failed))
    return failed[0][1] if failed else 0


def _parts() -> Path:
    made = subprocess.run(["bash", str(HERE / "build.sh")], stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        sys.exit(made.returncode)
    return Path(made.stdout.strip())


def _pytest(lane: Lane, quick: bool, extra: list[str]) -> list[str]:
    command = ["env", "TARE_VM=1", *PYTEST]
    if quick:
        command += ["-m", "not slow"]
    if lane.expression:
        command += ["-k", lane.expression]
    return command + (extra if any(not word.startswith("-") for word in extra) else [*extra, *lane.tests])


def _run(lane: Lane, parts: Path, command: list[str], timeout_s: float) -> int:
    # Compiled here once, and not in the machine again and again.
    subprocess.run([sys.executable, "-m", "compileall", "-q", ROOT / "runtime/tare_runtime"], check=True)
    with tempfile.TemporaryDirectory(prefix="tare-vm.") as scratch:
        job = Path(scratch) / "job.tar"
        _pack(job)
        machine = Machine(parts, cgroups=lane.cgroups, systemd=lane.systemd)
        return machine.run(command, str(ROOT), job, timeout_s)


def _pack(job: Path) -> None:
    """This checkout as it is, compiled parts and virtual environment included, at its own path."""
    packages = next((ROOT / ".venv/lib").glob("python3.*/site-packages"))

    def chosen(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        path = Path("/", entry.name)
        if path.parent == packages and (path.name.startswith(LEFT_OUT) or "__mypyc" in path.name):
            return None
        if path == ROOT / ".venv/bin/ruff":
            return None
        if path.parent == ROOT and path.name in (".git", "build", ".hypothesis", *_CACHES):
            return None
        entry.uid = entry.gid = 0
        return entry

    with tarfile.open(job, "w") as archive:
        archive.add(ROOT, filter=chosen)


_CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache")


if __name__ == "__main__":
    if not shutil.which("qemu-system-x86_64"):
        sys.exit("vm: there is no qemu-system-x86_64: ./dev vm installs it")
    sys.exit(main())
