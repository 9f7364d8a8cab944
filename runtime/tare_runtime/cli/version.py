"""What `--version` prints.

containerd's driver accepts only a first line that begins "runc version ", and reads a version from it. It
names the runc whose command line we follow; the last line says who we are.
"""

from __future__ import annotations

from tare_runtime.cli.main import show

RUNC_COMPATIBLE = "1.3.0"
OCI_VERSION = "1.3.0"
VERSION = "0.1.0"


def show_version() -> int:
    lines = (
        f"runc version {RUNC_COMPATIBLE} (compatible; tare-runtime {VERSION})",
        f"commit: v{VERSION}",
        f"spec: {OCI_VERSION}",
        f"tare-runtime version {VERSION}",
        "",
    )
    show("\n".join(lines))
    return 0
