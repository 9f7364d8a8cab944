"""Cgroups where not all can be made: without root delegated ones, in a container what it shows writable."""

from __future__ import annotations

import posix
from posix import geteuid

from tare_runtime.cgroup.paths import Hierarchy, container_base, is_first_user_namespace


def writable_part(hierarchy: Hierarchy, cgroups_path: str, id: str) -> Hierarchy:
    """The hierarchies in which we may make the container's directory. Device rules take root of the host."""
    from_root, parts = container_base(cgroups_path, id)
    bases = hierarchy.mounts if from_root else hierarchy.own
    devices = geteuid() == 0 and is_first_user_namespace()
    usable = [
        name for name, base in bases.items() if (devices or name != "devices") and _can_make(base, parts)
    ]
    part = Hierarchy(
        hierarchy.version,
        {name: hierarchy.mounts[name] for name in usable},
        {name: hierarchy.own[name] for name in usable},
    )
    part.devices = devices
    return part


def _can_make(base: str, parts: list[str]) -> bool:
    """Whether the deepest directory that is there already lets us make the next one, or use it."""
    for depth in range(len(parts), -1, -1):
        directory = "/".join([base, *parts[:depth]])
        if posix.access(directory, posix.F_OK):
            return posix.access(directory, posix.W_OK)
    return False
