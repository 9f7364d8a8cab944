"""The three range headers a registry reads: Range of a download, Content-Range of a chunk, n/last of a list.

Pure. Spec: RFC 9110, 14; distribution-spec 1.1, "Pushing a blob in chunks" (its Content-Range is
`START-END`, without unit and total) and "Listing Tags".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlencode

from tare_imagetools.serve.faults import Fault

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
PAGE_BYTES = 4_000_000  # below the 4 MiB that a manifest, and so an index, may have
CHUNK = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d{1,18}|\*))?", re.ASCII)


def download_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(offset, length) to send with 206; None to send everything, also for what is not understood.

    Raises: Fault RANGE_INVALID when no byte of the range exists.
    """
    found = RANGE.fullmatch(header.strip()) if header else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
        satisfiable = int(last) > 0 and size > 0
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        satisfiable = start < size
        if last and int(last) < start:
            return None
    if not satisfiable:
        raise Fault("RANGE_INVALID", headers=[("Content-Range", f"bytes */{size}")])
    return start, end - start + 1


def chunk_range(header: str, offset: int) -> int:
    """The length of a chunk that must begin at `offset`.

    Raises: Fault RANGE_INVALID.
    """
    found = CHUNK.fullmatch(header.strip())
    if found is None:
        raise Fault("RANGE_INVALID", f"Content-Range {header!r} is not START-END")
    start, end = int(found[1]), int(found[2])
    if start != offset:
        raise Fault("RANGE_INVALID", f"the chunk begins at {start}, but the next byte is {offset}")
    if end < start:
        raise Fault("RANGE_INVALID", f"Content-Range {header!r} ends before it begins")
    return end - start + 1


def page(
    items: Sequence[str], query: dict[str, str], path: str, texts: dict[str, str] | None = None
) -> tuple[list[str], list[tuple[str, str]]]:
    """One page of sorted items, with the Link header when there is more.

    `texts`: what each item is sent as; then a page ends before PAGE_BYTES, too, but holds one at least.
    Raises: Fault UNSUPPORTED when `n` is not a number.
    """
    last = query.get("last")
    rest = [item for item in items if last is None or item > last]
    fitting = len(rest) if texts is None else fit([texts[item] for item in rest])
    if "n" not in query:
        return rest[:fitting], next_page(rest, fitting, query, path)
    if not query["n"].isascii() or not query["n"].isdigit() or len(query["n"]) > 9:
        raise Fault("UNSUPPORTED", "n must be a number of entries", detail={"n": query["n"]}, status=400)
    count = min(int(query["n"]), fitting)
    return rest[:count], next_page(rest, count, query, path)


def fit(texts: Sequence[str]) -> int:
    """How many of these, from the first on, make a page."""
    size = 0
    for number, text in enumerate(texts):
        size += len(text.encode()) + 2
        if size > PAGE_BYTES and number:
            return number
    return len(texts)


def next_page(rest: Sequence[str], count: int, query: dict[str, str], path: str) -> list[tuple[str, str]]:
    if not count or len(rest) <= count:
        return []
    words: dict[str, str] = {name: query[name] for name in ("n", "artifactType") if name in query}
    words["last"] = rest[count - 1]
    return [("Link", f'<{path}?{urlencode(words, safe="")}>; rel="next"')]
