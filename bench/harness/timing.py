"""What one run of a program costs, by the C timer beside this file."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "out"
_ANSWER = struct.Struct("=5q")


class RunFailed(Exception):
    """A subject's command ended otherwise than by 0; the message holds its last words."""


@dataclass(frozen=True)
class Sample:
    """One run: wall clock and CPU (user + system, with waited-for children) in ms, peak memory in KiB."""

    wall_ms: float
    cpu_ms: float
    peak_kib: int = 0

    def __add__(self, other: Sample) -> Sample:
        peak = max(self.peak_kib, other.peak_kib)
        return Sample(self.wall_ms + other.wall_ms, self.cpu_ms + other.cpu_ms, peak)


class Timer:
    """A running timer process. One command at a time; containers left behind become its children."""

    def __enter__(self) -> Self:
        OUT.mkdir(exist_ok=True)
        self._stderr = (OUT / "stderr.log").open("w+b")
        self._process = subprocess.Popen(
            [str(_build())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, bufsize=0
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()
        self._stderr.close()

    def run(self, argv: list[str]) -> Sample:
        """Run ARGV to its end. Raises: RunFailed when it does not exit 0."""
        sample, status = self.attempt(argv)
        if status != 0:
            raise RunFailed(f"{' '.join(argv)}: {_ended(status)}: {self._last_words()}")
        return sample

    def attempt(self, argv: list[str]) -> tuple[Sample, int]:
        """Run ARGV to its end; its cost and exit status (128 + signal; -errno when it did not start)."""
        self._stderr.seek(0)
        self._stderr.truncate()
        return self._ask(["r", *argv])

    def wait(self, pid: int) -> Sample:
        """Wait for the end of a process that a command left behind. Its exit status does not matter here."""
        return self._ask(["w", str(pid)])[0]

    def _ask(self, words: list[str]) -> tuple[Sample, int]:
        request = b"".join(word.encode() + b"\0" for word in words)
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        pipe_in.write(struct.pack("=I", len(request)) + request)
        answer = pipe_out.read(_ANSWER.size)
        if len(answer) != _ANSWER.size:
            raise RunFailed(f"{' '.join(words[1:])}: the timer died")
        wall_ns, user_us, sys_us, peak_kib, status = _ANSWER.unpack(answer)
        return Sample(wall_ns / 1e6, (user_us + sys_us) / 1e3, peak_kib), status

    def _last_words(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read()[-600:].decode(errors="replace").strip()


def _build() -> Path:
    source, binary = HERE / "timer.c", OUT / "timer"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(
            [
                "cc",
                "-O2",
                "-static",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-D_GNU_SOURCE",
                "-o",
                str(binary),
                str(source),
            ],
            check=True,
        )
    return binary


def _ended(status: int) -> str:
    if status < 0:
        return f"could not be started (errno {-status})"
    return f"killed by signal {status - 128}" if status > 128 else f"exit status {status}"
