"""The little of protobuf that CRIU's service speaks: numbers, truths, texts and messages in messages. Pure.

A message is a list of (field number, value); bool and int become varints, str and bytes counted bytes, a list
a message of its own. Decoding gives the same, as a dict of lists by field number.

Spec: protobuf.dev, "Encoding"; images/rpc.proto of CRIU for the numbers of its fields.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Fields = Sequence[tuple[int, Any]]

_VARINT, _FIXED64, _COUNTED, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}


def encode(fields: Fields) -> bytes:
    parts: list[bytes] = []
    for number, value in fields:
        if isinstance(value, int):
            parts += [_varint(number << 3 | _VARINT), _varint(value & (1 << 64) - 1)]
            continue
        data = encode(value) if isinstance(value, list) else value
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        parts += [_varint(number << 3 | _COUNTED), _varint(len(data)), data]
    return b"".join(parts)


def decode(data: bytes) -> dict[int, list[int | bytes]]:
    """Fields by number; a message inside stays bytes. Raises: ValueError for what is no message."""
    found: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _read_varint(data, at)
        else:
            if kind == _COUNTED:
                size, at = _read_varint(data, at)
            elif kind in _SIZES:
                size = _SIZES[kind]
            else:
                raise ValueError(f"a field of kind {kind} at byte {at}")
            value = data[at : at + size]
            at += size
            if at > len(data):
                raise ValueError("a field goes past the end of its message")
        found.setdefault(key >> 3, []).append(value)
    return found


def number(message: dict[int, list[int | bytes]], field: int, default: int = 0) -> int:
    """The last value of a number; as int32, which protobuf writes with its sign in 64 bits."""
    value = message.get(field, [default])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {field} is no number")
    return value - (1 << 64) if value >> 63 else value


def text(message: dict[int, list[int | bytes]], field: int) -> str:
    value = message.get(field, [b""])[-1]
    if not isinstance(value, bytes):
        raise ValueError(f"field {field} is no text")
    return value.decode("utf-8", "replace")


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number goes past the end of its message")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
