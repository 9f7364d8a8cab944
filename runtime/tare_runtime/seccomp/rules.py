"""What a `linux.seccomp` section must hold, and the words that it is written in. Pure."""

from __future__ import annotations

from tare_runtime.config.rules import at

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
_NOTIFY = "SCMP_ACT_NOTIFY"
_KILLABLE = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
_FLAGS = (
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    _KILLABLE,
)
_RECEIVER = "run.oci.seccomp.receiver"  # crun's annotation, which gives the path instead
_SECTION = ("linux", "seccomp")


def check_seccomp(seccomp: dict[str, Any], annotations: dict[str, str], found: Found) -> None:
    """Add to `found` what breaks a rule; the types have been checked before."""
    _check_action(seccomp.get("defaultAction", ""), ("defaultAction",), found)
    _check_errno(seccomp, "defaultAction", "defaultErrnoRet", (), found)
    actions = [seccomp.get("defaultAction"), *(rule.get("action") for rule in seccomp.get("syscalls", ()))]
    path = seccomp.get("listenerPath") or annotations.get(_RECEIVER, "")
    if _NOTIFY in actions and not path:
        found.append((at(*_SECTION, "listenerPath"), f"is missing: {_NOTIFY} needs somebody to ask"))
    if path and path[:1] != "/":
        found.append((at(*_SECTION, "listenerPath"), f"must be an absolute path, is {path!r}"))
    if seccomp.get("listenerMetadata") and not path:
        found.append((at(*_SECTION, "listenerMetadata"), "must not be set without listenerPath"))
    for index, flag in enumerate(seccomp.get("flags", ())):
        if flag not in _FLAGS:
            found.append((at(*_SECTION, "flags", index), f"{flag!r} is none of {', '.join(_FLAGS)}"))
        elif flag == _KILLABLE and _NOTIFY not in actions:
            found.append((at(*_SECTION, "flags", index), f"{flag} needs a rule of {_NOTIFY}"))
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
    if action not in ACTIONS:
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
