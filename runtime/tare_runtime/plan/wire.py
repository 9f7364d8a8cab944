"""A plan as bytes: the record that csrc/ops.h defines.

The numbers and signatures of the operations come from the C core, so that they are written down once.
"""

from _struct import pack

from tare_runtime._core import ffi, lib
from tare_runtime.plan.ops import Op

MAGIC = 0x54415245
VERSION = 1
HEADER_BYTES = 16

# name → (number, signature); see TARE_OPS in csrc/ops.h
KINDS: dict[str, tuple[int, str]] = {}
for _row in ffi.string(lib.tare_op_table()).decode()[:-1].split(";"):
    _name, _number, _signature = _row.split(" ")
    KINDS[_name] = (int(_number), _signature)


def encode(ops: list[Op], first_index: int = 0) -> bytes:
    """One record of all `ops`; failures are reported by position in the list, counted from `first_index`.

    Raises: ValueError where an argument does not fit the operation's signature, or a string holds NUL.
    """
    heads_bytes = 0
    for _kind, _pointer, args in ops:
        heads_bytes += 8 + 8 * len(args)
    heads: list[bytes] = []
    tail: list[bytes] = []
    offset = HEADER_BYTES + heads_bytes
    index = first_index
    for kind, _pointer, args in ops:
        number, signature = KINDS[kind]
        if len(args) != len(signature):
            raise ValueError(f"{kind} takes {len(signature)} arguments, not {len(args)}")
        values: list[int] = []
        for arg, letter in zip(args, signature, strict=True):
            if letter == "i":
                if not isinstance(arg, int):
                    raise ValueError(f"{kind}: an integer is wanted, not {arg!r}")
                values.append(arg & 0xFFFFFFFFFFFFFFFF)
                continue
            data = _bytes(kind, letter, arg)
            values.append(len(data) << 32 | offset)
            # Byte arguments are read as arrays of up to 64-bit numbers: each starts aligned.
            padding = 8 - len(data) % 8
            tail.append(data + b"\0" * padding)
            offset += len(data) + padding
        heads.append(pack(f"<HHI{len(values)}Q", number, len(values), index, *values))
        index += 1
    return pack("<IIII", MAGIC, VERSION, offset, len(ops)) + b"".join(heads) + b"".join(tail)


def _bytes(kind: str, letter: str, arg: int | str | bytes) -> bytes:
    if isinstance(arg, int):
        raise ValueError(f"{kind}: text is wanted, not {arg!r}")
    data = arg.encode("utf-8", "surrogateescape") if isinstance(arg, str) else arg
    if letter == "s" and b"\0" in data:
        raise ValueError(f"{kind}: a NUL byte in {data!r}")
    return data
