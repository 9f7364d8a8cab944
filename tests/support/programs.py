"""Where the programs under test are: those of the environment that runs the tests."""

from __future__ import annotations

import sys
from pathlib import Path

BIN = Path(sys.executable).parent
TARE_IMAGE = str(BIN / "tare-image")
