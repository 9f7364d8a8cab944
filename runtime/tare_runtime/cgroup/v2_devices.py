"""linux.resources.devices → a BPF program for cgroup v2, which has no files for device rules. Pure.

The kernel asks the program at each open and mknod of a device: type, number and access are in its context,
1 in r0 allows. Rules were made for v1, where a later one overrides an earlier one: so the program tries
them from the last to the first, and the first that matches decides.

Spec: <linux/bpf.h>, struct bpf_cgroup_dev_ctx; Documentation/bpf/standardization/instruction-set.rst.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Instruction = tuple[int, int, int, int, int]  # code, destination, source, offset, immediate
    # type ("a", "b", "c"), major and minor (-1: any), access bits, allow
    Rule = tuple[str, int, int, int, bool]

_LOAD_WORD, _MOVE, _AND, _SHIFT_RIGHT = 0x61, 0xBC, 0x54, 0x74
_SET, _UNEQUAL, _UNEQUAL_REGISTER, _EQUAL, _EXIT = 0xB7, 0x55, 0x5D, 0x15, 0x95
_RESULT, _CONTEXT, _TYPE, _ACCESS, _MAJOR, _MINOR = range(6)
_TYPES = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*
_BITS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_*
_EVERY_ACCESS = 7


def device_program(rules: list[dict[str, Any]], defaults: tuple[str, ...]) -> bytes:
    """Instructions for the config's rules, then for `defaults`, in the words of v1 ("c 1:3 rwm")."""
    ordered = [_parsed(rule) for rule in rules] + [_parsed_default(text) for text in defaults]
    code: list[Instruction] = [
        (_LOAD_WORD, _TYPE, _CONTEXT, 0, 0),
        (_AND, _TYPE, 0, 0, 0xFFFF),
        (_LOAD_WORD, _ACCESS, _CONTEXT, 0, 0),
        (_SHIFT_RIGHT, _ACCESS, 0, 0, 16),
        (_LOAD_WORD, _MAJOR, _CONTEXT, 4, 0),
        (_LOAD_WORD, _MINOR, _CONTEXT, 8, 0),
    ]
    for rule in reversed(ordered):
        code += _block(rule)
        if rule[:4] == ("a", -1, -1, _EVERY_ACCESS):
            break  # it matches everything: what was before it has no say, and the verifier wants no dead code
    else:
        code += [(_SET, _RESULT, 0, 0, 0), (_EXIT, 0, 0, 0, 0)]
    return b"".join(
        bytes((op, source << 4 | destination)) + offset.to_bytes(2, "little") + value.to_bytes(4, "little")
        for op, destination, source, offset, value in code
    )


def _block(rule: Rule) -> list[Instruction]:
    """Decide if the rule matches, else jump behind the block."""
    kind, major, minor, access, allow = rule
    tests: list[tuple[Instruction, ...]] = []
    if kind != "a":
        tests.append(((_UNEQUAL, _TYPE, 0, 0, _TYPES[kind]),))
    if access != _EVERY_ACCESS:
        # To allow, the rule must cover all that is asked for; to deny, any part of it.
        covered = ((_MOVE, _CONTEXT, _ACCESS, 0, 0), (_AND, _CONTEXT, 0, 0, access))
        differs = (_UNEQUAL_REGISTER, _CONTEXT, _ACCESS, 0, 0) if allow else (_EQUAL, _CONTEXT, 0, 0, 0)
        tests.append((*covered, differs))
    if major >= 0:
        tests.append(((_UNEQUAL, _MAJOR, 0, 0, major),))
    if minor >= 0:
        tests.append(((_UNEQUAL, _MINOR, 0, 0, minor),))
    block: list[Instruction] = [instruction for test in tests for instruction in test]
    block += [(_SET, _RESULT, 0, 0, int(allow)), (_EXIT, 0, 0, 0, 0)]
    jumps = (_UNEQUAL, _UNEQUAL_REGISTER, _EQUAL)
    return [
        (op, destination, source, len(block) - at - 1 if op in jumps else offset, value)
        for at, (op, destination, source, offset, value) in enumerate(block)
    ]


def _parsed(rule: dict[str, Any]) -> Rule:
    kind = rule.get("type") or "a"
    access = 0
    for letter in rule["access"]:
        access |= _BITS[letter]
    return ("c" if kind == "u" else kind, rule.get("major", -1), rule.get("minor", -1), access, rule["allow"])


def _parsed_default(text: str) -> Rule:
    kind, numbers, letters = text.split(" ")
    major, minor = (-1 if number == "*" else int(number) for number in numbers.split(":"))
    return (kind, major, minor, sum(_BITS[letter] for letter in letters), True)
