"""What a copy is doing, told as events; and the three ways to show them on standard error.

Bars on a terminal where rich is installed, else plain lines: one a blob, no control characters, which is
what a log wants. `--json` is one object a line. Standard output stays free for results.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from typing import Protocol, TextIO

from tare_spec.image import Descriptor

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
JSON_EVERY_S = 0.5
PLAIN_EVERY_S = 15.0


@dataclass(frozen=True, slots=True)
class Event:
    """`kind`: start, progress, done (how: copied, present, skipped), manifest, retry, note, end."""

    kind: str
    what: str = ""
    digest: str = ""
    size: int = 0
    done: int = 0
    how: str = ""


class Display(Protocol):
    every_s: float
    """How often `progress` of one blob is wanted."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


class Progress:
    """Takes the reports of a copy, from any thread, and hands them to the display one by one."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.lock = threading.Lock()
        self.done: dict[str, int] = {}
        self.shown_at: dict[str, float] = {}

    def start(self, descriptor: Descriptor, what: str) -> None:
        key = str(descriptor.digest)
        with self.lock:
            self.done[key] = 0
            self.shown_at[key] = time.monotonic()
            self.display.show(Event("start", what, key, descriptor.size))

    def advance(self, descriptor: Descriptor, what: str, count: int) -> None:
        key = str(descriptor.digest)
        with self.lock:
            self.done[key] = self.done.get(key, 0) + count
            now = time.monotonic()
            if now - self.shown_at.get(key, 0.0) >= self.display.every_s:
                self.shown_at[key] = now
                self.display.show(Event("progress", what, key, descriptor.size, self.done[key]))

    def finish(self, descriptor: Descriptor, what: str, how: str) -> None:
        with self.lock:
            self.display.show(
                Event("done", what, str(descriptor.digest), descriptor.size, descriptor.size, how)
            )

    def manifest(self, descriptor: Descriptor) -> None:
        with self.lock:
            self.display.show(Event("manifest", "manifest", str(descriptor.digest), descriptor.size))

    def retry(self, text: str) -> None:
        with self.lock:
            self.display.show(Event("retry", text))

    def note(self, text: str) -> None:
        with self.lock:
            self.display.show(Event("note", text))

    def end(self, descriptor: Descriptor) -> None:
        with self.lock:
            self.display.show(Event("end", "image", str(descriptor.digest)))

    def close(self) -> None:
        with self.lock:
            self.display.close()


class Quiet:
    """Notes only: a warning of a registry is never swallowed."""

    every_s = float("inf")

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def show(self, event: Event) -> None:
        if event.kind == "note":
            print(f"note: {event.what}", file=self.stream, flush=True)

    def close(self) -> None: ...


class Lines:
    every_s = PLAIN_EVERY_S

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def show(self, event: Event) -> None:
        line = self.line(event)
        if line:
            print(line, file=self.stream, flush=True)

    def line(self, event: Event) -> str:
        name = f"{event.what} {event.digest.partition(':')[2][:12]}"
        match event.kind:
            case "progress":
                return f"{name}: {human(event.done)} of {human(event.size)}"
            case "done":
                how = {"copied": "", "present": ", already there", "skipped": ", left out"}[event.how]
                return f"{name}: {human(event.size)}{how}"
            case "manifest":
                return f"{name}: written"
            case "note" | "retry":
                return f"{event.kind}: {event.what}"
            case _:
                return ""

    def close(self) -> None: ...


class JsonLines:
    every_s = JSON_EVERY_S

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def show(self, event: Event) -> None:
        fields = {"event": event.kind}
        if event.kind in ("note", "retry"):
            fields["text"] = event.what
        else:
            fields |= {"what": event.what, "digest": event.digest}
        numbers = {"size": event.size, "done": event.done} if event.size else {}
        how = {"how": event.how} if event.how else {}
        print(json.dumps({**fields, **numbers, **how}), file=self.stream, flush=True)

    def close(self) -> None: ...


def display_for(stream: TextIO, *, quiet: bool = False, as_json: bool = False) -> Display:
    if as_json:
        return JsonLines(stream)
    if quiet:
        return Quiet(stream)
    if stream.isatty():
        try:
            from tare_imagetools.bars import Bars
        except ImportError:
            return Lines(stream)
        return Bars(stream)
    return Lines(stream)


def standard(*, quiet: bool = False, as_json: bool = False) -> Progress:
    return Progress(display_for(sys.stderr, quiet=quiet, as_json=as_json))


def human(size: int) -> str:
    """A size for people: 12.3 MiB."""
    amount = float(size)
    for unit in UNITS:
        if amount < 1024 or unit == UNITS[-1]:
            return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError
