"""JSON text to values and back, without importing the json package (8 ms of start-up).

The interpreter's C scanner and encoder do the work; only their thin Python shell is ours. Objects keep the
last of two equal keys, as Go's decoder does for the other runtimes.
"""

from __future__ import annotations

try:
    import _json as _speedups

    _OWN = True
except ImportError:
    # An interpreter that is linked into one file may lack `_json`, which many builds keep in a shared object.
    # simplejson's C is its elder brother: the same calls, with more to say in them.
    import simplejson._speedups as _speedups  # type: ignore[import-untyped,no-redef]

    _OWN = False

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_quoted: Callable[[str], str] = _speedups.encode_basestring_ascii

MAX_DEPTH_WORDS = "nested too deeply"
_SPACE = " \t\n\r"


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


class _Context:
    """What the C scanner asks its decoder for."""

    strict = True  # control characters inside strings are refused
    encoding = "utf-8"
    object_hook = object_pairs_hook = array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)
    memo: dict[str, str] = {}


_scan: Callable[[str, int], tuple[object, int]] = _speedups.make_scanner(_Context())  # type: ignore[arg-type]


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
        raise ValueError(_problem(text)) from None
    while end < len(text):
        if text[end] not in _SPACE:
            raise ValueError(f"more text after the value at {_place(text, end)}")
        end += 1
    return value


def _problem(text: str) -> str:
    """Read it again for words: the C scanners have none, or others, where json.decoder is not loaded."""
    import json

    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return f"{error.msg[0].lower()}{error.msg[1:]} at {_place(text, error.pos)}"
    except ValueError as error:
        return str(error)
    except RecursionError:
        return MAX_DEPTH_WORDS
    return "it has no valid form"


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f"line {line}, column {column}" + (", the end of the text" if at >= len(text) else "")


def _refuse_object(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _compact_encoder() -> Callable[[object, int], Any]:
    """(value, 0) → pieces of compact ASCII JSON."""
    make: Any = _speedups.make_encoder
    encode: Callable[[object, int], Any]
    if _OWN:
        encode = make(None, _refuse_object, _quoted, None, ":", ",", False, False, False)
        return encode
    options: dict[str, Any] = {
        "markers": None,
        "default": _refuse_object,
        "encoder": _quoted,
        "indent": None,
        "key_separator": ":",
        "item_separator": ",",
        "key_memo": {},
        "tuple_as_array": True,
        "int_as_string_bitcount": None,
        "item_sort_key": None,
        "encoding": "utf-8",
        "Decimal": int,
    }
    off = (
        "sort_keys skipkeys allow_nan use_decimal namedtuple_as_object for_json ignore_nan iterable_as_array"
    )
    encode = make(**options, **dict.fromkeys(off.split(), False))
    return encode


_encode = _compact_encoder()


def dumps(value: object) -> str:
    """Write compact JSON, in ASCII."""
    return "".join(_encode(value, 0))


def dumps_indented(value: object, unit: str = "  ") -> str:
    """Write JSON for people, each member on its line, in ASCII."""
    return _indented(value, unit, "\n")


def _indented(value: object, unit: str, newline: str) -> str:
    inner = newline + unit
    if type(value) is dict and value:
        members = [f"{_quoted(key)}: {_indented(item, unit, inner)}" for key, item in value.items()]
        return "{" + inner + ("," + inner).join(members) + newline + "}"
    if type(value) is list and value:
        return (
            "[" + inner + ("," + inner).join(_indented(item, unit, inner) for item in value) + newline + "]"
        )
    return dumps(value)
