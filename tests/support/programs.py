"""Where the programs under test are: those of the environment that runs the tests.

The runtime has two forms, a launcher of the interpreter and one static file; TARE_RUNTIME names the one that
is judged when it is not the first.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
TARE_IMAGE = str(BIN / "tare-image")
TARE_RUNTIME = os.environ.get("TARE_RUNTIME") or str(BIN / "tare-runtime")
