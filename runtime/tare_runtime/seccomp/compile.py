"""linux.seccomp → a BPF program, by libseccomp. Slow (10 ms for Docker's profile): see seccomp.cache.

Where a profile answers unknown system calls with an error of its own, those that are newer than libseccomp
get ENOSYS instead, by a few instructions in front: C libraries try new calls first and fall back to old ones
on ENOSYS, and only on that.
"""

from __future__ import annotations

import posix

from tare_runtime.errors import ConfigError, HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_OPTIMIZE_BY_TREE = 2
_EPERM, _ENOSYS = 1, 38
_SECTION = 'config-linux.md, "Seccomp"'


def compile_filter(seccomp: dict[str, Any]) -> bytes:
    """An array of struct sock_filter for a checked linux.seccomp.

    Raises: ConfigError for what libseccomp does not know; HostError if it fails.
    """
    from tare_runtime._libseccomp import ffi, lib

    default = _action(lib, seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
    filter = ffi.gc(lib.seccomp_init(default), lib.seccomp_release)
    if filter == ffi.NULL:
        raise HostError("make the seccomp filter: libseccomp does not take the default action")
    names = [name[10:].lower() for name in seccomp.get("architectures", ())]
    for index, name in enumerate(names):
        if lib.tare_seccomp_arch(filter, name.encode()):
            pointer = f"/linux/seccomp/architectures/{index}"
            raise ConfigError([(pointer, f"SCMP_ARCH_{name.upper()} is unknown to libseccomp", _SECTION)])
    lib.tare_seccomp_option(filter, lib.TARE_ATTR_OPTIMIZE, _OPTIMIZE_BY_TREE)
    for index, rule in enumerate(seccomp.get("syscalls", ())):
        action = _action(lib, rule["action"], rule.get("errnoRet"))
        if action == default:
            continue  # says nothing, and libseccomp refuses it
        for conditions in _alternatives(ffi, rule.get("args", ())):
            for name in rule["names"]:
                error = lib.tare_seccomp_rule(filter, action, name.encode(), conditions, len(conditions))
                if error < 0:
                    _refuse(index, name, -error)
    program = _export(lib, filter)
    if seccomp["defaultAction"] == "SCMP_ACT_ERRNO" and seccomp.get("defaultErrnoRet") != _ENOSYS:
        program = _newer_calls_are_enosys(lib, names) + program
    return program


def _action(lib: Any, name: str, errno: int | None) -> int:
    word = name[9:]
    if word == "KILL":
        word = "KILL_THREAD"
    value: int = getattr(lib, "TARE_ACT_" + word)
    if word in ("ERRNO", "TRACE"):
        value |= _EPERM if errno is None else errno & 0xFFFF
    return value


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


def _export(lib: Any, filter: Any) -> bytes:
    fd = posix.memfd_create("seccomp", posix.MFD_CLOEXEC)
    try:
        error = lib.tare_seccomp_export(filter, fd)
        if error:
            raise HostError(f"make the seccomp filter: libseccomp: {posix.strerror(-error).lower()}")
        return posix.pread(fd, posix.fstat(fd).st_size, 0)
    finally:
        posix.close(fd)


# --- system calls that are newer than libseccomp --------------------------------------------------------

_LOAD_NR, _LOAD_ARCH = (0x20, 0, 0, 0), (0x20, 0, 0, 4)  # ld [nr], ld [arch] of struct seccomp_data
_JUMP_EQUAL, _JUMP_GREATER, _RETURN = 0x15, 0x25, 0x06
_X32_BIT = 0x40000000
_PRIVATE_NUMBERS = (b"arm", b"x32")


def _newer_calls_are_enosys(lib: Any, architectures: list[str]) -> bytes:
    """Instructions in front of a filter: number above the newest known one → ENOSYS, else go on.

    x32 shares the architecture word with x86_64, by a bit in the number; such numbers go on to the filter.
    So do those of architectures with private calls far above the common ones.
    """
    private = [lib.tare_seccomp_token(name) for name in _PRIVATE_NUMBERS]
    tokens: dict[int, int] = {}
    for name in (b"native", *(name.encode() for name in architectures)):
        token, newest = lib.tare_seccomp_token(name), lib.tare_seccomp_newest(name)
        if newest > 0 and token not in private:
            tokens[token] = newest
    if not tokens:
        return b""
    code: list[tuple[int, int, int, int]] = [_LOAD_ARCH]
    for token, newest in tokens.items():
        code += [
            (_JUMP_EQUAL, 0, 5, token),
            _LOAD_NR,
            (_JUMP_GREATER, 0, 2, newest),
            (_JUMP_GREATER, 1, 0, _X32_BIT - 1),
            (_RETURN, 0, 0, lib.TARE_ACT_ERRNO | _ENOSYS),
            _LOAD_ARCH,
        ]
    return b"".join(
        op.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little")
        for op, yes, no, value in code
    )


# --- what there is, for `features` ----------------------------------------------------------------------

_ARCHITECTURES = (
    "AARCH64", "ARM", "LOONGARCH64", "M68K", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64",
    "MIPSEL64N32", "PARISC", "PARISC64", "PPC", "PPC64", "PPC64LE", "RISCV64", "S390", "S390X", "SH", "SHEB",
    "X32", "X86", "X86_64",
)  # fmt: skip


def known_architectures() -> list[str]:
    from tare_runtime._libseccomp import lib

    return ["SCMP_ARCH_" + name for name in _ARCHITECTURES if lib.tare_seccomp_token(name.lower().encode())]


def library_version() -> str:
    from tare_runtime._libseccomp import ffi, lib

    text: bytes = ffi.string(lib.tare_seccomp_version())
    return text.decode()
