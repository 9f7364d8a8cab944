"""A Python program that runs containers through our in-process API; see worker.py for what it is told.

    python inprocess_child.py BUNDLE ROOT

Each line on stdin is a container's id: it is run to its end, and the CPU it cost (ours and that of the
processes waited for, in microseconds) is answered on stdout.
"""

from __future__ import annotations

import os
import resource
import sys

import tare_runtime


def main() -> None:
    bundle, root = sys.argv[1:]
    null = os.open(os.devnull, os.O_RDWR)
    for line in sys.stdin:
        before = cpu_s()
        code = tare_runtime.run(bundle, line.strip(), root=root, stdio=(null, null, null))
        print(f"{code} {(cpu_s() - before) * 1e6:.0f}", flush=True)


def cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


main()
