from __future__ import annotations

import io
from pathlib import Path

import pytest
from tare_imagetools.errors import VerifyError
from tare_imagetools.verify import VerifyingReader, read_blob, read_bounded
from tare_spec.digest import Digest
from tare_spec.image import Descriptor

CONTENT = b"0123456789" * 1000


class Pieces(io.BytesIO):
    """Gives a few bytes at a time, as a network does."""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return super().readinto(buffer[:7])


class Endless:
    def readinto(self, buffer: memoryview) -> int:
        buffer[:] = b"x" * len(buffer)
        return len(buffer)

    def seek(self, offset: int) -> None: ...

    def close(self) -> None: ...


def reader(content: bytes, *, size: int | None = None, digest: Digest | None = None) -> VerifyingReader:
    descriptor = Descriptor("", digest or Digest.of(CONTENT), len(CONTENT) if size is None else size)
    return VerifyingReader(Pieces(content), descriptor, "blob")


def test_the_right_content_comes_through() -> None:
    assert reader(CONTENT).readall() == CONTENT
    assert reader(b"", size=0, digest=Digest.of(b"")).readall() == b""


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(CONTENT[:-1], "only 9999", id="short"),
        pytest.param(b"", "only 0", id="empty"),
        pytest.param(CONTENT + b"x", "more than 10000", id="long"),
        pytest.param(b"x" + CONTENT[1:], "has digest", id="other"),
    ],
)
def test_wrong_content_is_never_handed_out_whole(content: bytes, why: str) -> None:
    stream = reader(content)
    got = b""
    with pytest.raises(VerifyError, match=why):
        while piece := stream.read(100):
            got += piece
    assert len(got) < len(CONTENT)


def test_a_caller_who_stops_at_the_size_has_not_got_the_last_bytes_of_something_else() -> None:
    stream = reader(b"x" * len(CONTENT))
    got = 0
    with pytest.raises(VerifyError):
        while got < len(CONTENT):
            got += len(stream.read(len(CONTENT) - got))


def test_a_resumed_reader_hashes_what_was_there_before() -> None:
    stream = reader(CONTENT)
    stream.resume(io.BytesIO(CONTENT), 4321)
    assert stream.readall() == CONTENT[4321:]


def test_a_wrong_beginning_is_found_after_resuming() -> None:
    stream = reader(CONTENT)
    stream.resume(io.BytesIO(b"x" * 4321), 4321)
    with pytest.raises(VerifyError, match="has digest"):
        stream.readall()


def test_bounded_reading_stops_at_the_bound() -> None:
    assert read_bounded(io.BytesIO(b"abc"), 3, "body") == b"abc"
    with pytest.raises(VerifyError, match="longer than 2 bytes"):
        read_bounded(io.BytesIO(b"abc"), 2, "body")
    with pytest.raises(VerifyError, match="longer than"):
        read_bounded(Endless(), 10_000_000, "body")


def test_a_blob_that_is_announced_too_long_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="is the most"):
        read_blob(reader(CONTENT), 100)
