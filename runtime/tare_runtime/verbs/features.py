"""features: what this runtime can do. Only what it really does: what is refused by name is not listed.

Spec: runtime-spec 1.3, features.md and features-linux.md.
"""

from __future__ import annotations

from tare_runtime.cli.main import show
from tare_runtime.config.rules import HOOK_KINDS
from tare_runtime.json_text import dumps_indented
from tare_runtime.plan.identity import CAPABILITIES, NAMESPACES
from tare_runtime.plan.mounts import ATTRIBUTES, FLAGS, IDMAPS, IGNORED, PROPAGATION, SUPER_BLOCK
from tare_runtime.seccomp.cache import FLAG_BITS
from tare_runtime.seccomp.rules import ACTIONS, OPERATORS
from tare_runtime.state.store import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cli.argv import Options


def run(options: Options) -> int:
    show(dumps_indented(document()) + "\n")
    return 0


def document() -> dict[str, Any]:
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": list(HOOK_KINDS),
        "mountOptions": mount_options(),
        "linux": {
            "namespaces": sorted(NAMESPACES),
            "capabilities": ["CAP_" + name for name in CAPABILITIES],
            "cgroup": {"v1": True, "v2": True, "systemd": True, "systemdUser": True, "rdma": True},
            "seccomp": _seccomp(),
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": True},
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        "annotations": {
            "io.github.seccomp.libseccomp.version": _libseccomp_version(),
            "org.opencontainers.runc.checkpoint.enabled": "true",
        },
        "potentiallyUnsafeConfigAnnotations": [],
    }


def mount_options() -> list[str]:
    """Every option that is more than text for the file system."""
    recursive = ["r" + name for name in ATTRIBUTES]
    return sorted(
        {
            *ATTRIBUTES,
            *recursive,
            *PROPAGATION,
            *IGNORED,
            "bind",
            "rbind",
            "tmpcopyup",
            "remount",
            *FLAGS,
            *IDMAPS,
            *SUPER_BLOCK,
        }
    )


def _seccomp() -> dict[str, Any]:
    from tare_runtime.seccomp.filter import ARCHITECTURES

    return {
        "enabled": True,
        "actions": sorted(ACTIONS),
        "operators": sorted(OPERATORS),
        "archs": ["SCMP_ARCH_" + name.upper() for name in ARCHITECTURES],
        "knownFlags": sorted(FLAG_BITS),
        "supportedFlags": sorted(FLAG_BITS),
    }


def _libseccomp_version() -> str:
    from tare_runtime.seccomp.library import library_version

    return library_version()
