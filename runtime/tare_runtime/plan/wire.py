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

_FORMATS = ["<HHI" + "Q" * count for count in range(9)]
_PADDING = [b"\0" * (8 - over) for over in range(8)]


def encode(ops: list[Op], first_index: int = 0) -> bytes:
    """One record of all `ops`; failures are reported by position in the list, counted from `first_index`.

    Raises: ValueError where an argument does not fit the operation's signature, or a string holds NUL.
    """
    offset = HEADER_BYTES + 8 * len(ops)
    for op in ops:
        offset += 8 * len(op[2])
    heads: list[bytes] = []
    tail: list[bytes] = []
    index = first_index
    for kind, _pointer, args in ops:
        number, signature = KINDS[kind]
        count = len(args)
        if count != len(signature):
            raise ValueError(f"{kind} takes {len(signature)} arguments, not {count}")
        values: list[int] = []
        at = 0
        for arg in args:
            letter = signature[at]
            at += 1
            if type(arg) is int and letter == "i":
                values.append(arg if arg >= 0 else arg & 0xFFFFFFFFFFFFFFFF)
                continue
            if type(arg) is str and letter != "i":
                data = arg.encode("utf-8", "surrogateescape")
            elif type(arg) is bytes and letter != "i":
                data = arg
            else:
                raise ValueError(f"{kind}: argument {at} does not fit {signature!r}: {arg!r}")
            size = len(data)
            if letter == "s" and b"\0" in data:
                raise ValueError(f"{kind}: a NUL byte in {data!r}")
            values.append(size << 32 | offset)
            # Byte arguments are read as arrays of up to 64-bit numbers: each starts aligned.
            tail.append(data)
            tail.append(_PADDING[size & 7])
            offset += (size | 7) + 1
        heads.append(pack(_FORMATS[count], number, count, index, *values))
        index += 1
    return pack("<IIII", MAGIC, VERSION, offset, len(ops)) + b"".join(heads) + b"".join(tail)
