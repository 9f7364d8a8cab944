"""System calls of mipsel, as libseccomp 2.5.4 numbers them. Written by write_syscall_tables.py."""

from tare_runtime.seccomp.tables.mips import BITS, CALLS

__all__ = ["BITS", "CALLS", "TOKEN"]

TOKEN = 0x40000008
