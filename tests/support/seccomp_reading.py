"""What a profile says about one call, read rule by rule: slow, plain, and without our maker's code."""

from __future__ import annotations

from typing import Any

ENOSYS = 0x00050026
_ACTIONS = {
    "KILL": 0, "KILL_THREAD": 0, "KILL_PROCESS": 0x80000000, "TRAP": 0x00030000, "ERRNO": 0x00050000,
    "TRACE": 0x7FF00000, "ALLOW": 0x7FFF0000, "LOG": 0x7FFC0000, "NOTIFY": 0x7FC00000,
}  # fmt: skip
_SOCKETCALL = {"socket": 1, "bind": 2, "accept": 5, "send": 9}
_IPC = {"semop": 1, "semget": 2, "msgctl": 14, "shmat": 21}
Conditions = frozenset[tuple[int, str, int, int]]


def action_of(name: str, errno: int | None) -> int:
    """The kernel's number of an action."""
    value = _ACTIONS[name[9:]]
    return value | (1 if errno is None else errno) if name[9:] in ("ERRNO", "TRACE") else value


def reading(
    seccomp: dict[str, Any], calls: dict[str, int], bits: int, number: int, args: tuple[int, ...]
) -> int:
    """The verdict on an architecture that has these calls (name → number)."""
    default = action_of(seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
    always: list[int] = []
    sometimes: list[tuple[Conditions, int]] = []
    last = 0
    for rule in seccomp.get("syscalls", ()):
        action = action_of(rule["action"], rule.get("errnoRet"))
        for name in rule["names"]:
            for call, first in _ways(name, calls):
                last = max(last, call)
                if call != number or action == default:
                    continue
                for conditions in _groups(rule.get("args", ()), bits):
                    if first:
                        own = {(0, "EQ", first, 0)} | {item for item in conditions if item[0]}
                        sometimes.append((frozenset(own), action))
                    elif conditions:
                        sometimes.append((conditions, action))
                    else:
                        always.append(action)
    if seccomp["defaultAction"][9:] not in ("ALLOW", "LOG", "TRACE") and 0 < last < number:
        return ENOSYS
    if always:
        return always[0]
    width = (1 << bits) - 1
    for conditions, action in sometimes:
        wider = any(other < conditions for other, _ in sometimes)
        if not wider and all(_holds(item, args[item[0]] & width) for item in conditions):
            return action
    return default


def is_single(seccomp: dict[str, Any], calls: dict[str, int]) -> bool:
    """Whether no call has more than one set of conditions: where libseccomp's tree cannot go wrong."""
    seen: set[int] = set()
    for rule in seccomp.get("syscalls", ()):
        for name in rule["names"]:
            for call, _ in _ways(name, calls):
                groups = _groups(rule.get("args", ()), 64)
                if call in seen or len(groups) > 1:
                    return False
                seen.add(call)
    return True


def _ways(name: str, calls: dict[str, int]) -> list[tuple[int, int]]:
    """(number, what its first argument must be or 0) by which an architecture makes a call."""
    found = [(calls[name], 0)] if name in calls else []
    if "socketcall" in calls:
        for table, wrapper in ((_SOCKETCALL, "socketcall"), (_IPC, "ipc")):
            if name in table:
                found.append((calls[wrapper], table[name]))
    return found


def _groups(args: list[dict[str, Any]], bits: int) -> list[Conditions]:
    width = (1 << bits) - 1
    items = []
    for arg in args:
        word = arg["op"][9:]
        value, two = arg["value"] & width, arg.get("valueTwo", 0) & width
        items.append(
            (arg["index"], word, two & value, value)
            if word == "MASKED_EQ"
            else (arg["index"], word, value, 0)
        )
    real = [item for item in items if item[1] != "MASKED_EQ" or item[3]]
    if len({item[0] for item in items}) == len(items):
        return [frozenset(real)]
    return [frozenset([item] if item in real else []) for item in items]


def _holds(condition: tuple[int, str, int, int], argument: int) -> bool:
    _, word, value, mask = condition
    if word == "MASKED_EQ":
        return argument & mask == value
    compared = (argument > value) - (argument < value)
    return compared in {"NE": (-1, 1), "LT": (-1,), "LE": (-1, 0), "EQ": (0,), "GE": (0, 1), "GT": (1,)}[word]
