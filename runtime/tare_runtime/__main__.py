"""`tare-runtime`, as its launcher runs it. Kept this short: a script run by its path is never cached."""

import sys

sys.path.insert(0, __file__.rpartition("/tare_runtime/")[0])

from posix import _exit

from tare_runtime.cli.start import start

_exit(start(sys.argv[1:]))
