"""linux.seccomp → a BPF program, by ourselves: libseccomp takes 10 ms for what takes one here. Pure.

The verdict for every call is the one of libseccomp's filter, where that has a meaning of its own: a rule
without conditions outweighs those with, the first of two such counts, calls that an architecture makes
through socketcall(2) or ipc(2) are caught there too, a foreign architecture is killed. Only where rules of
one call have conditions *and* different actions, their order is an accident of libseccomp's tree; then it
makes the filter (`overlap.Ambiguous`, see seccomp.cache).

In front stands what runc began: calls that are newer than every one the profile names get ENOSYS instead of
a default that forbids. C libraries try new calls first and fall back to old ones on ENOSYS, and only on that.
"""

from __future__ import annotations

from importlib import import_module
from sys import byteorder

from tare_runtime._core import ffi, lib
from tare_runtime.errors import ConfigError
from tare_runtime.seccomp import bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.seccomp.bpf import Alternative, Block, Condition

    Spans = list[tuple[int, int | Block]]

SECTION = 'config-linux.md, "Seccomp"'
ARCHITECTURES = (
    "aarch64", "arm", "loongarch64", "mips", "mips64", "mips64n32", "mipsel", "mipsel64", "mipsel64n32",
    "parisc", "parisc64", "ppc", "ppc64", "ppc64le", "riscv64", "s390", "s390x", "x32", "x86", "x86_64",
)  # fmt: skip
ACTIONS: dict[str, int] = {
    "KILL": lib.SECCOMP_RET_KILL_THREAD,
    "KILL_THREAD": lib.SECCOMP_RET_KILL_THREAD,
    "KILL_PROCESS": lib.SECCOMP_RET_KILL_PROCESS,
    "TRAP": lib.SECCOMP_RET_TRAP,
    "ERRNO": lib.SECCOMP_RET_ERRNO,
    "TRACE": lib.SECCOMP_RET_TRACE,
    "ALLOW": lib.SECCOMP_RET_ALLOW,
    "LOG": lib.SECCOMP_RET_LOG,
    "NOTIFY": lib.SECCOMP_RET_USER_NOTIF,
}
PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY")
_EPERM, _ENOSYS = 1, 38
_X32_BIT = 0x40000000
_NO_CALL = 0xFFFFFFFF  # what a tracer puts in to have none made
_MAX_INSTRUCTIONS: int = lib.BPF_MAXINSNS
# Calls that some architectures make through one: their numbers there, <linux/net.h> and <linux/ipc.h>.
_THROUGH_SOCKETCALL = dict(
    zip(
        "socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom"
        " shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg".split(),
        range(1, 21),
        strict=True,
    )
)
_THROUGH_IPC = {
    "semop": 1, "semget": 2, "semctl": 3, "semtimedop": 4, "msgsnd": 11, "msgrcv": 12, "msgget": 13,
    "msgctl": 14, "shmat": 21, "shmdt": 22, "shmget": 23, "shmctl": 24,
}  # fmt: skip


def make_filter(seccomp: dict[str, Any], native: str = "", order: str = byteorder) -> bytes:
    """An array of struct sock_filter for a checked linux.seccomp.

    `native`, `order`: architecture and byte order, where they shall not be this machine's. Raises:
    ConfigError for an architecture that is unknown, or a program too long for the kernel; overlap.Ambiguous.
    """
    names = architectures(seccomp, native)
    if "x32" in names and "x86_64" not in names:
        names.append("x86_64")
    profile = Profile(seccomp, order)
    program = [bpf.give(lib.SECCOMP_RET_KILL_THREAD)]
    for name in reversed(names):
        if name != "x32":  # which shares its word with x86_64, and is made with that
            token, spans = profile.spans(name)
            if name == "x86_64":
                spans = [span for span in spans if span[0] < _X32_BIT]
                spans += _x32_spans(profile, present="x32" in names)
            program = bpf.choose(token, bpf.dispatch(spans)) + program
    program = [bpf.LOAD_ARCHITECTURE, *program]
    if len(program) > _MAX_INSTRUCTIONS:
        problem = f"makes a filter of {len(program)} instructions, the kernel takes {_MAX_INSTRUCTIONS}"
        raise ConfigError([("/linux/seccomp/syscalls", problem, SECTION)])
    return bpf.packed(program, order)


def architectures(seccomp: dict[str, Any], native: str = "") -> list[str]:
    """This machine's, and those that the profile names. Raises: ConfigError."""
    names = [native or ffi.string(lib.tare_native_architecture()).decode()]
    for index, name in enumerate(seccomp.get("architectures", ())):
        word = name[10:].lower()
        if word not in ARCHITECTURES and word != "native":
            pointer = f"/linux/seccomp/architectures/{index}"
            raise ConfigError([(pointer, f"{name} is unknown here", SECTION)])
        if word != "native" and word not in names:
            names.append(word)
    return names


def newest(seccomp: dict[str, Any], name: str) -> tuple[int, int]:
    """An architecture's word in struct seccomp_data, and the profile's highest number there (0: none)."""
    table = import_module("tare_runtime.seccomp.tables." + name)
    calls = numbers(table.CALLS)
    return table.TOKEN, max([_last(calls, rule["names"]) for rule in seccomp.get("syscalls", ())], default=0)


def every_call() -> set[str]:
    """The names that some architecture has."""
    tables = [import_module("tare_runtime.seccomp.tables." + name) for name in ARCHITECTURES]
    return {*_THROUGH_SOCKETCALL, *_THROUGH_IPC, *(name for table in tables for name in numbers(table.CALLS))}


def _last(calls: dict[str, int], names: list[str]) -> int:
    """The highest number of some calls, also of the ones that they are made through; 0: none."""
    last = 0
    for name in names:
        last = max(last, calls.get(name, 0))
        if "socketcall" in calls and (name in _THROUGH_SOCKETCALL or name in _THROUGH_IPC):
            last = max(last, calls["socketcall" if name in _THROUGH_SOCKETCALL else "ipc"])
    return last


def action_value(name: str, errno: int | None) -> int:
    word = name[9:]
    value = ACTIONS[word]
    if word in ("ERRNO", "TRACE"):
        value |= _EPERM if errno is None else errno & 0xFFFF
    return value


def numbers(calls: str) -> dict[str, int]:
    """Name → number, of the text in a module of tables."""
    found = {}
    at = 0
    for word in calls.split():
        if word.isdigit():
            at = int(word)
        else:
            found[word] = at
            at += 1
    return found


def _x32_spans(profile: Profile, *, present: bool) -> Spans:
    """What x86_64's numbers with x32's bit get."""
    if not present:
        return [(_X32_BIT, lib.SECCOMP_RET_KILL_THREAD), (_NO_CALL, profile.default)]
    spans = profile.spans("x32")[1]
    return [(max(first, _X32_BIT), what) for first, what in spans]


class Profile:
    """A profile's rules, to be laid out for one architecture after another."""

    def __init__(self, seccomp: dict[str, Any], byteorder: str) -> None:
        self.byteorder = byteorder
        self.default = action_value(seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
        self.newer = self.default
        if seccomp["defaultAction"] not in PERMISSIVE:
            self.newer = lib.SECCOMP_RET_ERRNO | _ENOSYS
        # (names, action, alternatives: none means always)
        self.rules: list[tuple[list[str], int, list[list[Condition]]]] = []
        self.silent: list[list[str]] = []  # rules that say what the default says anyhow
        for rule in seccomp.get("syscalls", ()):
            action = action_value(rule["action"], rule.get("errnoRet"))
            if action == self.default:
                self.silent.append(rule["names"])
            else:
                self.rules.append((rule["names"], action, _alternatives(rule.get("args", ()))))

    def spans(self, name: str) -> tuple[int, Spans]:
        """The architecture's word in struct seccomp_data, and what its numbers get, for bpf.dispatch."""
        table = import_module("tare_runtime.seccomp.tables." + name)
        calls = numbers(table.CALLS)
        always, chains = self._sort(calls, table.BITS, through="socketcall" in calls)
        last = max([*always, *chains, *(_last(calls, names) for names in self.silent)], default=0)
        if last > 0 and self.newer != self.default and name in ("s390", "s390x"):
            always[0] = self.newer  # where the kernel leaves 0 for numbers that it does not know
        spans: Spans = [(0, self.default)]
        expected = 0
        before: int | Block = self.default
        for number in sorted({*always, *chains}):
            if number != expected and before != self.default:
                spans.append((expected, self.default))
                before = self.default
            what: int | Block = always.get(number, -1)
            if what == -1:
                settled = _settle(chains[number], name)
                what = bpf.by_arguments(settled, self.default, table.BITS, self.byteorder)
            if what != before:
                spans.append((number, what))
                before = what
            expected = number + 1
        if last >= expected and before != self.default:
            spans.append((expected, self.default))
            before = self.default
        after = self.newer if last > 0 else self.default
        if after != before:
            spans.append((last + 1, after))
        return table.TOKEN, spans

    def _sort(
        self, calls: dict[str, int], bits: int, *, through: bool
    ) -> tuple[dict[int, int], dict[int, list[Alternative]]]:
        """By number: the action of rules without conditions; all alternatives of those with."""
        always: dict[int, int] = {}
        chains: dict[int, list[Alternative]] = {}
        for names, action, alternatives in self.rules:
            narrowed = [_narrowed(one, bits) for one in alternatives]
            plain = not narrowed or () in narrowed
            for name in names:
                number = calls.get(name, -1)
                if number >= 0:
                    if plain:
                        always.setdefault(number, action)
                    else:
                        chains.setdefault(number, []).extend([(one, action) for one in narrowed])
                if through and (name in _THROUGH_SOCKETCALL or name in _THROUGH_IPC):
                    wrapped = "socketcall" if name in _THROUGH_SOCKETCALL else "ipc"
                    which: Condition = (0, "EQ", _THROUGH_SOCKETCALL.get(name) or _THROUGH_IPC[name], 0)
                    chains.setdefault(calls[wrapped], []).extend(
                        ((which, *(condition for condition in one if condition[0])), action)
                        for one in narrowed or [()]
                    )
        return always, chains


def _alternatives(args: list[dict[str, Any]]) -> list[list[Condition]]:
    """Lists of conditions, each of which is enough by itself.

    The conditions of a rule must hold together; but two for the same argument mean "or", as the other
    runtimes have read them from the beginning, because libseccomp takes one for each argument only.
    """
    conditions: list[Condition] = []
    for arg in args:
        operator = arg["op"][9:]
        value, two = arg.get("value", 0), arg.get("valueTwo", 0)
        masked = operator == "MASKED_EQ"
        conditions.append((arg["index"], operator, two if masked else value, value if masked else 0))
    indexes = {condition[0] for condition in conditions}
    if len(indexes) == len(conditions):
        return [sorted(conditions)] if conditions else []
    return [[condition] for condition in conditions]


def _narrowed(conditions: list[Condition], bits: int) -> tuple[Condition, ...]:
    """As this width sees them: without those that always hold."""
    width = (1 << bits) - 1
    return tuple(
        (index, operator, value & (mask or width) & width, mask & width)
        for index, operator, value, mask in conditions
        if operator != "MASKED_EQ" or mask & width
    )


def _settle(alternatives: list[Alternative], architecture: str) -> list[Alternative]:
    """Those that count. Of two with different actions, the wider one does, where one holds the other.

    Raises: ConfigError where they contradict each other; overlap.Ambiguous.
    """
    if len({action for _, action in alternatives}) == 1:
        return alternatives
    from tare_runtime.seccomp.overlap import settle

    return settle(alternatives, architecture)
