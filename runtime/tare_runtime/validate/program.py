"""Whether the program of a bundle is there and can be executed: what execve(2) will say, said before."""

from __future__ import annotations

import posix

from tare_runtime.validate.findings import BUNDLE, HOST, Finding
from tare_runtime.validate.inside import Unknown, is_directory, locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

AT = "/process/args/0"
# e_machine of elf(5)
_MACHINES = {
    3: "x86", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64",
    243: "riscv", 258: "loongarch",
}  # fmt: skip
# uname's machine → what it runs
_RUNS = {
    "x86_64": ("x86_64", "x86"),
    "aarch64": ("aarch64", "arm"),
    "ppc64le": ("ppc64",),
    "riscv64": ("riscv",),
    "loongarch64": ("loongarch",),
}


def check_program(process: dict[str, Any], rootfs: str, covered: frozenset[str]) -> list[Finding]:
    """What stands in the way of process.args[0]."""
    name = process["args"][0]
    if not name:
        return [Finding(BUNDLE, AT, "the name is empty", "name the program to run")]
    try:
        path = _find(name, process, rootfs, covered)
    except Unknown:
        return []
    except OSError as error:
        reason = (error.strerror or "").lower()
        return [
            Finding(BUNDLE, AT, f"{name!r} in {rootfs}: {reason}", "check the path and the root file system")
        ]
    if path is None:
        paths = _search_path(process)
        problem = (
            f"executable file not found in $PATH: {name!r} is in none of {paths or 'nothing: PATH is empty'}"
        )
        return [Finding(BUNDLE, AT, problem, "give the full path, or set PATH in process.env")]
    if is_directory(path):
        return [Finding(BUNDLE, AT, f"{name!r} is a directory", "name a program in it")]
    if not posix.stat(path).st_mode & 0o111:
        return [Finding(BUNDLE, AT, f"{name!r} has no x permission", f"chmod +x {path}")]
    return _check_format(name, path, rootfs, covered)


def _search_path(process: dict[str, Any]) -> str:
    values = [entry[5:] for entry in process.get("env") or () if entry.startswith("PATH=")]
    return values[-1] if values else ""


def _find(name: str, process: dict[str, Any], rootfs: str, covered: frozenset[str]) -> str | None:
    cwd = process.get("cwd", "/")
    if "/" in name:
        return locate(rootfs, name if name[0] == "/" else f"{cwd}/{name}", covered)
    for folder in _search_path(process).split(":"):
        try:
            path = locate(rootfs, f"{folder or cwd}/{name}", covered)
        except OSError:
            continue
        if not is_directory(path):
            return path
    return None


def _check_format(name: str, path: str, rootfs: str, covered: frozenset[str]) -> list[Finding]:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        try:
            head = posix.read(fd, 4096)
        finally:
            posix.close(fd)
    except OSError:
        return []  # the container's user may be one who can
    if head[:2] == b"#!":
        line = head.partition(b"\n")[0][2:].decode("utf-8", "replace").strip(" \t")
        interpreter = line.partition(" ")[0].partition("\t")[0]
        return _check_interpreter(name, interpreter, rootfs, covered)
    if head[:4] != b"\x7fELF" or len(head) < 64:
        if not head:
            return [Finding(BUNDLE, AT, f"{name!r} is empty", "put a program there")]
        fix = "begin a script with #! and its interpreter"
        return [Finding(BUNDLE, AT, f"{name!r} is neither an ELF file nor a script with #!", fix)]
    return _check_elf(name, head, rootfs, covered)


def _check_elf(name: str, head: bytes, rootfs: str, covered: frozenset[str]) -> list[Finding]:
    order = "<" if head[5] == 1 else ">"
    from _struct import unpack_from

    (number,) = unpack_from(order + "H", head, 18)
    machine = _MACHINES.get(number, f"machine {number}")
    host = posix.uname().machine
    if machine not in _RUNS.get(host, (host,)):
        problem = f"{name!r} is for {machine}, this host is {host}"
        fix = f"take the image for {host}, or register an emulator (binfmt_misc, qemu-user-static)"
        return [Finding(HOST, AT, problem, fix)]
    if head[4] != 2:
        return []
    offset, size, count = (*unpack_from(order + "Q", head, 32), *unpack_from(order + "HH", head, 54))
    for at in range(offset, offset + size * count, size or 1):
        if at + 40 > len(head):
            break
        if unpack_from(order + "I", head, at)[0] == 3:  # PT_INTERP
            (start,) = unpack_from(order + "Q", head, at + 8)
            interpreter = head[start:].partition(b"\0")[0].decode("utf-8", "replace")
            return _check_interpreter(name, interpreter, rootfs, covered)
    return []


def _check_interpreter(name: str, interpreter: str, rootfs: str, covered: frozenset[str]) -> list[Finding]:
    try:
        if not interpreter.startswith("/") or locate(rootfs, interpreter, covered):
            return []
    except Unknown:
        return []
    except OSError as error:
        if interpreter.endswith("\r"):
            problem = f"the first line of {name!r} ends in a carriage return, which counts as a letter"
            return [Finding(BUNDLE, AT, problem, "save it with Unix line ends: dos2unix")]
        reason = (error.strerror or "").lower()
        problem = f"{name!r} needs {interpreter}: {reason}"
        fix = "add it, with the libraries it wants, or take a static program"
        return [Finding(BUNDLE, AT, problem, fix)]
    return []
