"""A bundle run by this runtime and by its peers, with one way to look at what came out."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from tests.support.bundles import TARE_RUNTIME, Bundle

OURS = "tare-runtime"
RUNTIMES = (OURS, "runc", "crun")
# Debian's crun refuses a machine with controllers on both versions of cgroups: it is shown none of the newer.
HIDE_UNIFIED = ("unshare", "-m", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh")


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def run_by(program: str, bundle: Bundle, *flags: str, wrap: tuple[str, ...] = ()) -> Outcome:
    """`run` of the bundle's container by `program`, behind the command `wrap`; nothing of it is left."""
    if program != OURS:
        bundle.config["ociVersion"] = "1.0.2"  # the newest that Debian's crun takes
    bundle.write()
    root = bundle.path / f"state-{program}"
    command = [TARE_RUNTIME if program == OURS else program, "--root", str(root)]
    done = subprocess.run(
        [*(HIDE_UNIFIED if program == "crun" else ()), *wrap, *command, "run", *flags, bundle.id],
        cwd=bundle.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    subprocess.run([*command, "delete", "--force", bundle.id], capture_output=True, timeout=60)
    return Outcome(done.returncode, done.stdout, done.stderr)
