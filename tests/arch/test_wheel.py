"""The wheel as a stranger gets it: built from the sdist, installed where there is no compiler."""

from __future__ import annotations

import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.arch.source_tree import ROOT

pytestmark = pytest.mark.slow


def run(command: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done  # type: ignore[no-any-return]


def has_interpreter(program: Path) -> bool:
    """Whether a 64-bit little-endian ELF file asks for a dynamic loader (a PT_INTERP segment)."""
    data = program.read_bytes()
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return any(struct.unpack_from("<I", data, offset + size * index)[0] == 3 for index in range(count))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sdist → unpacked elsewhere → wheel: proves that the sdist lacks nothing the build needs."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)], cwd=ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    source = folder / "source"
    source.mkdir()
    run(["tar", "-xzf", str(sdist), "-C", str(source), "--strip-components=1"])
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    venv = tmp_path_factory.mktemp("venv")
    run(["/usr/bin/python3", "-m", "venv", str(venv)])
    # Only the venv's own programs are on PATH: whoever needs a compiler now fails.
    environment = {"PATH": f"{venv}/bin", "HOME": str(Path.home()), "LC_ALL": "C.UTF-8"}
    run([f"{venv}/bin/pip", "install", "-q", "--disable-pip-version-check", str(wheel)], env=environment)
    return venv


def test_every_top_level_name_is_one_of_ours(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    metadata = {name for name in tops if name.startswith("tare_oci-")}
    assert tops - metadata == {
        "tare_runtime",
        "tare_imagetools",
        "tare_spec",
        "tare_conformance",
        "tare_shim",
    }


def test_no_source_of_c_and_no_test_is_shipped(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        stray = [
            name for name in archive.namelist() if name.endswith((".c", ".h", ".cdef")) or "/tests/" in name
        ]
    assert not stray


def test_the_static_programs_keep_their_executable_bit(wheel: Path, installed: Path) -> None:
    package = installed / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    programs = [installed / "bin/tare-runtime"]
    if (ROOT / "runtime/tare_runtime/init").exists():
        programs.append(package / "tare_runtime/init")
    for program in programs:
        assert program.stat().st_mode & stat.S_IXUSR, program
        assert not has_interpreter(program), f"{program} is linked dynamically"


def test_the_commands_run_where_nothing_but_the_wheel_is(installed: Path) -> None:
    """An empty environment, no compiler, no PATH: the launcher finds the interpreter beside itself."""
    for command in (["tare-runtime", "--version"], ["tare-image", "--help"], ["tare", "--help"]):
        done = run([str(installed / "bin" / command[0]), *command[1:]], env={}, cwd="/")
        assert done.stdout.strip(), command


def test_modules_are_compiled_at_install(installed: Path) -> None:
    """A start without bytecode costs 14 ms more, for ever if the first user may not write there."""
    (package,) = installed.glob("lib/python3*/site-packages/tare_runtime")
    missing = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if not list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))
    ]
    assert not missing
