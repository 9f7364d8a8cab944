"""Blobs into a registry: mounted from another repository, in one streamed request, or in chunks.

The chunked way survives a broken connection: the registry is asked how far it got, and the rest of the
chunk is sent again. Spec: distribution-spec 1.1, "Pushing Blobs".
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import current_thread, main_thread
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

from tare_spec.image import Descriptor

from tare_imagetools.errors import RegistryError
from tare_imagetools.registry.auth import Scope
from tare_imagetools.verify import CHUNK, VerifyingReader

if TYPE_CHECKING:
    from tare_imagetools.registry.answer import Answer
    from tare_imagetools.registry.session import Session

CREATED = frozenset({201})
ACCEPTED = frozenset({202})
STARTED = frozenset({201, 202})
LARGEST_CHUNK = 1 << 30
USUAL_CHUNK = 16 << 20  # where a registry wants chunks and does not say of what size


class Body:
    """A verifying reader as requests wants a body: a length, and reads."""

    def __init__(self, stream: VerifyingReader) -> None:
        self.stream = stream

    def __len__(self) -> int:
        return self.stream.descriptor.size

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(CHUNK):
            yield piece

    def read(self, size: int = -1) -> bytes:
        return self.stream.read(size if size >= 0 else CHUNK)


def upload(
    session: Session,
    repository: str,
    descriptor: Descriptor,
    stream: VerifyingReader,
    *,
    chunk_size: int = 0,
) -> None:
    """Send a blob. `chunk_size`: bytes a request, 0 for all in one.

    Raises: AuthError, RegistryError, and what the stream raises.
    """
    scope = Scope(repository, "pull,push")
    tried = f"push blob {descriptor.digest} to {session.host}/{repository}"
    with session.request("POST", f"/v2/{repository}/blobs/uploads/", scope, tried, expect=ACCEPTED) as answer:
        location = next_location(answer, tried)
        smallest = answer.headers.get("OCI-Chunk-Min-Length", "")
    try:
        if session.only_chunks:
            chunk_size = chunk_size or USUAL_CHUNK
        if chunk_size and (descriptor.size > chunk_size or session.only_chunks):
            if smallest.isdigit():
                chunk_size = min(max(chunk_size, int(smallest[:12])), LARGEST_CHUNK)
            location = send_chunks(session, location, scope, tried, stream, chunk_size)
            finish(session, location, scope, tried, descriptor, None)
        else:
            finish(session, location, scope, tried, descriptor, stream)
    except BaseException:
        cancel(session, location, scope, tried)
        raise


def mount(session: Session, repository: str, descriptor: Descriptor, source: str) -> bool:
    """Have the registry take a blob over from its repository `source`; False if it would not."""
    scope = Scope(repository, "pull,push", source)
    tried = f"mount blob {descriptor.digest} from {source} in {session.host}/{repository}"
    path = f"/v2/{repository}/blobs/uploads/?mount={descriptor.digest}&from={quote(source, safe='')}"
    with session.request("POST", path, scope, tried, expect=STARTED) as answer:
        if answer.status == 201:
            return True
        location = answer.headers.get("Location")
    if location:  # the session that a 202 opens is not used: the push proper opens its own
        cancel(session, urljoin(answer.url, location), Scope(repository, "pull,push"), tried)
    return False


def finish(
    session: Session,
    location: str,
    scope: Scope,
    tried: str,
    descriptor: Descriptor,
    stream: VerifyingReader | None,
) -> None:
    joiner = "&" if "?" in location else "?"
    url = f"{location}{joiner}digest={quote(str(descriptor.digest), safe='')}"
    headers = {"Content-Type": "application/octet-stream"}
    body = b"" if stream is None or descriptor.size == 0 else Body(stream)
    if stream is not None and descriptor.size == 0:
        stream.read(1)
    with session.request("PUT", url, scope, tried, headers=headers, body=body, expect=CREATED):  # type: ignore[arg-type]
        pass


def send_chunks(
    session: Session, location: str, scope: Scope, tried: str, stream: VerifyingReader, chunk_size: int
) -> str:
    start = 0
    while chunk := read_chunk(stream, chunk_size):
        location = send_chunk(session, location, scope, tried, start, chunk)
        start += len(chunk)
    return location


def read_chunk(stream: VerifyingReader, size: int) -> bytes:
    chunk = bytearray()
    while len(chunk) < size and (piece := stream.read(size - len(chunk))):
        chunk += piece
    return bytes(chunk)


def send_chunk(session: Session, location: str, scope: Scope, tried: str, start: int, chunk: bytes) -> str:
    """Until the registry has all of the chunk; returns where the next one goes."""
    end = start + len(chunk)
    sent = start
    failures = 0
    while sent < end:
        headers = {"Content-Range": f"{sent}-{end - 1}", "Content-Type": "application/octet-stream"}
        part = chunk[sent - start :]
        try:
            # One attempt a call: a chunk that is sent twice must begin where the registry stands.
            answer = session.exchange("PATCH", location, scope, tried, headers, part)
        except RegistryError as error:
            if not error.temporary:
                raise
            problem: RegistryError = error
        else:
            if answer.status == 202:
                location = next_location(answer, tried)
                answer.drain()
                return location
            problem = session.refused(answer, tried, scope)
            if answer.status != 416 and not problem.temporary:
                raise problem
        failures += 1
        wait = session.retry.wait_s(failures)
        if wait is None:
            raise problem
        session.retry.sleep(wait)
        location, sent = ask_progress(session, location, scope, tried)
        if not start <= sent <= end:
            raise RegistryError(tried, f"the registry has {sent} bytes, which fits none of what was sent")
    return location


def ask_progress(session: Session, location: str, scope: Scope, tried: str) -> tuple[str, int]:
    """(where to go on, how many bytes the registry has)."""
    with session.request("GET", location, scope, tried, expect=frozenset({204})) as answer:
        last = answer.headers.get("Range", "").rpartition("-")[2]
        if not last.isdigit():
            raise RegistryError(tried, "the registry does not say how much of the upload it has")
        count = int(last[:20])
        where = next_location(answer, tried) if "Location" in answer.headers else location
        return where, count + 1 if count else 0


def next_location(answer: Answer, tried: str) -> str:
    """Where the registry wants the next request: verbatim, made absolute."""
    location = answer.headers.get("Location", "")
    if not location:
        raise RegistryError(tried, "the registry opened an upload without saying where (no Location)")
    return urljoin(answer.url, location)


def cancel(session: Session, location: str, scope: Scope, tried: str) -> None:
    """Tell the registry that the upload will not go on; what it answers does not matter."""
    if session.retry.cancelled.is_set() and current_thread() is main_thread():
        return  # somebody waits for us to end; the registry forgets the upload by itself
    try:
        session.exchange("DELETE", location, scope, tried, {}, None).drain()
    except Exception:
        return
