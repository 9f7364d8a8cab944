"""Running a client's command line, through pipes or on a terminal, and keeping what it did."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 60
PROMPT = b"ready> "


@dataclass(frozen=True)
class Outcome:
    """How a command ended. On a terminal both streams are in `out`."""

    code: int
    out: str
    err: str


def execute(
    argv: list[str], *, stdin: bytes = b"", env: dict[str, str] | None = None, folder: Path | None = None
) -> Outcome:
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, env=env, cwd=folder, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as late:
        return Outcome(-1, _text(late.stdout), f"{_text(late.stderr)}\nstill running after {TIMEOUT_S} s")
    return Outcome(done.returncode, _text(done.stdout), _text(done.stderr))


def execute_on_terminal(
    argv: list[str], *, rows: int, columns: int, typed: bytes = b"", env: dict[str, str] | None = None
) -> Outcome:
    """Run ARGV as a session leader on a new terminal of that size; type TYPED when it has shown PROMPT."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with subprocess.Popen(
        argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
    ) as process:
        os.close(slave)
        try:
            out = _read_to_end(master, process, typed)
        finally:
            os.close(master)
    return Outcome(process.returncode, out.decode(errors="replace").replace("\r", ""), "")


def _read_to_end(master: int, process: subprocess.Popen[bytes], typed: bytes) -> bytes:
    """All that is written to the terminal until its last user is gone."""
    out = b""
    until = time.monotonic() + TIMEOUT_S
    while True:
        ready, _, _ = select.select([master], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            process.kill()
            return out + b"\nstill running when its time was up"
        try:
            data = os.read(master, 65536)
        except OSError:  # EIO: the other side is closed
            return out
        if not data:
            return out
        out += data
        if typed and PROMPT in out:
            os.write(master, typed)
            typed = b""


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")
