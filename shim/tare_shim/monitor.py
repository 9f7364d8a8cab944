"""The process that looks after a detached container: `python -m tare_shim.monitor STORE RECORD LOCK READY`.

It creates and starts the container, moves its output to the log, waits for its end, clears the runtime's
state and the root filesystem away, and writes the exit status down last: who sees it sees nothing else left.
It is a subreaper (prctl(2)): the container's process is a grandchild whose parent, the runtime, has ended.

STORE and RECORD are folders. LOCK and READY are descriptors: the record's lock, which shows that somebody is
in charge, and a pipe on which one JSON object tells the caller how the start went.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tare_shim.container_log import LogWriter, pump
from tare_shim.errors import RuntimeRefused
from tare_shim.images import clear_rootfs
from tare_shim.records import Record, Records
from tare_shim.runtime import Runtime

PR_SET_CHILD_SUBREAPER = 36


def start_monitor(record: Record, lock: int, store: Path) -> None:
    """Start one and wait until the container runs. Raises: RuntimeRefused; nothing of it runs then."""
    ready, theirs = os.pipe()
    command = [
        sys.executable,
        "-I",
        "-m",
        "tare_shim.monitor",
        str(store),
        str(record.path),
        str(lock),
        str(theirs),
    ]
    with open(record.path / "monitor.log", "ab") as errors:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(lock, theirs),
            start_new_session=True,
            cwd="/",
        )
    os.close(theirs)
    with open(ready, "rb") as file:
        answer = file.read()
    if answer == b"{}":
        child.returncode = 0  # it is meant to outlive us: nobody here waits for it
        return
    child.wait()
    said = json.loads(answer)["error"] if answer else (record.path / "monitor.log").read_text().strip()
    raise RuntimeRefused(said or "watch the container: the monitor was killed")


def main(arguments: list[str]) -> None:
    store, path, _, ready = Path(arguments[0]), Path(arguments[1]), int(arguments[2]), int(arguments[3])
    record = Record(path)
    facts = record.facts
    runtime = Runtime(facts.runtime)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "become a subreaper")
    with ExitStack() as stack:
        try:
            sources, pid = create(record, runtime, facts.id, tty=facts.tty)
            runtime.call(["start", facts.id])
        except RuntimeRefused as error:
            runtime.discard(facts.id)
            os.write(ready, json.dumps({"error": str(error)}).encode())
            return
        os.write(ready, b"{}")
        os.close(ready)
        log = LogWriter(record.log, facts.log_bytes)
        stack.callback(log.close)
        ended = os.pidfd_open(pid)
        stack.callback(os.close, ended)
        pump(sources, log.write, ended)
        if log.failed:
            print(f"write the log: {log.failed}", file=sys.stderr)
    _, wait_status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(wait_status)
    finish(record, runtime, store, code if code >= 0 else 128 - code)


def create(record: Record, runtime: Runtime, container_id: str, *, tty: bool) -> tuple[dict[int, str], int]:
    """Create the container; descriptors of its output by stream, and its pid."""
    pid_file = record.path / "pid"
    arguments = ["create", "--bundle", str(record.bundle), "--pid-file", str(pid_file)]
    if tty:
        master = create_with_console(runtime, arguments, container_id)
        sources = {master: "stdout"}
    else:
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        try:
            stdio = {"stdin": subprocess.DEVNULL, "stdout": out_end, "stderr": err_end}
            runtime.call([*arguments, container_id], stdio=stdio)
        finally:
            os.close(out_end)
            os.close(err_end)
        sources = {out: "stdout", err: "stderr"}
    return sources, int(pid_file.read_text())


def create_with_console(runtime: Runtime, arguments: list[str], container_id: str) -> int:
    """The other end of the container's terminal, as the runtime sends it over a socket."""
    with tempfile.TemporaryDirectory(prefix="tare-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder, "console"))  # a short one: sun_path holds 107 bytes
        listener.bind(path)
        listener.listen(1)
        runtime.call([*arguments, "--console-socket", path, container_id])
        connection, _ = listener.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
    return fds[0]


def finish(record: Record, runtime: Runtime, store: Path, status: int) -> None:
    facts = record.facts
    runtime.discard(facts.id)
    clear_rootfs(store, facts.driver, facts.id)
    record.write_exit(status)
    if facts.remove:
        Records(store).remove(record)


if __name__ == "__main__":
    main(sys.argv[1:])
