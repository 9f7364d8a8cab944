"""System calls of ppc64le, as libseccomp 2.5.4 numbers them. Written by write_syscall_tables.py."""

from tare_runtime.seccomp.tables.ppc64 import BITS, CALLS

__all__ = ["BITS", "CALLS", "TOKEN"]

TOKEN = 0xC0000015
