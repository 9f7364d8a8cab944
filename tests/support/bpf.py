"""Classic BPF as the kernel runs it for seccomp: an interpreter of what filters are made of."""

from __future__ import annotations

import struct

Program = list[tuple[int, int, int, int]]

_LOAD, _RETURN, _JUMP, _AND = 0x20, 0x06, 0x05, 0x54
_EQUAL, _GREATER, _NOT_LESS, _BITS_SET = 0x15, 0x25, 0x35, 0x45


def decoded(program: bytes, order: str = "little") -> Program:
    """Checked as the kernel does: known codes, jumps that stay inside, a return at the end."""
    code = list(struct.iter_unpack(("<" if order == "little" else ">") + "HBBI", program))
    assert 0 < len(code) <= 4096
    for at, (op, yes, no, value) in enumerate(code):
        assert op in (_LOAD, _RETURN, _JUMP, _AND, _EQUAL, _GREATER, _NOT_LESS, _BITS_SET), hex(op)
        if op == _LOAD:
            assert value % 4 == 0 and value < 64, value
        elif op == _JUMP:
            assert at + 1 + value < len(code)
        elif op & 7 == 5:
            assert at + 1 + max(yes, no) < len(code)
    assert code[-1][0] == _RETURN
    return code


def verdict(code: Program, data: bytes, order: str = "little") -> int:
    """What a decoded program returns for a struct seccomp_data."""
    words = struct.unpack(("<" if order == "little" else ">") + "16I", data)
    at = accumulator = 0
    while True:
        op, yes, no, value = code[at]
        at += 1
        if op == _RETURN:
            return value
        if op == _LOAD:
            accumulator = words[value // 4]
        elif op == _AND:
            accumulator &= value
        elif op == _JUMP:
            at += value
        elif op == _EQUAL:
            at += yes if accumulator == value else no
        elif op == _GREATER:
            at += yes if accumulator > value else no
        elif op == _NOT_LESS:
            at += yes if accumulator >= value else no
        else:
            at += yes if accumulator & value else no


def data_of(number: int, architecture: int, args: tuple[int, ...] = (), order: str = "little") -> bytes:
    """struct seccomp_data of one call."""
    six = (*args, 0, 0, 0, 0, 0, 0)[:6]
    sign = "<" if order == "little" else ">"
    return struct.pack(sign + "IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *six)
