"""The runtime as a process, through the command line that runc-like runtimes share."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tare_shim.errors import RuntimeRefused, ShimError

FORWARDED = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
Capture = Callable[[int, int, int], None]
SI_KERNEL = 0x80  # siginfo's si_code when a terminal sent it: asm-generic/siginfo.h


def runtime_command(program: str | None, root: str | None) -> tuple[str, ...]:
    """The runtime's program (ours, beside this interpreter, by default) with its root option."""
    name = program or "tare-runtime"
    beside = Path(sys.executable).parent / name
    found = str(beside) if program is None and beside.exists() else shutil.which(name)
    if not found:
        raise ShimError(
            f"find the runtime {name!r}: it is not on PATH", "--runtime or TARE_RUNTIME names another"
        )
    return (found, "--root", root) if root else (found,)


class Runtime:
    def __init__(self, command: tuple[str, ...]) -> None:
        self.command = list(command)

    def call(self, arguments: list[str], *, stdio: dict[str, int] | None = None) -> None:
        """A verb that leaves no process of its own running. Raises: RuntimeRefused with what it said.

        `stdio`: what the container inherits, for `create`; without it the output is the message.
        """
        with tempfile.TemporaryDirectory(prefix="tare-") as folder:
            log = Path(folder, "log")
            command = [*self.command, "--log", str(log), "--log-format", "json", *arguments]
            given = stdio or {
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
            }
            with subprocess.Popen(command, **given) as child:  # type: ignore[call-overload]
                _, errors = child.communicate()
            if child.returncode:
                said = logged_error(log) or (errors or b"").decode(errors="replace").strip()
                raise RuntimeRefused(said or f"{' '.join(arguments)}: status {child.returncode}")

    def status(self, container_id: str) -> str:
        """created, running, paused or stopped; "" where the runtime does not know it."""
        command = [*self.command, "state", container_id]
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            return ""
        return str(json.loads(done.stdout)["status"])

    def discard(self, container_id: str) -> None:
        """Kill it if it runs, and let the runtime forget it. That it does not know it is no error."""
        self.call(["delete", "--force", container_id])

    def attached(
        self,
        arguments: list[str],
        *,
        stdin: int | None,
        capture: Capture | None = None,
    ) -> int:
        """`run` or `exec` in the foreground: its exit status, signals handed on meanwhile.

        `capture` is called in a thread with descriptors of standard output and error, which become its
        own, and of the process.
        Raises: RuntimeRefused where the runtime failed and not the container's process.
        """
        with tempfile.TemporaryDirectory(prefix="tare-") as folder:
            log = Path(folder, "log")
            command = [*self.command, "--log", str(log), "--log-format", "json", *arguments]
            status = wait_forwarding(command, stdin, capture)
            if status and (said := logged_error(log)):
                raise RuntimeRefused(said, shown=True)
        return status


def logged_error(log: Path) -> str:
    """The last error of a log of JSON lines; "" where there is none."""
    if not log.exists():
        return ""
    entries = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return next((str(entry["msg"]) for entry in reversed(entries) if entry.get("level") == "error"), "")


def wait_forwarding(command: list[str], stdin: int | None, capture: Capture | None) -> int:
    """Run a command to its end; what it returned, 128 + S where signal S ended it.

    Signals are handed on, but for those a terminal sends: it sends them to the child as well.
    """
    import threading

    out, out_end = os.pipe() if capture else (-1, None)
    err, err_end = os.pipe() if capture else (-1, None)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGCHLD})
    try:
        child = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=out_end,
            stderr=err_end,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before),
        )
        pump_thread = None
        if capture and out_end is not None and err_end is not None:
            os.close(out_end)
            os.close(err_end)
            ended = os.pidfd_open(child.pid)
            pump_thread = threading.Thread(target=capture, args=(out, err, ended))
            pump_thread.start()
        while child.poll() is None:
            info = signal.sigwaitinfo({*FORWARDED, signal.SIGCHLD})
            if info.si_signo != signal.SIGCHLD and info.si_code != SI_KERNEL:
                child.send_signal(info.si_signo)
        if pump_thread:
            pump_thread.join()
            os.close(ended)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode
