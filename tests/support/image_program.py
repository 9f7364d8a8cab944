"""`tare-image` as its user runs it, in surroundings of its own, and what a good failure looks like."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tare_imagetools import cli

from tests.support.programs import TARE_IMAGE


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str
    seconds: float


class Surroundings:
    """A home, a folder for temporary files and a place for results, all below `base`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.home, self.temporary, self.target = base / "home", base / "tmp", base / "target"
        for folder in (self.home, self.temporary, self.target):
            folder.mkdir()

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
        own = {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "TARE_STORE": str(self.target / "store"),
        }
        return kept | own

    def run(self, *arguments: str, timeout: float = 60) -> Done:
        started = time.monotonic()
        done = subprocess.run(
            [TARE_IMAGE, *arguments],
            env=self.environment(),
            cwd=self.base,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def run_here(self, *arguments: str) -> Done:
        """The same inside this process: no second of start-up. For commands that should succeed."""
        started, code = time.monotonic(), 0
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment(), clear=True),
            mock.patch("tempfile.tempdir", None),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                cli.main(list(arguments))
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
        return Done(code, out.getvalue(), err.getvalue(), time.monotonic() - started)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [TARE_IMAGE, *arguments],
            env=self.environment(),
            cwd=self.base,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stray_files(self) -> list[str]:
        """Whatever a failure should not have left: temporary files, half blobs, files nobody asked for."""
        found = [str(path) for path in self.temporary.rglob("*")]
        for path in (*self.target.rglob("*"), *self.home.rglob("*")):
            if path.is_file() and not is_expected(path):
                found.append(str(path.relative_to(self.base)))
        return found


EXPECTED = ("oci-layout", "index.json", "graph.db", "graph.db-wal", "graph.db-shm", "lock", ".lock")


def is_expected(path: Path) -> bool:
    if path.parent.parent.name == "blobs":
        whole = hashlib.new(path.parent.name, path.read_bytes()).hexdigest() == path.name
        return whole and path.parent.name in ("sha256", "sha512")
    return path.name in EXPECTED


def assert_clear_failure(done: Done, *phrases: str) -> None:
    """One message that names what was tried, on what and why, and a hint; no trace of the machinery."""
    assert done.code not in (0, -9), done
    assert done.code < 128, done
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("tare-image: ")]
    hints = [line for line in lines if line.startswith("hint: ")]
    assert len(errors) == 1, done.stderr
    assert len(hints) == 1, done.stderr
    assert len(lines) == 2, done.stderr
    assert all(len(line) < 600 for line in lines), done.stderr
    for phrase in phrases:
        assert phrase in errors[0] or phrase in hints[0], (phrase, done.stderr)
