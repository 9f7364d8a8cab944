"""WWW-Authenticate headers, read into challenges. Pure. Spec: RFC 9110, 11.6.1; RFC 6750, 3."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse(header: str) -> list[Challenge]:
    """All challenges of a header, schemes in lower case; what cannot be read is left out."""
    found: list[Challenge] = []
    rest = header[:MAX_LENGTH].strip()
    while rest:
        word, rest = take_token(rest)
        if not word:
            rest = rest[1:].lstrip()
        elif rest.startswith("=") and found:
            value, rest = take_value(rest[1:].lstrip())
            found[-1].parameters.setdefault(word.lower(), value)
        else:
            found.append(Challenge(word.lower()))
        rest = rest.lstrip(" \t,")
    return found


def take_token(text: str) -> tuple[str, str]:
    end = 0
    while end < len(text) and (text[end].isalnum() or text[end] in "!#$%&'*+-.^_`|~/:"):
        end += 1
    return text[:end], text[end:].lstrip(" \t")


def take_value(text: str) -> tuple[str, str]:
    if not text.startswith('"'):
        return take_token(text)
    value = []
    position = 1
    while position < len(text) and text[position] != '"':
        if text[position] == "\\" and position + 1 < len(text):
            position += 1
        value.append(text[position])
        position += 1
    return "".join(value), text[position + 1 :]
