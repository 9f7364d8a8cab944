"""A long-lived process that runs one container for each line it is sent: the in-process API's subject."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.timing import HERE, RunFailed, Sample


class Worker:
    """Runs containers of one bundle by `import tare_runtime`. Its own start is in no sample."""

    def __init__(self, bundle: Path, root: Path) -> None:
        self._argv = [sys.executable, str(HERE / "inprocess_child.py"), str(bundle), str(root)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, container: str) -> Sample:
        """Run one container. Wall clock: from asking to the answer. Raises: RunFailed."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None and pipe_out is not None
        began = time.perf_counter()
        try:
            pipe_in.write(container + "\n")
            pipe_in.flush()
        except BrokenPipeError:
            pass
        answer = pipe_out.readline().split()
        wall_ms = (time.perf_counter() - began) * 1000
        if not answer or answer[0] != "0":
            raise RunFailed(f"in-process run: {' '.join(answer) or self._last_words()}")
        return Sample(wall_ms, float(answer[1]) / 1000)

    def _last_words(self) -> str:
        stderr = self._process.stderr
        return stderr.read()[-600:].strip() if stderr else ""
