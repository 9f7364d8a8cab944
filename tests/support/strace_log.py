"""What `strace -f -y` wrote, as calls: pid, name, arguments as they are printed, result."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Call(NamedTuple):
    pid: int
    name: str
    args: tuple[str, ...]
    result: str

    @property
    def failed(self) -> bool:
        return self.result.startswith("-1 ")

    def __str__(self) -> str:
        return f"{self.pid} {self.name}({', '.join(self.args)}) = {self.result}"


def calls_in(path: Path) -> Iterator[Call]:
    """Finished calls, in the order in which they ended; signals and exits are left out."""
    begun: dict[int, str] = {}
    for line in path.read_text(errors="surrogateescape").splitlines():
        pid_text, _, rest = line.partition(" ")
        pid, rest = int(pid_text), rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>", rest)
        if resumed:
            rest = begun.pop(pid) + rest[resumed.end() :]
        match = re.match(r"(\w+)\((.*)\)\s+= (.*)$", rest)
        if match:
            yield Call(pid, match[1], tuple(split_arguments(match[2])), match[3])


def split_arguments(text: str) -> list[str]:
    """At the commas that are in no string and no bracket."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        letter = text[at]
        if letter == '"':
            at += 1
            while text[at] != '"':
                at += 2 if text[at] == "\\" else 1
        elif letter in "([{<":
            depth += 1
        elif letter in ")]}>" and not (letter == ">" and text[at - 1] in "-="):
            depth -= 1
        elif letter == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
        at += 1
    return [*parts, text[start:].strip()] if text.strip() else []


def text_of(argument: str) -> str:
    """A printed string as it was."""
    value = ast.literal_eval("b" + argument)
    assert isinstance(value, bytes)
    return value.decode("utf-8", "surrogateescape")


def path_of(argument: str) -> str:
    """The path that strace prints behind a descriptor: `5</tmp/x>`, or "" for none."""
    match = re.fullmatch(r"(?:\d+|AT_FDCWD)<(.*?)>(?:\(deleted\))?", argument)
    return match[1] if match else ""
