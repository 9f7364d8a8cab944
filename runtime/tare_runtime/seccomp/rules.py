"""What a `linux.seccomp` section must hold, and the words that it is written in. Pure."""

from __future__ import annotations

from tare_runtime.config.rules import NOT_DONE, at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.config.shape import Found

# Values of <linux/seccomp.h> are in seccomp.filter; here are only the words.
ACTIONS = frozenset(
    "SCMP_ACT_" + word
    for word in (
        "KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG", "NOTIFY",
    )
)  # fmt: skip
OPERATORS = frozenset("SCMP_CMP_" + word for word in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))
FLAGS = ("SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW")
NOT_DONE_ACTION = "SCMP_ACT_NOTIFY"
KILLABLE = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
_SECTION = ("linux", "seccomp")


def check_seccomp(seccomp: dict[str, Any], found: Found) -> None:
    """Add to `found` what breaks a rule; the types have been checked before."""
    _check_action(seccomp.get("defaultAction", ""), ("defaultAction",), found)
    _check_errno(seccomp, "defaultAction", "defaultErrnoRet", (), found)
    for field in ("listenerPath", "listenerMetadata"):
        if seccomp.get(field):
            found.append((at(*_SECTION, field), f"seccomp notification {NOT_DONE}"))
    for index, flag in enumerate(seccomp.get("flags", ())):
        if flag == KILLABLE:
            found.append((at(*_SECTION, "flags", index), f"seccomp notification {NOT_DONE}"))
        elif flag not in FLAGS:
            found.append((at(*_SECTION, "flags", index), f"{flag!r} is none of {', '.join(FLAGS)}"))
    for index, architecture in enumerate(seccomp.get("architectures", ())):
        if architecture[:10] != "SCMP_ARCH_":
            found.append((at(*_SECTION, "architectures", index), f"{architecture!r} is no SCMP_ARCH_… name"))
    for index, rule in enumerate(seccomp.get("syscalls", ())):
        if not rule.get("names"):
            found.append((at(*_SECTION, "syscalls", index, "names"), "must hold at least one name"))
        _check_action(rule.get("action", ""), ("syscalls", index, "action"), found)
        _check_errno(rule, "action", "errnoRet", ("syscalls", index), found)
        for number, arg in enumerate(rule.get("args", ())):
            here = (*_SECTION, "syscalls", index, "args", number)
            if arg.get("op") not in OPERATORS:
                found.append((at(*here, "op"), f"{arg.get('op')!r} is no operator: SCMP_CMP_EQ … are"))
            if "value" not in arg:
                found.append((at(*here, "value"), "is missing"))
            if arg.get("index", 6) > 5:
                found.append((at(*here, "index"), "must lie between 0 and 5"))


def _check_action(action: str, where: tuple[str | int, ...], found: Found) -> None:
    if action == NOT_DONE_ACTION:
        found.append((at(*_SECTION, *where), f"seccomp notification {NOT_DONE}"))
    elif action not in ACTIONS:
        problem = f"{action!r} is no action: SCMP_ACT_ERRNO … are" if action else "is missing"
        found.append((at(*_SECTION, *where), problem))


def _check_errno(
    entry: dict[str, Any], action: str, field: str, where: tuple[str | int, ...], found: Found
) -> None:
    """A filter has 16 bits for the number, and the kernel makes an error of 1 to 4095 only (seccomp(2))."""
    most = {"SCMP_ACT_ERRNO": 4095, "SCMP_ACT_TRACE": 65535}.get(entry.get(action, ""))
    number = entry.get(field, 0)
    if most and number > most:
        found.append((at(*_SECTION, *where, field), f"must lie between 0 and {most}, is {number}"))
