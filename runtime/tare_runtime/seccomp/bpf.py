"""Classic BPF for seccomp, built from the end backwards: every jump's length is known when it is written.

A *block* is a list of instructions that ends in RETURN on every way through. An instruction is one integer,
laid out as struct sock_filter is on a little-endian machine; `packed` makes bytes of them. Pure.
"""

from __future__ import annotations

from _struct import pack

from tare_runtime._core import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    # (index of the argument, operator, value, mask)
    Condition = tuple[int, str, int, int]
    Block = list[int]
    Alternative = tuple[tuple[Condition, ...], int]  # conditions that must all hold, and the action then

LOAD: int = lib.BPF_LD | lib.BPF_W | lib.BPF_ABS
AND: int = lib.BPF_ALU | lib.BPF_AND | lib.BPF_K
RETURN: int = lib.BPF_RET | lib.BPF_K
JUMP: int = lib.BPF_JMP | lib.BPF_JA
EQUAL: int = lib.BPF_JMP | lib.BPF_JEQ | lib.BPF_K
GREATER: int = lib.BPF_JMP | lib.BPF_JGT | lib.BPF_K
NOT_LESS: int = lib.BPF_JMP | lib.BPF_JGE | lib.BPF_K

# struct seccomp_data
NUMBER = LOAD | 0 << 32
LOAD_ARCHITECTURE = LOAD | 4 << 32
_ARGUMENTS = 16
_FARTHEST = 255
_LOW = 0xFFFFFFFF


def give(action: int) -> int:
    return RETURN | action << 32


def test(code: int, value: int, yes: int, no: int) -> int:
    """Compare: skip `yes` instructions where it holds, `no` where it does not."""
    return code | yes << 16 | no << 24 | value << 32


def packed(block: Block, byteorder: str) -> bytes:
    if byteorder == "little":
        return pack(f"<{len(block)}Q", *block)
    return b"".join(
        pack(">HBBI", word & 0xFFFF, word >> 16 & 0xFF, word >> 24 & 0xFF, word >> 32) for word in block
    )


# --- by number ------------------------------------------------------------------------------------------


def dispatch(spans: list[tuple[int, int | Block]]) -> Block:
    """A block for one architecture. `spans`: (first number, what it and all up to the next get), sorted.

    What they get is an action or a block. A binary tree over the numbers: about six comparisons where a list
    takes hundreds.
    """
    blocks: list[Block] = [[give(what)] if isinstance(what, int) else what for _, what in spans]
    starts = [first for first, _ in spans]
    # Neighbours are joined two by two: the same tree as by halving, without recursion.
    while len(blocks) > 1:
        joined = [_fork(starts[at + 1], blocks[at], blocks[at + 1]) for at in range(0, len(blocks) - 1, 2)]
        if len(blocks) & 1:
            joined.append(blocks[-1])
        blocks, starts = joined, starts[::2]
    return [NUMBER, *blocks[0]]


def _fork(limit: int, below: Block, from_it_up: Block) -> Block:
    size = len(below)
    if size <= _FARTHEST:
        return [test(NOT_LESS, limit, size, 0), *below, *from_it_up]
    return [test(NOT_LESS, limit, 0, 1), JUMP | size << 32, *below, *from_it_up]


def choose(value: int, block: Block) -> Block:
    """`block` where the loaded word is `value`; what is behind it elsewhere."""
    if len(block) <= _FARTHEST:
        return [test(EQUAL, value, 0, len(block)), *block]
    return [test(EQUAL, value, 1, 0), JUMP | len(block) << 32, *block]


# --- by arguments ---------------------------------------------------------------------------------------


def by_arguments(alternatives: list[Alternative], default: int, bits: int, byteorder: str) -> Block:
    """The action of the first alternative whose conditions all hold, else `default`."""
    block: Block = []
    for conditions, action in alternatives:
        part = [give(action)]
        for condition in reversed(conditions):
            part = _tests(condition, len(part), bits, byteorder) + part
        block += part
    return [*block, give(default)]


def _tests(condition: Condition, away: int, bits: int, byteorder: str) -> Block:
    """Go on behind the last instruction where it holds, else skip `away` more."""
    index, operator, value, mask = condition
    first = LOAD | _ARGUMENTS + 8 * index << 32
    second = first + (4 << 32)
    low, high = (first, second) if byteorder == "little" else (second, first)
    low_value, high_value = value & _LOW, value >> 32
    if operator == "MASKED_EQ":
        return _masked(low, high, value, mask if bits == 64 else mask & _LOW, away)
    if bits == 32:
        code, negated = _SINGLE[operator]
        return [low, test(code, low_value, away if negated else 0, 0 if negated else away)]
    if operator == "EQ":
        return [high, test(EQUAL, high_value, 0, 2 + away), low, test(EQUAL, low_value, 0, away)]
    if operator == "NE":
        return [high, test(EQUAL, high_value, 0, 2), low, test(EQUAL, low_value, away, 0)]
    code = NOT_LESS if operator in ("GE", "LT") else GREATER
    if operator in ("GT", "GE"):
        last = test(code, low_value, 0, away)
        return [high, test(GREATER, high_value, 3, 0), test(EQUAL, high_value, 0, 2 + away), low, last]
    last = test(code, low_value, away, 0)
    return [high, test(GREATER, high_value, 3 + away, 0), test(EQUAL, high_value, 0, 2), low, last]


# operator → (comparison, whether its result is turned around)
_SINGLE = {
    "EQ": (EQUAL, False),
    "NE": (EQUAL, True),
    "GT": (GREATER, False),
    "LE": (GREATER, True),
    "GE": (NOT_LESS, False),
    "LT": (NOT_LESS, True),
}


def _masked(low: int, high: int, value: int, mask: int, away: int) -> Block:
    block: Block = []
    if mask & _LOW:
        want = value & mask & _LOW
        block = [low, AND | (mask & _LOW) << 32, test(EQUAL, want, 0, away)]
    if mask >> 32:
        want = (value & mask) >> 32
        block = [high, AND | mask >> 32 << 32, test(EQUAL, want, 0, away + len(block)), *block]
    return block
