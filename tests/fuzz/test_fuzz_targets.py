"""Five seconds on each fuzz target: that it builds, runs, and survives what it has met before."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
TARGETS = sorted(script.parent.name for script in FOLDER.glob("*/build.sh"))


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("clang"), reason="fuzz targets need clang's libFuzzer")
@pytest.mark.parametrize("target", TARGETS)
def test_a_fuzz_target_survives_five_seconds(target: str) -> None:
    done = subprocess.run(
        ["bash", str(FOLDER / "run.sh"), target],
        env={**os.environ, "FUZZ_SECONDS": os.environ.get("FUZZ_SMOKE_SECONDS", "5")},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
