"""Faults at chosen points of a command: a signal or an error at the Nth call of a system call, by strace."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.bundles import Bundle


def faulty(
    bundle: Bundle,
    call: str,
    fault: str,
    *args: str,
    nth: int = 1,
    follow: bool = False,
    path: str = "",
    stdin: int = subprocess.DEVNULL,
) -> subprocess.CompletedProcess[str]:
    """Run a command of the runtime in which the `nth` call of `call` meets `fault`.

    fault: "signal=KILL", "error=ENOSPC" …; a signal comes at the entry of the call, which is not made then.
    Without `follow` only the runtime's own process is meant, with it all that come of it; the count is for
    each process by itself. path: only calls on that path count.
    """
    bundle.write()
    errors = bundle.path / "faulty.err"
    words = ["strace", "-qq", "-o", "/dev/null", *(["-f"] if follow else []), *(["-P", path] if path else [])]
    words += ["-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={nth}", *bundle.command(*args)]
    with errors.open("w") as stderr:
        streams = {"stdin": stdin, "stdout": subprocess.DEVNULL, "stderr": stderr}
        code = subprocess.run(words, cwd=bundle.path, timeout=60, **streams).returncode  # type: ignore[call-overload]
    text = errors.read_text()
    errors.unlink()
    return subprocess.CompletedProcess(list(args), code, "", text)


def processes_of(bundle: Bundle) -> Iterator[int]:
    """Processes in the container's cgroups, or with its root among their mounts."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                text = Path(f"/proc/{name}/cgroup").read_text() + Path(f"/proc/{name}/mountinfo").read_text()
            except OSError:
                continue
            if bundle.id in text or str(bundle.rootfs) in text:
                yield int(name)


def everything_left(bundle: Bundle, timeout_s: float = 5) -> list[str]:
    """What a container has left behind, its processes included, once those had time to end."""
    end = time.monotonic() + timeout_s
    while (pids := list(processes_of(bundle))) and time.monotonic() < end:
        time.sleep(0.01)
    known = {"rootfs", "state", "config.json", "create.err", "pid", "hold"}
    files = [str(path) for path in bundle.path.iterdir() if path.name not in known]
    return [f"process {pid}" for pid in pids] + bundle.leftovers() + files


@contextmanager
def running(bundle: Bundle, *args: str) -> Iterator[int]:
    """The bundle's container, running `args`; gives its pid."""
    assert bundle.args(*args).create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    yield bundle.state()["pid"]
