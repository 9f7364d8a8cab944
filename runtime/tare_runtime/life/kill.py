"""Signals to a container."""

import posix

from tare_runtime._core import lib
from tare_runtime.errors import NotRunning, UsageError
from tare_runtime.state.store import process_start, state_and_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

KILL = 9
# signal(7) on the architectures of Linux that matter here; RTMIN+N and RTMAX-N are counted from 34 and 64.
NAMES = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN"
    " TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
ALIASES = {"IOT": 6, "CLD": 17, "POLL": 29, "UNUSED": 31}


def signal_number(text: str) -> int:
    """A number up to 64 (0 only asks whether there is a process), or a name with or without SIG.

    Raises: UsageError.
    """
    if text.isascii() and text.isdigit() and int(text) < 65:
        return int(text)
    name = text.upper().removeprefix("SIG")
    if name in NAMES:
        return NAMES.index(name) + 1
    if name in ALIASES:
        return ALIASES[name]
    base, sign, offset = name[:5], name[5:6], name[6:]
    if base in ("RTMIN", "RTMAX") and (not name[5:] or (sign in ("+", "-") and offset.isdigit())):
        shift = int(sign + offset) if offset else 0
        number = (34 if base == "RTMIN" else 64) + shift
        if 34 <= number <= 64:
            return number
    raise UsageError(f"unknown signal {text!r}", "give a number from 0 to 64, or a name such as TERM")


def signal_container(root: str, id: str, number: int, *, everyone: bool = False) -> None:
    """Send a signal to the first process, or to every process. Raises: NotRunning, ContainerNotFound."""
    state, have = state_and_status(root, id)
    if have in ("stopped", "creating"):
        if everyone and have == "stopped":
            if state.get("sharesPids"):
                _kill_all(state, number)
            return
        raise NotRunning(id, have)
    if have == "paused" and number == KILL:
        _thaw(state)
    # Without a pid namespace of its own, nothing ends the others when the first process dies.
    if everyone or (number == KILL and state.get("sharesPids")):
        reached = _kill_all(state, number)
        if reached:
            return
    signal_process(state, number)


def _kill_all(state: "State", number: int) -> int:
    """How many it reached: none where the container has no cgroups."""
    from tare_runtime.cgroup.life import kill_all

    return kill_all(state, number)


def signal_process(state: "State", number: int) -> None:
    """By pidfd: it cannot reach a stranger that was given the same pid. Raises: NotRunning."""
    pidfd = lib.tare_pidfd_open(state["pid"])
    if pidfd < 0:
        raise NotRunning(state["id"])
    try:
        if process_start(state["pid"]) != state["pidStart"]:
            raise NotRunning(state["id"])
        result = lib.tare_pidfd_signal(pidfd, number)
    finally:
        posix.close(pidfd)
    if result == -3:  # ESRCH
        raise NotRunning(state["id"])
    if result < 0:
        raise OSError(-result, f"send signal {number} to {state['id']}: {posix.strerror(-result).lower()}")


def _thaw(state: "State") -> None:
    from tare_runtime.cgroup.freeze import thaw

    thaw(state)
