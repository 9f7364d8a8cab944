"""linux.cgroupsPath as systemd has it, "SLICE:PREFIX:NAME": names of units, where their cgroups are. Pure.

Spec: systemd.unit(5), systemd.slice(5).
"""

from __future__ import annotations

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@")
_MAX = 255


class Bad(Exception):
    """What is wrong with the path."""


def unit_of(cgroups_path: str, id: str) -> tuple[str, str]:
    """(slice, scope). The slice is "" where the path leaves it to us. Raises: Bad."""
    if not cgroups_path:
        return "", _checked(f"tare-{id}.scope")
    parts = cgroups_path.split(":")
    if len(parts) != 3:
        raise Bad(
            f'must have the form "slice:prefix:name" where systemd makes the cgroups, is {cgroups_path!r}'
        )
    slice, prefix, name = parts
    if not name:
        raise Bad(f"names no scope: {cgroups_path!r}")
    if name.endswith(".slice"):
        raise Bad(f"names a slice, where a container needs a scope: {name!r}")
    return slice, _checked(f"{prefix}-{name}.scope")


def slice_path(slice: str) -> list[str]:
    """The directories of a slice: "a-b.slice" lies in "a.slice". Raises: Bad."""
    name = slice.removesuffix(".slice")
    if name == slice or "/" in slice:
        raise Bad(f"{slice!r} is not the name of a slice")
    if name == "-":
        return []
    parts = name.split("-")
    if not all(parts):
        raise Bad(f"{slice!r} is not the name of a slice: a dash must have a name before and behind it")
    _checked(slice)
    return ["-".join(parts[: depth + 1]) + ".slice" for depth in range(len(parts))]


def _checked(unit: str) -> str:
    if not _LETTERS.issuperset(unit) or len(unit) > _MAX:
        raise Bad(f"{unit!r} cannot be the name of a unit: letters, digits and :-_.\\@ can, {_MAX} at most")
    return unit
