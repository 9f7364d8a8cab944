"""Values as org.systemd.property.* annotations have them: GVariant's text format. Pure.

What properties of units need of it: booleans, numbers, strings, arrays and tuples, with types in words or
after @ ("uint64 5", "@t 5"). Spec: GLib, "GVariant Text Format".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.host.dbus import Value

_WORDS = {
    "boolean": "b", "byte": "y", "int16": "n", "uint16": "q", "int32": "i", "handle": "h", "uint32": "u",
    "int64": "x", "uint64": "t", "double": "d", "string": "s", "objectpath": "o", "signature": "g",
}  # fmt: skip
_RANGES = {
    "y": (0, 2**8), "n": (-(2**15), 2**15), "q": (0, 2**16), "i": (-(2**31), 2**31), "h": (0, 2**31),
    "u": (0, 2**32), "x": (-(2**63), 2**63), "t": (0, 2**64),
}  # fmt: skip
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}
_MAX_DEPTH = 16


class Unreadable(Exception):
    """What is wrong with the text."""


def parse(text: str) -> tuple[str, Value]:
    """(signature, value). Raises: Unreadable."""
    reader = _Reader(text)
    signature, value = reader.value("")
    reader.skip()
    if reader.at < len(text):
        raise Unreadable(f"{text!r} has something behind its value: {text[reader.at :]!r}")
    return signature, value


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def skip(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1

    def peek(self) -> str:
        self.skip()
        return self.text[self.at : self.at + 1]

    def value(self, want: str) -> tuple[str, Value]:
        """`want`: the type that is said before it, or ""."""
        first = self.peek()
        if first in ("'", '"'):
            return self._typed(want or "s", self._string(first))
        if first == "@":
            self.at += 1
            return self.value(self._signature())
        if first and first in "[(":
            return self._several(first, want)
        word = self._word()
        if word in _WORDS:
            return self.value(_WORDS[word])
        if word in ("true", "false"):
            return self._typed(want or "b", word == "true")
        return self._number(word, want)

    def _word(self) -> str:
        self.skip()
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] not in " \t\n,])'\"[(":
            self.at += 1
        if begin == self.at:
            raise Unreadable(f"{self.text!r} lacks a value at its character {begin}")
        return self.text[begin : self.at]

    def _signature(self) -> str:
        begin = self.at
        while self.at < len(self.text) and not self.text[self.at].isspace():
            self.at += 1
        signature = self.text[begin : self.at]
        balanced = signature.count("(") == signature.count(")") and not signature.endswith("a")
        if not signature or signature.strip("abynqiuxtdsogh()") or not balanced:
            raise Unreadable(f"{self.text!r}: {signature!r} is no type")
        return signature

    def _number(self, word: str, want: str) -> tuple[str, Value]:
        try:
            if want == "d" or (not want and "." in word):
                return "d", float(word)
            digits = word.lstrip("+-")
            base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[:1] == "0" and len(digits) > 1 else 10
            return self._typed(want or "i", int(word, base))
        except ValueError:
            raise Unreadable(f"{self.text!r}: {word!r} is no value; strings have quotes") from None

    def _typed(self, kind: str, value: bool | int | str) -> tuple[str, Value]:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        low, high = _RANGES.get(kind, (0, 0))
        fits = (
            (is_number and low <= int(value) < high)
            or (kind == "b" and isinstance(value, bool))
            or (kind in ("s", "o", "g") and isinstance(value, str))
        )
        if not fits:
            raise Unreadable(f"{self.text!r}: {value!r} is no value of the type {kind!r}")
        return kind, value

    def _string(self, quote: str) -> str:
        out = ""
        self.at += 1
        while (letter := self.text[self.at : self.at + 1]) != quote:
            if not letter:
                raise Unreadable(f"{self.text!r} lacks a closing quote")
            if letter == "\\":
                self.at += 1
                letter = self.text[self.at : self.at + 1]
                letter = _ESCAPES.get(letter, letter)
            out += letter
            self.at += 1
        self.at += 1
        if "\0" in out:
            raise Unreadable(f"{self.text!r} has a NUL in a string")
        return out

    def _several(self, opening: str, want: str) -> tuple[str, Value]:
        from tare_runtime.host.dbus import split

        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unreadable("it is nested too deep")
        closing = "]" if opening == "[" else ")"
        wanted = split(want[1:-1]) if want[:1] == "(" else []
        item_type = want[1:] if want[:1] == "a" else ""
        self.at += 1
        types: list[str] = []
        items: list[Value] = []
        while self.peek() != closing:
            place = len(items)
            said = (wanted[place] if place < len(wanted) else "") if opening == "(" else item_type
            kind, item = self.value(said)
            item_type = item_type or kind
            types.append(kind)
            items.append(item)
            if self.peek() == ",":
                self.at += 1
            elif self.peek() != closing:
                raise Unreadable(f"{self.text!r} lacks a {closing!r}")
        self.at += 1
        self.depth -= 1
        if opening == "(":
            return "(" + "".join(types) + ")", tuple(items)
        if not item_type:
            raise Unreadable(f"{self.text!r}: an empty array needs its type before it, as in @as []")
        if any(kind != item_type for kind in types):
            raise Unreadable(f"{self.text!r}: the items of an array are of one type")
        return "a" + item_type, items
