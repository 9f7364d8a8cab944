"""The log keeps every byte of both streams, in order, whatever pieces they arrive in."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tare_shim.container_log import LogWriter, older, pump, replay

PIECES = st.lists(
    st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(min_size=1, max_size=40)), max_size=12
)


def test_a_reader_that_follows_sees_every_line_of_a_log_that_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogWriter(path, 2000)
    written = 0

    def more() -> bool:
        nonlocal written
        if written == 150:
            return False
        for _ in range(15):
            log.write("stdout", b"%d\n" % written)
            written += 1
        return True

    numbers = [int(data) for _, _, data in replay(path, follow=more)]
    log.close()
    assert numbers == list(range(150))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2000
    assert len(list(tmp_path.iterdir())) == 2


def joined(pieces: list[tuple[str, bytes]]) -> dict[str, bytes]:
    streams = {"stdout": b"", "stderr": b""}
    for stream, data in pieces:
        streams[stream] += data
    return streams


@given(PIECES)
@settings(max_examples=200, deadline=None)
def test_what_was_written_is_what_is_read(pieces: list[tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log")
        log = LogWriter(path)
        for stream, data in pieces:
            log.write(stream, data)
        log.close()
        assert joined([(stream, data) for _, stream, data in replay(path)]) == joined(pieces)


def test_lines_are_those_of_the_cri_format(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log")
    log.write("stdout", b"one\ntwo")
    log.close()
    fields = [line.split(b" ", 3) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [(stream, tag, content) for _, stream, tag, content in fields] == [
        (b"stdout", b"F", b"one"),
        (b"stdout", b"P", b"two"),
    ]
    assert fields[0][0].endswith(b"Z")


def test_a_process_that_ends_ends_the_pump_although_a_child_keeps_the_pipe(tmp_path: Path) -> None:
    """A grandchild in the host's pid namespace may hold standard output for ever."""
    child = subprocess.Popen(
        ["sh", "-c", "sleep 1000 & echo $!; echo last >&2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout and child.stderr
    taken: list[tuple[str, bytes]] = []
    ended = os.pidfd_open(child.pid)
    try:
        # They become the pump's own.
        sources = {os.dup(child.stdout.fileno()): "stdout", os.dup(child.stderr.fileno()): "stderr"}
        pump(sources, lambda stream, data: taken.append((stream, data)), ended)
    finally:
        os.close(ended)
        child.wait()
        child.stdout.close()
        child.stderr.close()
    streams = joined(taken)
    assert streams["stderr"] == b"last\n"
    os.kill(int(streams["stdout"]), 9)


def test_one_large_piece_is_held_to_the_limit_too(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = LogWriter(path, 8192)
    writer.write("stdout", b"".join(b"line-%d\n" % number for number in range(1000)))
    writer.close()
    assert writer.failed is None
    assert path.stat().st_size <= 4096 and older(path).stat().st_size <= 4096
    text = older(path).read_text() + path.read_text()
    numbers = [int(line.rpartition("-")[2]) for line in text.splitlines()]
    assert numbers == list(range(numbers[0], 1000)) and numbers[0] > 800
