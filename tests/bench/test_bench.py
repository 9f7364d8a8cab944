"""`./dev bench` from end to end, with as few runs as can be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
FEW = ["--rounds", "2", "--only", "run", "version"]

pytestmark = [
    pytest.mark.root,
    pytest.mark.peer,
    pytest.mark.skipif(os.geteuid() != 0, reason="starts containers: needs root"),
]


def bench(
    out: Path, *arguments: str, path: str | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(ROOT / "bench/run.py"), "--out", str(out), *arguments]
    env = {**os.environ, "PATH": path or f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}
    return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=120)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    out = tmp_path_factory.mktemp("bench")
    done = bench(out, *FEW)
    assert done.returncode == 0, done.stderr
    yield done.stdout, out


def test_every_subject_is_timed_in_every_mode(measured: tuple[str, Path]) -> None:
    (document,) = [json.loads(path.read_text()) for path in measured[1].glob("*.json")]
    seen = {(row["figure"], row["mode"], row["subject"]) for row in document["times"]}
    subjects = ("tare-runtime", "crun", "runc")
    wanted = {("run", mode, name) for mode in ("isolated", "back-to-back", "loop") for name in subjects}
    assert wanted <= seen, document["notes"]
    assert all(0 < row["min_ms"] <= row["median_ms"] for row in document["times"])


def test_a_ratio_is_ours_divided_by_the_peers(measured: tuple[str, Path]) -> None:
    (document,) = [json.loads(path.read_text()) for path in measured[1].glob("*.json")]
    values = {(row["figure"], row["mode"], row["subject"]): row["median_ms"] for row in document["times"]}
    values |= {
        (f"CPU of {row['figure']}", row["mode"], row["subject"]): row["cpu_ms"] for row in document["times"]
    }
    for ratio in document["ratios"]:
        ours = values[ratio["figure"], ratio["mode"], "tare-runtime"]
        peers = values[ratio["figure"], ratio["mode"], ratio["peer"]]
        assert ratio["median"] == pytest.approx(ours / peers)
        if ratio["target"] is not None:
            assert ratio["verdict"] == ("pass" if ratio["median"] <= ratio["target"] else "miss")


def test_the_picture_has_a_bar_for_each_ratio(measured: tuple[str, Path]) -> None:
    (picture,) = [ElementTree.parse(path).getroot() for path in measured[1].glob("*.svg")]
    (document,) = [json.loads(path.read_text()) for path in measured[1].glob("*.json")]
    bars = picture.findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 1 + len(document["ratios"])  # the first one is the ground


def test_a_missing_subject_is_left_out_and_the_rest_measured(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("crun", "cc", "ld", "as", "unshare", "sh", "mount", "umount", "tar"):
        for folder in ("/usr/sbin", "/usr/bin"):
            if (Path(folder) / name).exists():
                (programs / name).symlink_to(Path(folder) / name)
    done = bench(tmp_path, "--rounds", "1", "--only", "run", path=str(programs), TARE_RUNTIME="/nowhere")
    assert done.returncode == 0, done.stderr
    assert "tare-runtime not installed" in done.stdout
    (document,) = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert {row["subject"] for row in document["times"]} == {"crun"}


def test_a_container_of_the_verbs_is_removed_when_one_of_them_fails(tmp_path: Path) -> None:
    wrapper = tmp_path / "runtime"
    program = Path(sys.executable).parent / "tare-runtime"
    wrapper.write_text(f'#!/bin/sh\ncase " $* " in *" start "*) exit 1;; esac\nexec {program} "$@"\n')
    wrapper.chmod(0o755)
    done = bench(tmp_path, "--rounds", "1", "--only", "verbs", TARE_RUNTIME=str(wrapper))
    assert done.returncode == 0, done.stderr
    assert "start, isolated: tare-runtime left out" in done.stdout
    assert not list(Path("/sys/fs/cgroup").glob("*/bench-*"))


def test_nothing_of_a_bench_is_left_mounted_or_lying_about(measured: tuple[str, Path]) -> None:
    assert "tare-bench" not in Path("/proc/self/mountinfo").read_text()
    assert measured[0]
