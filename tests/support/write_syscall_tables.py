"""Writes tare_runtime/seccomp/tables/: the system calls of every architecture, as libseccomp numbers them.

`python -m tests.support.write_syscall_tables` after an update of libseccomp; a test compares what it writes
with what is there.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "runtime/tare_runtime/seccomp/tables"

# Names of seccomp_arch_resolve_name(3); BITS: how wide an argument is.
ARCHITECTURES = {
    "aarch64": 64, "arm": 32, "loongarch64": 64, "m68k": 32, "mips": 32, "mips64": 64, "mips64n32": 32,
    "mipsel": 32, "mipsel64": 64, "mipsel64n32": 32, "parisc": 32, "parisc64": 64, "ppc": 32, "ppc64": 64,
    "ppc64le": 64, "riscv64": 64, "s390": 32, "s390x": 64, "sh": 32, "sheb": 32, "x32": 32, "x86": 32,
    "x86_64": 64,
}  # fmt: skip

# The other byte order of an architecture: its own token, the same calls.
TWINS = {"mipsel": "mips", "mipsel64": "mips64", "mipsel64n32": "mips64n32", "ppc64le": "ppc64"}

# Since 424 a number means the same call everywhere; these are younger than the library may be.
ANCHOR, ANCHOR_NUMBER = "pidfd_send_signal", 424
YOUNG = {
    451: "cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount"
    " lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat"
    " removexattrat open_tree_attr file_getattr file_setattr",
}
RANGES = ((0, 1100), (4000, 6600), (0xF0000, 0xF0010), (0x40000000, 0x40000600))  # where numbers lie
WIDTH = 104
LOONGARCH_TOKEN = 0xC0000102  # AUDIT_ARCH_LOONGARCH64, <linux/audit.h>

HEAD = '"""System calls of {name}, as {library} numbers them. Written by write_syscall_tables.py."""\n\n'


def main() -> None:
    for path in FOLDER.glob("[!_]*.py"):
        path.unlink()
    for name, text in tables().items():
        (FOLDER / f"{name}.py").write_text(text)


def tables() -> dict[str, str]:
    """Architecture → text of its module, for those that the library here knows."""
    library = Library()
    found = {}
    for name, bits in ARCHITECTURES.items():
        token = library.token(name)
        if token:
            found[name] = module(name, token, bits, library)
    for name, other in TWINS.items():
        found[name] = twin(name, other, found)
    found.setdefault("loongarch64", loongarch(found["riscv64"]))
    return found


def twin(name: str, other: str, found: dict[str, str]) -> str:
    """The module of an architecture that has the calls of another, told by that."""
    head, calls = found[name].split("BITS", 1)
    assert calls == found[other].split("BITS", 1)[1], f"{name} and {other} have come to differ"
    docstring, token = head.split("\n\n", 1)
    kept = f"from tare_runtime.seccomp.tables.{other} import BITS, CALLS"
    return f'{docstring}\n\n{kept}\n\n__all__ = ["BITS", "CALLS", "TOKEN"]\n\n{token}'


def loongarch(riscv: str) -> str:
    """For a library that does not know it yet: the kernel's generic table, of which riscv64 has the same."""
    own = "259 riscv_flush_icache"
    assert own in riscv
    text = riscv.replace(own, "260").replace("riscv64", "loongarch64")
    return text.replace("TOKEN = 0xC00000F3", f"TOKEN = 0x{LOONGARCH_TOKEN:08X}")


class Library:
    def __init__(self) -> None:
        self.lib = ctypes.CDLL("libseccomp.so.2")
        self.lib.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
        self.lib.seccomp_arch_resolve_name.restype = ctypes.c_uint32
        self.lib.seccomp_version.restype = ctypes.POINTER(ctypes.c_uint * 3)
        self.libc = ctypes.CDLL(None)

    def version(self) -> str:
        return "libseccomp " + ".".join(map(str, self.lib.seccomp_version().contents))

    def token(self, name: str) -> int:
        return int(self.lib.seccomp_arch_resolve_name(name.encode()))

    def calls(self, token: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for first, last in RANGES:
            for number in range(first, last):
                address = self.lib.seccomp_syscall_resolve_num_arch(ctypes.c_uint32(token), number)
                if address:
                    found[ctypes.string_at(address).decode()] = number
                    self.libc.free(ctypes.c_void_p(address))
        return found

    def number(self, token: int, name: str) -> int:
        return int(self.lib.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(token), name.encode()))


def module(name: str, token: int, bits: int, library: Library) -> str:
    calls = library.calls(token)
    for other in every_name(library):  # a second name of the same number is not found by the number
        number = library.number(token, other)
        if number >= 0:
            calls.setdefault(other, number)
    base = calls[ANCHOR] - ANCHOR_NUMBER
    for first, words in YOUNG.items():
        for offset, word in enumerate(words.split()):
            calls.setdefault(word, base + first + offset)
    return (
        HEAD.format(name=name, library=library.version())
        + f"TOKEN = 0x{token:08X}\nBITS = {bits}\n# A number, and the names that count from it.\nCALLS = (\n"
        + "".join(f'    "{line}"\n' for line in lines(calls))
        + ")\n"
    )


_names: set[str] = set()


def every_name(library: Library) -> set[str]:
    if not _names:
        for name in ARCHITECTURES:
            if library.token(name):
                _names.update(library.calls(library.token(name)))
    return _names


def lines(calls: dict[str, int]) -> list[str]:
    """Words, wrapped: numbers where the count jumps, and names."""
    words = []
    expected = -1
    for name, number in sorted(calls.items(), key=lambda item: (item[1], item[0])):
        if number != expected:
            words.append(str(number))
        words.append(name)
        expected = number + 1
    wrapped = [""]
    for word in words:
        if len(wrapped[-1]) + len(word) > WIDTH - 7:
            wrapped.append("")
        wrapped[-1] += word + " "
    wrapped[-1] = wrapped[-1].rstrip()
    return wrapped


if __name__ == "__main__":
    sys.exit(main())
