"""The file that a container's output is kept in."""

from __future__ import annotations

from pathlib import Path

from tare_shim.container_log import LogWriter, older


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
