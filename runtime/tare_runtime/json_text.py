"""JSON text to values and back, without importing the json package (8 ms of start-up).

The interpreter's C scanner and encoder do the work; only their thin Python shell is ours. Objects keep the
last of two equal keys, as Go's decoder does for the other runtimes.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_encoder, make_scanner

MAX_DEPTH_WORDS = "nested too deeply"
_SPACE = " \t\n\r"


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


class _Context:
    """What the C scanner asks its decoder for."""

    strict = True  # control characters inside strings are refused
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)
    memo: dict[str, str] = {}


_scan = make_scanner(_Context())  # type: ignore[arg-type]  # any object with these attributes


def loads(text: str) -> object:
    """Read one JSON value that fills the whole text.

    Raises: ValueError with the place, for anything that is not JSON, NaN and Infinity included, and for
    nesting beyond the interpreter's recursion limit.
    """
    start = 0
    while text[start : start + 1] in _SPACE and start < len(text):
        start += 1
    try:
        value, end = _scan(text, start)
    except StopIteration as place:
        raise ValueError(f"no value at {_place(text, place.value)}") from None
    except RecursionError:
        raise ValueError(MAX_DEPTH_WORDS) from None
    except (ValueError, SystemError):
        raise ValueError(_problem(text, start)) from None
    while end < len(text):
        if text[end] not in _SPACE:
            raise ValueError(f"more text after the value at {_place(text, end)}")
        end += 1
    return value


def _problem(text: str, start: int) -> str:
    """Scan again for words: the C scanner has them only once json.decoder is loaded, and else fails bare."""
    try:
        import json.decoder

        _scan(text, start)
    except json.JSONDecodeError as error:
        return f"{error.msg[0].lower()}{error.msg[1:]} at {_place(text, error.pos)}"
    except (ValueError, StopIteration) as error:
        return str(error)
    return "it has no valid form"


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f"line {line}, column {column}" + (", the end of the text" if at >= len(text) else "")


def _refuse_object(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encode = make_encoder(None, _refuse_object, encode_basestring_ascii, None, ":", ",", False, False, False)


def dumps(value: object) -> str:
    """Write compact JSON, in ASCII."""
    return "".join(_encode(value, 0))


def dumps_indented(value: object, unit: str = "  ") -> str:
    """Write JSON for people, each member on its line, in ASCII."""
    return _indented(value, unit, "\n")


def _indented(value: object, unit: str, newline: str) -> str:
    inner = newline + unit
    if type(value) is dict and value:
        members = [
            f"{encode_basestring_ascii(key)}: {_indented(item, unit, inner)}" for key, item in value.items()
        ]
        return "{" + inner + ("," + inner).join(members) + newline + "}"
    if type(value) is list and value:
        return (
            "[" + inner + ("," + inner).join(_indented(item, unit, inner) for item in value) + newline + "]"
        )
    return dumps(value)
