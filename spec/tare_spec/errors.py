"""What can be wrong with a value or a document that an OCI specification describes.

    SpecError                   a ValueError: the text is not what the specification says
    ├── BadDigest               not ALGORITHM:HEX of a registered algorithm
    ├── BadReference            not a name such as HOST/REPOSITORY:TAG
    ├── BadPlatform             not OS/ARCHITECTURE[/VARIANT]
    └── BadDocument             a JSON document that a decoder refuses, with the JSON pointer of the place

Every class is raised by the `parse` or `decode_` function of the value it names. The text is refused
as it is; only who wrote it can mend it.
"""

from __future__ import annotations


class SpecError(ValueError):
    """The root; never raised itself."""


class BadDigest(SpecError):
    def __init__(self, text: str, problem: str) -> None:
        super().__init__(f"digest {shorten(text)}: {problem}")
        self.text = text
        self.problem = problem


class BadReference(SpecError):
    def __init__(self, text: str, problem: str, hint: str | None = None) -> None:
        super().__init__(f"reference {shorten(text)}: {problem}")
        self.text = text
        self.problem = problem
        self.hint = hint


class BadPlatform(SpecError):
    def __init__(self, text: str, problem: str) -> None:
        super().__init__(f"platform {shorten(text)}: {problem}")
        self.text = text
        self.problem = problem


class BadDocument(SpecError):
    def __init__(self, what: str, pointer: str, problem: str) -> None:
        self.what = what
        self.pointer = printable(pointer)  # made of keys, which are whatever the document's writer wrote
        place = f"{what}: {self.pointer}" if pointer else what
        super().__init__(f"{place}: {problem}")
        self.problem = problem


def printable(text: str, limit: int = 200) -> str:
    """A text of unknown origin without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text[:limit])


def shorten(text: str, limit: int = 120) -> str:
    """Quote a text of unknown origin for a message: one line, escapes shown, bounded."""
    shown = repr(text)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
