"""The three ways to show progress."""

from __future__ import annotations

import io
import json

import pytest
from tare_imagetools.progress import JsonLines, Lines, Progress, Quiet, display_for, human
from tare_spec.digest import Digest
from tare_spec.image import Descriptor

BLOB = Descriptor("", Digest.of(b"x"), 3 << 20)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def play(progress: Progress) -> None:
    progress.start(BLOB, "layer")
    progress.advance(BLOB, "layer", 1 << 20)
    progress.advance(BLOB, "layer", 2 << 20)
    progress.finish(BLOB, "layer", "copied")
    progress.note("said the registry")
    progress.retry("again")
    progress.manifest(BLOB)
    progress.end(BLOB)
    progress.close()


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 20, "3.0 MiB"), (1 << 60, "1048576.0 TiB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human(size) == text


def test_lines_are_one_a_blob() -> None:
    out = io.StringIO()
    play(Progress(Lines(out)))
    short = BLOB.digest.short
    assert out.getvalue().splitlines() == [
        f"layer {short}: 3.0 MiB",
        "note: said the registry",
        "retry: again",
        f"manifest {short}: written",
    ]


def test_lines_tell_of_a_long_download_now_and_then() -> None:
    out = io.StringIO()
    lines = Lines(out)
    lines.every_s = 0
    play(Progress(lines))
    assert f"layer {BLOB.digest.short}: 1.0 MiB of 3.0 MiB" in out.getvalue()


def test_json_lines_say_the_same_to_programs() -> None:
    out = io.StringIO()
    display = JsonLines(out)
    display.every_s = 0
    play(Progress(display))
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["event"] for event in events] == [
        "start", "progress", "progress", "done", "note", "retry", "manifest", "end"
    ]  # fmt: skip
    assert events[2] == {
        "event": "progress",
        "what": "layer",
        "digest": str(BLOB.digest),
        "size": 3 << 20,
        "done": 3 << 20,
    }


def test_quiet_shows_what_a_registry_has_to_say_and_nothing_else() -> None:
    out = io.StringIO()
    play(Progress(Quiet(out)))
    assert out.getvalue() == "note: said the registry\n"


def test_bars_are_for_terminals_alone() -> None:
    assert isinstance(display_for(io.StringIO()), Lines)
    assert isinstance(display_for(Terminal(), quiet=True), Quiet)
    assert isinstance(display_for(Terminal(), as_json=True), JsonLines)


def test_bars_are_drawn_and_reach_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    out = Terminal()
    display = display_for(out)
    assert not isinstance(display, Lines)
    display.every_s = 0
    play(Progress(display))
    shown = out.getvalue()
    assert f"layer {BLOB.digest.short}" in shown
    assert "3.1/3.1 MB" in shown or "3.0/3.0 MiB" in shown
    assert "note: said the registry" in shown
