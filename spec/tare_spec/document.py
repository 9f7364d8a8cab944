"""Strict reading of JSON documents from outside: where two readers could differ, we refuse.

A digest names bytes, and two programs that read different things out of the same bytes can be played
off against each other (CVE-2021-41190). So a key given twice, a key that differs from a known one in
case only (Go's decoder takes it, ours would not see it), NaN, a byte order mark or text that is not
UTF-8 is an error, never a choice. Pure: bytes in, values out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from tare_spec.digest import Digest
from tare_spec.errors import BadDigest, BadDocument, shorten

MAX_INT = 2**63 - 1


def parse_json(raw: bytes, what: str) -> object:
    """Read one JSON text; `what` names the document in messages.

    Raises: BadDocument for anything that is not one well-formed, unambiguous JSON value.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadDocument(what, "", f"not UTF-8 (byte {error.start})") from error

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    raise BadDocument(what, "", f"the key {shorten(key)} is given twice in one object")
                seen.add(key)
        return found

    def refuse_constant(name: str) -> object:
        raise BadDocument(what, "", f"{name} is not JSON")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse_constant)
    except BadDocument:
        raise
    except RecursionError as error:
        raise BadDocument(what, "", "nested deeper than any document of its kind") from error
    except ValueError as error:
        raise BadDocument(what, "", f"not JSON: {error}") from error


class Fields:
    """One JSON object on its way into a type: typed access to its keys, errors with the pointer.

    `known` are all keys that the specification gives a meaning here; others are kept out of the way,
    except when they are a known one in other case.
    """

    __slots__ = ("pointer", "values", "what")

    def __init__(self, value: object, what: str, pointer: str, known: frozenset[str]) -> None:
        self.what = what
        self.pointer = pointer
        if not isinstance(value, dict):
            raise BadDocument(what, pointer, f"must be an object, is {kind(value)}")
        folded = {key.casefold(): key for key in known}
        for key in value:
            meant = folded.get(key.casefold())
            if meant is not None and key != meant:
                raise BadDocument(what, f"{pointer}/{key}", f"the key differs from {meant!r} in case only")
        self.values: dict[str, object] = value

    def fail(self, key: str, problem: str) -> BadDocument:
        return BadDocument(self.what, f"{self.pointer}/{key}", problem)

    def has(self, key: str) -> bool:
        """Present and not null: writers in Go leave null for what they did not set."""
        return self.values.get(key) is not None

    def get(self, key: str) -> object:
        if not self.has(key):
            raise self.fail(key, "is missing")
        return self.values[key]

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and not self.has(key):
            return default
        value = self.get(key)
        if not isinstance(value, str):
            raise self.fail(key, f"must be a string, is {kind(value)}")
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if self.has(key) else None

    def integer(self, key: str, minimum: int = 0) -> int:
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail(key, f"must be a whole number, is {kind(value)}")
        if not minimum <= value <= MAX_INT:
            raise self.fail(key, f"must be between {minimum} and 2^63-1, is {shorten(str(value), 40)}")
        return value

    def boolean(self, key: str) -> bool:
        if not self.has(key):
            return False
        value = self.values[key]
        if not isinstance(value, bool):
            raise self.fail(key, f"must be true or false, is {kind(value)}")
        return value

    def digest(self, key: str) -> Digest:
        return self.as_digest(self.text(key), key)

    def as_digest(self, text: str, place: str) -> Digest:
        try:
            return Digest.parse(text)
        except BadDigest as error:
            raise self.fail(place, str(error)) from error

    def items(self, key: str, *, required: bool = False) -> Iterator[tuple[str, object]]:
        """The members of an array, each with its pointer relative to this object."""
        if not required and not self.has(key):
            return
        value = self.get(key)
        if not isinstance(value, list):
            raise self.fail(key, f"must be an array, is {kind(value)}")
        for number, item in enumerate(value):
            yield f"{key}/{number}", item

    def texts(self, key: str) -> tuple[str, ...]:
        found = []
        for place, item in self.items(key):
            if not isinstance(item, str):
                raise self.fail(place, f"must be a string, is {kind(item)}")
            found.append(item)
        return tuple(found)

    def text_map(self, key: str) -> dict[str, str]:
        found = {}
        for name, value in self.object(key).items():
            if not isinstance(value, str):
                raise self.fail(f"{key}/{name}", f"must be a string, is {kind(value)}")
            found[name] = value
        return found

    def object(self, key: str) -> dict[str, object]:
        if not self.has(key):
            return {}
        value = self.values[key]
        if not isinstance(value, dict):
            raise self.fail(key, f"must be an object, is {kind(value)}")
        return value


def kind(value: object) -> str:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"
