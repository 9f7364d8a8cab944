"""The one cached file of the hot path: made when it is missing, believed only while it is true."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHED = f"__pycache__/tare-runtime.{sys.implementation.cache_tag}.pyc"
MISSING = ["--root", "/nowhere/to/be/found", "state", "nobody"]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that has been run once, as site-packages holds it."""
    copy = tmp_path / "site-packages/tare_runtime"
    shutil.copytree(ROOT / "runtime/tare_runtime", copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert run(copy / "__main__.py").returncode == 1
    assert (copy / CACHED).exists()
    return copy


def run(script: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", "-S", "-X", "utf8", *flags, str(script), *MISSING]
    return subprocess.run(argv, capture_output=True, text=True)


def test_what_a_verb_needs_comes_as_one_batch_and_not_through_the_finders(package: Path) -> None:
    said = run(package / CACHED, "-X", "importtime").stderr
    found = set(re.findall(r"\| +(tare_runtime[.\w]*)$", said, re.MULTILINE))
    assert "container does not exist" in said
    assert found <= {"tare_runtime.log"}, "loaded one by one: add it to the batch in onefile_write"


def test_a_changed_source_is_seen_and_the_file_made_anew(package: Path) -> None:
    before = (package / CACHED).read_bytes()
    errors = package / "errors.py"
    errors.write_text(
        errors.read_text().replace("container does not exist", "no container of that name here")
    )
    assert "no container of that name here" in run(package / CACHED).stderr
    assert (package / CACHED).read_bytes() != before
    assert "no container of that name here" in run(package / CACHED).stderr


def test_a_source_that_is_gone_is_an_error_and_not_run_from_memory(package: Path) -> None:
    (package / "errors.py").unlink()
    done = run(package / CACHED)
    assert done.returncode != 0
    assert "tare_runtime.errors" in done.stderr


def test_the_script_and_the_cached_file_say_the_same(package: Path) -> None:
    script, cached = run(package / "__main__.py"), run(package / CACHED)
    assert (script.returncode, script.stdout, script.stderr) == (
        cached.returncode,
        cached.stdout,
        cached.stderr,
    )
