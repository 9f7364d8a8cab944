"""Filters made by the system's libseccomp itself: what ours are compared with."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from tests.support.seccomp_reading import action_of

AUDIT_ARCH = {
    "aarch64": 0xC00000B7, "arm": 0x40000028, "mips": 0x00000008, "mips64": 0x80000008,
    "mips64n32": 0xA0000008, "mipsel": 0x40000008, "mipsel64": 0xC0000008, "mipsel64n32": 0xE0000008,
    "parisc": 0x0000000F, "parisc64": 0x8000000F, "ppc": 0x00000014, "ppc64": 0x80000015,
    "ppc64le": 0xC0000015, "riscv64": 0xC00000F3, "s390": 0x00000016, "s390x": 0x80000016,
    "x32": 0xC000003E, "x86": 0x40000003, "x86_64": 0xC000003E,
}  # fmt: skip
FOREIGN = [name for name in AUDIT_ARCH if name not in ("x86_64", "x32")]
_TOKENS = {**AUDIT_ARCH, "x32": 0x4000003E}
_OPERATORS = {"NE": 1, "LT": 2, "LE": 3, "EQ": 4, "GE": 5, "GT": 6, "MASKED_EQ": 7}


class _Argument(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def oracle(seccomp: dict[str, Any], only: tuple[str, ...] = ()) -> bytes | None:
    """The program for a profile, or None if libseccomp refuses a rule. `only`: these architectures alone."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    default = action_of(seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
    context = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(default)))
    try:
        if only:
            assert lib.seccomp_arch_remove(context, ctypes.c_uint32(0)) == 0
        for name in only or [word[10:].lower() for word in seccomp.get("architectures", ())]:
            assert lib.seccomp_arch_add(context, ctypes.c_uint32(_TOKENS[name])) in (0, -17), name
        for rule in seccomp.get("syscalls", ()):
            if not _add(lib, context, rule, default, only):
                return None
        fd = os.memfd_create("oracle")
        try:
            assert lib.seccomp_export_bpf(context, fd) == 0
            return os.pread(fd, 1 << 20, 0)
        finally:
            os.close(fd)
    finally:
        lib.seccomp_release(context)


def _add(lib: Any, context: Any, rule: dict[str, Any], default: int, only: tuple[str, ...]) -> bool:
    action = action_of(rule["action"], rule.get("errnoRet"))
    if action == default:
        return True
    args = [
        _Argument(arg["index"], _OPERATORS[arg["op"][9:]], arg["value"], arg.get("valueTwo", 0))
        for arg in rule.get("args", ())
    ]
    together = len({arg.arg for arg in args}) == len(args)
    for name in rule["names"]:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number == -1 or (only and not any(_has(lib, architecture, name) for architecture in only)):
            continue
        for group in [args] if together else [[arg] for arg in args]:
            array = (_Argument * len(group))(*group)
            if lib.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(group), array):
                return False
    return True


def _has(lib: Any, architecture: str, name: str) -> bool:
    """2.5.4 makes wrong filters where there are rules for calls that an architecture does not have."""
    token = ctypes.c_uint32(_TOKENS[architecture])
    return bool(lib.seccomp_syscall_resolve_name_rewrite(token, name.encode()) >= 0)
