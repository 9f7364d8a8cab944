"""A bundle run by this runtime and by its peers, with one way to look at what came out."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from tests.support.bundles import TARE_RUNTIME, Bundle

OURS = "tare-runtime"
RUNTIMES = (OURS, "runc", "crun")


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def installed(program: str) -> bool:
    return program == OURS or shutil.which(program) is not None


def run_by(program: str, bundle: Bundle, *flags: str, wrap: tuple[str, ...] = ()) -> Outcome:
    """`run` of the bundle's container by `program`, behind the command `wrap`; nothing of it is left."""
    bundle.write()
    root = bundle.path / f"state-{program}"
    command = [TARE_RUNTIME if program == OURS else program, "--root", str(root)]
    done = subprocess.run(
        [*wrap, *command, "run", *flags, bundle.id],
        cwd=bundle.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    subprocess.run([*command, "delete", "--force", bundle.id], capture_output=True, timeout=60)
    return Outcome(done.returncode, done.stdout, done.stderr)
