"""System calls of mipsel64, as libseccomp 2.5.4 numbers them. Written by write_syscall_tables.py."""

from tare_runtime.seccomp.tables.mips64 import BITS, CALLS

__all__ = ["BITS", "CALLS", "TOKEN"]

TOKEN = 0xC0000008
