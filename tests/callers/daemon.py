"""Private daemons: started in a scratch folder, and every trace of them removed at the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

READY_S = 30


class NotReady(Exception):
    """A daemon did not answer in time; the message ends with its log."""


def start(argv: list[str], log: Path, ready: Callable[[], bool]) -> subprocess.Popen[bytes]:
    """Start ARGV with its output in LOG and return when READY says so. Raises: NotReady."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        if ready():
            return process
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise NotReady(
        f"{' '.join(argv)}: not ready after {READY_S} s:\n{log.read_text(errors='replace')[-2000:]}"
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def sweep(scratch: Path, cgroup: str) -> list[str]:
    """End what still runs from SCRATCH, unmount what is mounted there, remove it and our cgroup.

    Returns a line for each process and mount that should not have been there any more.
    SCRATCH is a fresh temporary folder, so a command line that names it is one of ours.
    """
    left = []
    for pid, command in _processes_of(scratch):
        left.append(f"process {pid}: {command}")
        _kill(pid)
    for target in reversed(
        [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    ):
        if target.startswith(f"{scratch}/"):
            left.append(f"mount {target}")
            subprocess.run(["umount", "--lazy", target], capture_output=True)
    for hierarchy in Path("/sys/fs/cgroup").iterdir():
        _remove_cgroup(hierarchy / cgroup)
    shutil.rmtree(scratch, ignore_errors=True)
    return left


def _processes_of(scratch: Path) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{scratch}/" in command:
            yield int(folder.name), command.strip()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.02)


def _remove_cgroup(folder: Path) -> None:
    if not folder.is_dir():
        return
    for inner, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(inner)
        except OSError:
            continue
