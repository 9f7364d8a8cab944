"""Build hook: compiles the C of the project with the system's compiler.

Makes, inside the packages, three cffi extensions (API mode, abi3), the static `init`, the static
conformance probe, and the static launcher that becomes the script `tare-runtime`: unless the one-file command
was built from these sources (runtime/static/link.py), which then takes its place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from cffi import FFI
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
WARN = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wvla", "-Wstrict-prototypes"]
SAFE = ["-O2", "-fstack-protector-strong", "-D_GNU_SOURCE"]

# extension module → (folders of its C, the first with its .cdef; what it links statically beside libc)
EXTENSIONS = {
    "tare_runtime._core": (["runtime/csrc/core", "runtime/csrc/record"], []),
    "tare_runtime._libseccomp": (["runtime/csrc/seccomp"], ["-l:libseccomp.a"]),
    "tare_imagetools._layer": (["imagetools/csrc/layer"], ["-lpthread"]),
}


def run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def static_compiler() -> list[str]:
    """musl's wrapper where it is installed (a tenth of glibc's start-up cost), else the plain compiler."""
    if shutil.which("musl-gcc"):
        triplet = sysconfig.get_config_var("MULTIARCH") or ""
        kernel_headers = ["-idirafter", "/usr/include", "-idirafter", f"/usr/include/{triplet}"]
        return ["musl-gcc", *kernel_headers]
    return [os.environ.get("CC", "cc")]


def build_extension(module: str, folders: list[str], libs: list[str], scratch: Path) -> None:
    """The first folder holds NAME.cdef (declarations), NAME.h and any number of .c files."""
    package, name = module.split(".")
    source = ROOT / folders[0]
    stem = name.lstrip("_")
    ffi = FFI()
    ffi.cdef((source / f"{stem}.cdef").read_text())
    ffi.set_source(module, f'#include "{stem}.h"\n', py_limited_api=True)
    wrapper = scratch / f"{name}.c"
    ffi.emit_c_code(str(wrapper))
    package_dir = ROOT / folders[0].split("/")[0] / package
    target = package_dir / f"{name}.abi3.so"
    include = sysconfig.get_path("include")
    sources = sources_in(*folders)
    flags = [*SAFE, *WARN, "-fPIC", "-shared", "-fvisibility=hidden", "-DPy_LIMITED_API=0x030b0000"]
    silence = ["-Wno-shadow", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]  # cffi's own output
    cc = os.environ.get("CC", "cc")
    run([cc, *flags, *silence, f"-I{include}", f"-I{source}", f"-I{source.parent}", "-o", f"{target}.new",
         str(wrapper), *sources, *libs, "-Wl,-z,now", "-s"])  # fmt: skip
    Path(f"{target}.new").replace(target)


def build_static(
    target: Path, sources: list[str], include: list[str], defines: list[str] | None = None
) -> None:
    flags = ["-static", "-Os", "-s", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
    run([*static_compiler(), *SAFE, *WARN, *flags, *(f"-I{ROOT / folder}" for folder in include),
         *(defines or []), "-o", f"{target}.new", *sources])  # fmt: skip
    Path(f"{target}.new").replace(target)


def sources_in(*folders: str) -> list[str]:
    return sorted(str(path) for folder in folders for path in (ROOT / folder).glob("*.c"))


def build_all(*, editable: bool) -> Path:
    """Compile everything; returns the path of the launcher."""
    scratch = ROOT / "build"
    scratch.mkdir(exist_ok=True)
    for module, (folders, libs) in EXTENSIONS.items():
        if sources_in(folders[0]):
            build_extension(module, folders, libs, scratch)
    init_sources = sources_in("runtime/csrc/init", "runtime/csrc/record")
    if init_sources:
        build_static(ROOT / "runtime/tare_runtime/init", init_sources, ["runtime/csrc"])
    if sources_in("conformance/probe"):
        build_static(ROOT / "conformance/tare_conformance/probe", sources_in("conformance/probe"), [])
    launcher = scratch / "tare-runtime"
    defines = [f'-DPYTHON_DIR="python{sys.version_info[0]}.{sys.version_info[1]}"']
    if editable:
        defines.append(f'-DCHECKOUT="{ROOT}"')
    build_static(launcher, [str(ROOT / "runtime/csrc/launcher.c")], ["runtime/csrc"], defines)
    return launcher


def one_file() -> Path | None:
    """The one-file command, if it was made from the sources as they are."""
    sys.path.insert(0, str(ROOT / "runtime/static"))
    try:
        import link

        return link.TARGET if link.is_current() else None
    except ImportError:
        return None
    finally:
        del sys.path[0]


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        launcher = build_all(editable=version == "editable")
        tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"{tag}-{tag}-{platform}"  # the launcher names the interpreter's lib folder
        program = None if version == "editable" else one_file()
        build_data["shared_scripts"][str(program or launcher)] = "tare-runtime"


if __name__ == "__main__":
    build_all(editable=True)
