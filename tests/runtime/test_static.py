"""The one-file command: what only it can get wrong. (The other tests are run with it as a whole.)"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.support.runtime import make_bundle, unique_id

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "build/static/tare-runtime"
MEGABYTE = 1 << 20

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 only")]


def segments(path: Path) -> list[tuple[int, int]]:
    """(type, flags) of each program header."""
    data = path.read_bytes()
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return [struct.unpack_from("<II", data, offset + size * index) for index in range(count)]


def test_it_is_one_static_program_with_no_segment_both_writable_and_executable() -> None:
    kinds = segments(STATIC)
    assert 3 not in {kind for kind, _flags in kinds}, "PT_INTERP: it wants a dynamic loader"
    assert all(flags & 3 != 3 for _kind, flags in kinds)
    assert STATIC.stat().st_blocks * 512 <= 12 * MEGABYTE


def test_it_runs_a_container_in_a_root_that_has_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "root"
    bundle = make_bundle(root / "bundle", "echo", "hello from nothing")
    shutil.copy(STATIC, root / "tare-runtime")
    for folder in ("proc", "sys/fs/cgroup", "run", "dev"):
        (root / folder).mkdir(parents=True)
    (root / "dev/null").touch()
    inside = f"""
        mount --bind {root} {root} && mount --rbind /sys/fs/cgroup {root}/sys/fs/cgroup &&
        mount --bind /dev/null {root}/dev/null &&
        mount --rbind /proc {root}/proc && mount --rbind {bundle} {root}/bundle && cd {root} && mkdir old &&
        pivot_root . old && exec /tare-runtime run --bundle /bundle {unique_id("alone")}
    """
    done = subprocess.run(["unshare", "-m", "sh", "-c", inside], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "hello from nothing\n"), done.stderr


def test_it_takes_no_python_from_where_it_is_called(tmp_path: Path) -> None:
    for name in ("posix.py", "click.py", "tare_runtime.py", "sitecustomize.py", "shutil.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the host')")
    trace = tmp_path / "trace"
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path), "PYTHONSTARTUP": "click.py"}
    command = [
        "strace",
        "-f",
        "-e",
        "trace=open,openat,openat2,execve",
        "-o",
        str(trace),
        str(STATIC),
        "--help",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Usage:" in done.stdout, done.stderr
    opened = [line for line in trace.read_text().splitlines() if "open" in line]
    assert not [line for line in opened if ".py" in line or "/lib/" in line or str(tmp_path) in line]


@pytest.mark.parametrize("verb", ["--help", "features", "list", "--version"])
def test_its_environment_and_directory_are_those_of_the_caller(tmp_path: Path, verb: str) -> None:
    bare = subprocess.run([STATIC, verb], env={}, cwd=tmp_path, capture_output=True, text=True)
    full = subprocess.run(
        [STATIC, verb], env={f"V{n}": "x" * n for n in range(2000)}, capture_output=True, text=True
    )
    assert bare.returncode == full.returncode == 0, bare.stderr + full.stderr
    assert bare.stdout == full.stdout


@pytest.mark.parametrize("verb", ["--version", "features", "--help"])
def test_it_asks_for_no_more_than_a_plain_x86_64(verb: str) -> None:
    """The C library of the machine that built it had chosen routines for that machine's processor."""
    plain = ["qemu-x86_64-static", "-cpu", "qemu64", str(STATIC), verb]
    done = subprocess.run(plain, capture_output=True, text=True, timeout=120)
    here = subprocess.run([STATIC, verb], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, here.stdout), done.stderr


def test_the_environment_reaches_the_code(tmp_path: Path) -> None:
    drop = [
        "setpriv",
        "--reuid",
        "65534",
        "--clear-groups",
        str(tmp_path / "tare-runtime"),
        "state",
        "nobody",
    ]
    shutil.copy(STATIC, tmp_path)
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    unset = subprocess.run(drop, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert "XDG_RUNTIME_DIR is not set" in unset.stderr
    given = subprocess.run(
        drop,
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": "/somewhere"},
        capture_output=True,
        text=True,
    )
    assert "XDG_RUNTIME_DIR is not set" not in given.stderr
    assert "does not exist" in given.stderr


def test_ids_of_two_commands_at_once_are_their_own(tmp_path: Path) -> None:
    """Process ids, times and random names are not those of the process that was kept."""
    bundle = make_bundle(tmp_path / "bundle", "sh", "-c", "echo $$")
    ids = [unique_id("twice") for _ in range(2)]
    root = tmp_path / "state"
    for id in ids:
        config = json.loads((bundle / "config.json").read_text())
        config["linux"]["cgroupsPath"] = f"/{id}"
        (bundle / "config.json").write_text(json.dumps(config))
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [STATIC, "--root", root, "create", "--bundle", bundle, id]
        assert subprocess.run(command, **streams).returncode == 0  # type: ignore[call-overload]
    states = [json.loads(subprocess.check_output([STATIC, "--root", root, "state", id])) for id in ids]
    for id in ids:
        subprocess.run([STATIC, "--root", root, "delete", "--force", id], check=True)
    assert states[0]["pid"] != states[1]["pid"]
    assert states[0]["created"] != states[1]["created"]
