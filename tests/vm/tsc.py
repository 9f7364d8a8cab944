"""The rate of this machine's time stamp counter."""

from __future__ import annotations

import ctypes
import mmap
import time

# rdtsc; shl rdx,32; or rax,rdx; ret
_READ_COUNTER = bytes.fromhex("0f31 48c1e220 4809d0 c3")
_SPAN_S = 0.1


def tsc_khz() -> int:
    """Measure it against the monotonic clock, over a tenth of a second."""
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(_READ_COUNTER)
        anchor = ctypes.c_char.from_buffer(page)
        read_counter = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(anchor))
        try:
            begin = _sample(read_counter)
            time.sleep(_SPAN_S)
            end = _sample(read_counter)
        finally:
            del anchor
    return round((end[1] - begin[1]) * 1_000_000 / (end[0] - begin[0]))


def _sample(read_counter: ctypes._FuncPointer) -> tuple[int, int]:
    """(nanoseconds, ticks) of one moment: of many readings, the one that was least interrupted."""
    best = (1 << 62, 0, 0)
    for _ in range(50):
        before = time.monotonic_ns()
        ticks = read_counter()
        after = time.monotonic_ns()
        best = min(best, (after - before, (before + after) // 2, ticks))
    return best[1], best[2]
