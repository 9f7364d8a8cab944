"""Every violation in config.json itself, those of types and those of rules in one pass.

A container's start stops at wrong types, since the rules rely on them. Here what has a wrong type is taken
out of the document (or replaced by an empty value, in an array, so that the other places keep their numbers),
and the rules judge what is left.
"""

from __future__ import annotations

from tare_runtime.config import rules, rules_linux, shape
from tare_runtime.config.rules import NO_APPARMOR, NO_SELINUX
from tare_runtime.validate.findings import BUNDLE, HOST, Finding
from tare_runtime.validate.fixes import fix_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Violations = list[tuple[str, str]]  # JSON pointer, problem

# What rules say that look at the host: it begins one of these.
_HOST_WORDS = (NO_APPARMOR, NO_SELINUX, "cannot be applied: there is no", "cannot be applied: this host")


def check_document(config: dict[str, Any], warnings: list[str]) -> list[Finding]:
    """What is wrong in a parsed config; wrong values are taken out of it."""
    found: shape.Found = []
    shape.walk(config, shape.CONFIG, None, found)
    wrong_types = [(shape.pointer(place), problem) for place, problem in found]
    for place, _problem in found:
        _take_out(config, _keys(place))
    broken: shape.Found = []
    rules.check(config, broken, warnings.append)
    if "linux" in config:
        rules_linux.check(config, broken, warnings.append)
    taken = [pointer for pointer, _problem in wrong_types]
    violations = list(wrong_types)
    for place, problem in broken:
        pointer = shape.pointer(place)
        if not any(_touches(pointer, other) for other in taken):
            violations.append((pointer, problem))
    return [finding_of(pointer, problem) for pointer, problem in violations]


def finding_of(pointer: str, problem: str, section: str = "") -> Finding:
    """A violation with its kind and what to do about it."""
    kind = HOST if problem.startswith(_HOST_WORDS) else BUNDLE
    return Finding(kind, pointer, problem, fix_of(pointer, problem), section)


def _keys(place: shape.Place | None) -> list[str | int]:
    keys: list[str | int] = []
    while place is not None:
        place, key = place
        keys.append(key)
    return keys[::-1]


def _take_out(config: dict[str, Any], keys: list[str | int]) -> None:
    at: Any = config
    wanted: Any = shape.CONFIG
    for key in keys[:-1]:
        at = at[key]
        wanted = _inner(wanted, key)
    if isinstance(at, list):
        at[int(keys[-1])] = _empty(_inner(wanted, keys[-1]))
    else:
        at.pop(keys[-1], None)


def _inner(wanted: Any, key: str | int) -> Any:
    return wanted[0] if isinstance(wanted, list) else wanted.get(str) or wanted[key]


def _empty(wanted: Any) -> object:
    if isinstance(wanted, tuple):
        return wanted[0]
    return type(wanted)() if isinstance(wanted, (dict, list)) else wanted()


def _touches(pointer: str, other: str) -> bool:
    """Whether one of them is the other, or lies below it."""
    return pointer == other or pointer.startswith(other + "/") or other.startswith(pointer + "/")
