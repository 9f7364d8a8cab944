"""`./dev build-static`: the runtime as one static executable, build/static/tare-runtime.

Links the interpreter's static library (Debian's libpython3-dev), the backend of cffi, simplejson's scanner,
libseccomp and the C core into a program; has it import the runtime's modules; and keeps that process as a
file (csrc/snapshot). The interpreter that runs this script must be of the library's version.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from pathlib import Path

import store

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from hatch_build import (  # noqa: E402  the other half of the build, beside us in the root
    WARN,
    run,
    sources_in,
)

RUNTIME = ROOT / "runtime"
OUT = ROOT / "build/static"
TARGET = OUT / "tare-runtime"
CSRC = RUNTIME / "csrc"

OUR_FOLDERS = ("core", "record", "seccomp", "snapshot")
OPTIMISE = [
    "-O2",
    "-fno-pie",
    "-fstack-protector-strong",
    "-D_GNU_SOURCE",
    "-ffunction-sections",
    "-fdata-sections",
]
LIBRARIES = ["-l:libseccomp.a", "-l:libffi.a", "-l:libz.a", "-lm"]

# The C library chooses its copying routines by the processor, once; the file must run on any. And the kernel
# knows nothing of a restartable sequence that another process has registered.
FEATURES = (
    "AVX512F AVX512VL AVX512BW AVX2 AVX BMI1 BMI2 FMA FMA4 ERMS FSRM LZCNT MOVBE RTM POPCNT SSSE3 SSE4_1"
    " SSE4_2 XSAVE XSAVEC Fast_Unaligned_Copy AVX_Fast_Unaligned_Load Prefer_No_VZEROUPPER"
)
PLAIN_PROCESSOR = ",".join(f"-{feature}" for feature in FEATURES.split())
TUNABLES = f"glibc.pthread.rseq=0:glibc.cpu.hwcaps={PLAIN_PROCESSOR}"


class CannotBuild(Exception):
    """This machine lacks something for the one-file command; str() says what."""


def inputs() -> list[Path]:
    """Everything of ours that the file is made of."""
    folders = [RUNTIME / "tare_runtime", CSRC, RUNTIME / "static"]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in KINDS]
    return sorted({*files, ROOT / "hatch_build.py"})


KINDS = {".py", ".c", ".h", ".S", ".cdef", ".txt"}


def fingerprint() -> str:
    """Changes with any of `inputs`, and with the interpreter's and the C library's versions."""
    digest = hashlib.sha256(f"{sys.version} {os.confstr('CS_GNU_LIBC_VERSION')}".encode())
    for path in inputs():
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def is_current() -> bool:
    stamp = OUT / "stamp"
    return TARGET.exists() and stamp.exists() and stamp.read_text() == fingerprint()


def library() -> Path:
    """The interpreter's static library. Raises: CannotBuild."""
    if os.uname().machine != "x86_64":
        raise CannotBuild("the snapshot knows x86-64 only")
    folder = sysconfig.get_config_var("LIBPL") or ""
    path = Path(folder) / f"libpython{sysconfig.get_config_var('VERSION')}.a"
    if not path.exists():
        raise CannotBuild(
            f"there is no {path}: it comes with Debian's libpython3-dev, for its own interpreter"
        )
    return path


def fetch() -> dict[str, Path]:
    """Name → unpacked source of each library in sources.txt; downloaded once, verified by pip."""
    wanted = RUNTIME / "static/sources.txt"
    folder = OUT / f"sources-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]}"
    if not folder.exists():
        fresh = folder.with_suffix(f".{os.getpid()}")
        run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:",
             "--require-hashes", "-r", str(wanted), "-d", str(fresh)])  # fmt: skip
        for archive in fresh.glob("*.tar.gz"):
            run(["tar", "-xzf", str(archive), "-C", str(fresh), "--no-same-owner"])
        fresh.rename(folder)
    return {path.name.rpartition("-")[0]: path for path in folder.iterdir() if path.is_dir()}


def compile_c(source: Path, target: Path, flags: list[str]) -> str:
    cc = os.environ.get("CC", "cc")
    run([cc, *OPTIMISE, *flags, f"-I{sysconfig.get_path('include')}", "-c", str(source), "-o", str(target)])
    return str(target)


def objects(sources: dict[str, Path]) -> list[str]:
    """Compile everything that is not a library already."""
    made = []
    for source in (
        sources["cffi"] / "src/c/_cffi_backend.c",
        sources["simplejson"] / "simplejson/_speedups.c",
    ):
        target = source.with_suffix(".o")
        made.append(str(target) if target.exists() else compile_c(source, target, []))
    include = [f"-I{CSRC}", f"-I{OUT}", *(f"-I{CSRC / folder}" for folder in OUR_FOLDERS)]
    for name in ("_core", "_libseccomp"):  # the wrappers that cffi wrote when the extensions were built
        flags = ["-DPy_LIMITED_API=0x030b0000", *include]
        made.append(compile_c(ROOT / f"build/{name}.c", OUT / f"{name}.o", flags))
    for folder in OUR_FOLDERS:
        for source in map(Path, sources_in(f"runtime/csrc/{folder}")):
            made.append(compile_c(source, OUT / f"{folder}-{source.stem}.o", [*WARN, *include]))
    contents = [f'-DINIT="{RUNTIME}/tare_runtime/init"', f'-DSTORE="{OUT}/store"']
    made.append(compile_c(CSRC / "snapshot/contents.S", OUT / "contents.o", contents))
    return made


def build() -> Path:
    """Make the file anew; returns its path. Raises: CannotBuild."""
    python = library()
    OUT.mkdir(parents=True, exist_ok=True)
    sources = fetch()
    sys.path[:0] = [str(RUNTIME), str(sources["simplejson"])]
    standard = sysconfig.get_path("stdlib")
    store.write_bootstrap(Path(standard), OUT / "bootstrap.inc")
    store.write("tare_runtime", OUT / "modules", OUT / "store")
    seed, fresh = OUT / "seed", OUT / "tare-runtime.new"
    cc = os.environ.get("CC", "cc")
    run([cc, "-static", "-no-pie", "-Wl,--gc-sections", "-Wl,-z,relro,-z,now", "-s", "-o", str(seed),
         *objects(sources), str(python), *LIBRARIES])  # fmt: skip
    tuned = ["env", "-i", f"GLIBC_TUNABLES={TUNABLES}"]
    run([*tuned, str(seed), str(RUNTIME / "static/seed.py"), str(OUT / "modules"), standard, str(fresh)])
    fresh.replace(TARGET)
    (OUT / "stamp").write_text(fingerprint())
    return TARGET


if __name__ == "__main__":
    try:
        if not is_current():
            print("building", build())
    except CannotBuild as reason:
        raise SystemExit(f"build-static: {reason}") from None
