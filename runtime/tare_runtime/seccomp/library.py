"""linux.seccomp → a BPF program, by libseccomp: for the profiles whose meaning only it can tell.

What is newer than the profile gets ENOSYS by a few instructions in front; see seccomp.filter.
"""

from __future__ import annotations

import posix
from sys import byteorder

from tare_runtime._core import lib
from tare_runtime.errors import ConfigError, HostError
from tare_runtime.seccomp import bpf
from tare_runtime.seccomp.filter import PERMISSIVE, action_value, architectures, newest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_OPTIMIZE_BY_TREE = 2
_ENOSYS = 38
_X32_BIT = 0x40000000
_SECTION = 'config-linux.md, "Seccomp"'


def compile_filter(seccomp: dict[str, Any]) -> bytes:
    """An array of struct sock_filter for a checked linux.seccomp.

    Raises: ConfigError for what libseccomp does not know; HostError if it fails.
    """
    from tare_runtime._libseccomp import ffi
    from tare_runtime._libseccomp import lib as library

    default = action_value(seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
    filter = ffi.gc(library.seccomp_init(default), library.seccomp_release)
    if filter == ffi.NULL:
        raise HostError("make the seccomp filter: libseccomp does not take the default action")
    names = [name[10:].lower() for name in seccomp.get("architectures", ())]
    for index, name in enumerate(names):
        if library.tare_seccomp_arch(filter, name.encode()):
            pointer = f"/linux/seccomp/architectures/{index}"
            raise ConfigError([(pointer, f"SCMP_ARCH_{name.upper()} is unknown to libseccomp", _SECTION)])
    library.tare_seccomp_option(filter, library.TARE_ATTR_OPTIMIZE, _OPTIMIZE_BY_TREE)
    for index, rule in enumerate(seccomp.get("syscalls", ())):
        action = action_value(rule["action"], rule.get("errnoRet"))
        if action == default:
            continue  # says nothing, and libseccomp refuses it
        for conditions in _alternatives(ffi, rule.get("args", ())):
            for name in rule["names"]:
                error = library.tare_seccomp_rule(filter, action, name.encode(), conditions, len(conditions))
                if error < 0:
                    _refuse(index, name, -error)
    program = _export(library, filter)
    return program if seccomp["defaultAction"] in PERMISSIVE else _stub(seccomp) + program


def _alternatives(ffi: Any, args: list[dict[str, Any]]) -> list[Any]:
    """Arrays of conditions, each of which makes one rule of its own.

    The conditions of a rule must hold together; but libseccomp takes one for each argument only, and with
    two for the same argument profiles mean "or", as the other runtimes have read them from the beginning.
    """
    indexes = [arg["index"] for arg in args]
    groups = [args] if len(set(indexes)) == len(indexes) else [[arg] for arg in args]
    return [
        ffi.new(
            "struct tare_condition[]",
            [
                (arg["index"], _OPERATORS.index(arg["op"][9:]), arg.get("value", 0), arg.get("valueTwo", 0))
                for arg in group
            ],
        )
        for group in groups
    ]


def _refuse(index: int, name: str, errno: int) -> None:
    pointer = f"/linux/seccomp/syscalls/{index}"
    raise ConfigError([(pointer, f"rule for {name}: {posix.strerror(errno).lower()}", _SECTION)])


def _export(library: Any, filter: Any) -> bytes:
    fd = posix.memfd_create("seccomp", posix.MFD_CLOEXEC)
    try:
        error = library.tare_seccomp_export(filter, fd)
        if error:
            raise HostError(f"make the seccomp filter: libseccomp: {posix.strerror(-error).lower()}")
        return posix.pread(fd, posix.fstat(fd).st_size, 0)
    finally:
        posix.close(fd)


# --- system calls that are newer than the profile --------------------------------------------------------


def _stub(seccomp: dict[str, Any]) -> bytes:
    """Instructions in front of a filter: number above the last one of the profile → ENOSYS, else go on."""
    blocks = []
    for name in architectures(seccomp):
        token, last = newest(seccomp, name)
        if not last:
            continue
        first, behind = (_X32_BIT, 2**32) if name == "x32" else (0, _X32_BIT if name == "x86_64" else 2**32)
        code = [bpf.test(bpf.GREATER, last, 0, 2)]
        if behind < 2**32:  # x32 has the same word for its architecture, and numbers from here
            code.append(bpf.test(bpf.NOT_LESS, behind, 1, 0))
        else:
            code.append(bpf.test(bpf.NOT_LESS, first, 0, 1))
        code.append(bpf.give(lib.SECCOMP_RET_ERRNO | _ENOSYS))
        blocks += [bpf.LOAD_ARCHITECTURE, bpf.test(bpf.EQUAL, token, 0, 4), bpf.NUMBER, *code]
    return bpf.packed(blocks, byteorder)


def library_version() -> str:
    """For `features`."""
    from tare_runtime._libseccomp import ffi
    from tare_runtime._libseccomp import lib as library

    text: bytes = ffi.string(library.tare_seccomp_version())
    return text.decode()
