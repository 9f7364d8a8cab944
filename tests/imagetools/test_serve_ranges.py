"""The range headers of the embedded registry: whatever comes in, what goes out is inside the blob."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from tare_imagetools.serve.faults import Fault
from tare_imagetools.serve.ranges import chunk_range, download_range, page

SIZES = st.integers(0, 2**40)
NUMBERS = st.integers(0, 2**41).map(str) | st.just("") | st.text("0123456789-", max_size=25)


@given(st.builds("bytes={}-{}".format, NUMBERS, NUMBERS) | st.text(max_size=40), SIZES)
def test_a_download_range_lies_inside_the_blob(header: str, size: int) -> None:
    with suppress(Fault):
        found = download_range(header, size)
        if found is not None:
            offset, length = found
            assert offset >= 0
            assert length >= 1
            assert offset + length <= size


@given(st.integers(0, 2**40), st.integers(1, 2**40))
def test_a_range_of_a_blob_is_what_was_asked_for(offset: int, length: int) -> None:
    end = offset + length - 1
    assert download_range(f"bytes={offset}-{end}", end + 1) == (offset, length)
    assert download_range(f"bytes={offset}-", end + 1) == (offset, length)
    assert download_range(f"bytes=-{length}", end + 1) == (offset, length)


@given(st.builds("{}-{}".format, NUMBERS, NUMBERS) | st.text(max_size=40), SIZES)
def test_a_chunk_begins_where_the_upload_stands(header: str, offset: int) -> None:
    with suppress(Fault):
        length = chunk_range(header, offset)
        assert length >= 1
        assert str(offset) in header


@given(st.lists(st.text("abcXYZ._-09", min_size=1, max_size=5), unique=True), st.integers(1, 7))
def test_pages_put_together_are_the_whole_list(items: list[str], count: int) -> None:
    ordered, seen, last = sorted(items), [], None
    while True:
        query = {"n": str(count)} | ({"last": last} if last is not None else {})
        found, headers = page(ordered, query, "/v2/x/tags/list")
        assert len(found) <= count
        seen += found
        if not headers:
            break
        last = found[-1]
    assert seen == ordered
