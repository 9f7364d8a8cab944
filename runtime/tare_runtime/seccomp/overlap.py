"""Rules of one system call that have conditions and different actions: which one counts. Pure."""

from __future__ import annotations

from tare_runtime.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.seccomp.bpf import Alternative, Condition

_SECTION = 'config-linux.md, "Seccomp"'
_TOP = 2**64 - 1


class Ambiguous(Exception):
    """Which one counts is an accident of libseccomp's tree, so it has to make the filter."""


def settle(alternatives: list[Alternative], architecture: str) -> list[Alternative]:
    """Those that count, in any order: of two where one holds the other, the wider one does.

    Raises: ConfigError where two contradict each other; Ambiguous where two overlap otherwise.
    """
    kept: list[Alternative] = []
    for conditions, action in alternatives:
        mine = set(conditions)
        others = [(set(other), act) for other, act in alternatives]
        if any(other == mine and act != action for other, act in others):
            problem = f"two rules give the same call of {architecture} different actions"
            raise ConfigError([("/linux/seccomp/syscalls", problem, _SECTION)])
        if not any(other < mine for other, _ in others):
            kept.append((conditions, action))
    for at, (conditions, action) in enumerate(kept):
        for other, act in kept[at + 1 :]:
            if act != action and not _apart(conditions, other):
                raise Ambiguous
    return kept


def _apart(one: tuple[Condition, ...], two: tuple[Condition, ...]) -> bool:
    """Whether it is certain that no arguments fulfil both."""
    return any(first[0] == second[0] and _exclude(first, second) for first in one for second in two)


def _exclude(one: Condition, two: Condition) -> bool:
    for first, second in ((one, two), (two, one)):
        if first[1] == "EQ":
            return not holds(second, first[2])
    if one[1] == two[1] == "MASKED_EQ":
        return bool((one[2] ^ two[2]) & one[3] & two[3])
    low, high = _bounds(one)
    other_low, other_high = _bounds(two)
    return low > other_high or other_low > high


def holds(condition: Condition, argument: int) -> bool:
    _, operator, value, mask = condition
    if operator == "MASKED_EQ":
        return argument & mask == value & mask
    return {
        "EQ": argument == value,
        "NE": argument != value,
        "GT": argument > value,
        "GE": argument >= value,
        "LT": argument < value,
        "LE": argument <= value,
    }[operator]


def _bounds(condition: Condition) -> tuple[int, int]:
    """The least and the greatest argument that may fulfil it."""
    _, operator, value, _ = condition
    return {
        "GT": (value + 1, _TOP),
        "GE": (value, _TOP),
        "LT": (0, value - 1),
        "LE": (0, value),
    }.get(operator, (0, _TOP))
