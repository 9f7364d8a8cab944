"""For all tests: the signals that a program started from a terminal has."""

from __future__ import annotations

import signal

# A shell without job control starts what it puts into the background with SIGINT ignored, and so would all
# programs under test be: those that are interrupted by one would go on.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
