"""Uploads: in chunks that survive a failing proxy, in one stream without a copy, cancelled when they fail."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.errors import RegistryError, VerifyError
from tare_imagetools.registry.client import Repository
from tare_imagetools.registry.retry import RetryPolicy
from tare_imagetools.registry.session import Session, SessionOptions
from tare_imagetools.verify import VerifyingReader
from tare_spec.digest import Digest
from tare_spec.image import Descriptor

from tests.support.hostile_registry import HostileRegistry, Reply, Rule, Seen, error
from tests.support.layouts import make_layout

CONTENT = os.urandom(1_000_000)
BLOB = Descriptor("", Digest.of(CONTENT), len(CONTENT))
SESSION = r"/v2/.+/blobs/uploads/.+"
CHUNK = 300_000


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[HostileRegistry]:
    made = HostileRegistry(make_layout(tmp_path / "image", "v1"))
    with made.running():
        yield made


@pytest.fixture
def repository(registry: HostileRegistry) -> Iterator[Repository]:
    options = SessionOptions(retry=RetryPolicy(3, 0.01))
    session = Session(registry.address, options)
    yield Repository(session, "box")
    session.close()


def stream(content: bytes = CONTENT) -> VerifyingReader:
    return VerifyingReader(io.BytesIO(content), BLOB, "blob")


def progress(count: int, path: str) -> Reply:
    return Reply(204, {"Location": path, "Range": f"0-{max(count - 1, 0)}"})


class Losing:
    """Keeps `keep` bytes of the chunk with that number and fails as a proxy does; knows where it stands."""

    def __init__(self, number: int, keep: int) -> None:
        self.number = number
        self.keep = keep
        self.held = b""
        self.chunks: list[str] = []

    def rules(self) -> list[Rule]:
        return [
            Rule("PATCH", SESSION, self.patch),
            Rule("GET", SESSION, lambda registry, seen: progress(len(self.held), seen.path)),
            Rule("PUT", SESSION, self.put),
        ]

    def patch(self, registry: HostileRegistry, seen: Seen) -> Reply:
        span = seen.headers["content-range"]
        self.chunks.append(span)
        if int(span.partition("-")[0]) != len(self.held):
            return error(416, "RANGE_INVALID")
        if seen.number == self.number:
            self.held += seen.body[: self.keep]
            return error(502, "UNKNOWN")
        self.held += seen.body
        return Reply(202, {"Location": seen.path, "Range": f"0-{len(self.held) - 1}"})

    def put(self, registry: HostileRegistry, seen: Seen) -> Reply:
        registry.stored[seen.query["digest"]] = self.held + seen.body
        return Reply(201)


@pytest.mark.parametrize("keep", [0, 1, CHUNK // 2, CHUNK], ids=["nothing", "byte", "half", "all"])
def test_a_chunk_that_was_lost_is_gone_on_with_where_the_registry_stands(
    registry: HostileRegistry, repository: Repository, keep: int
) -> None:
    losing = Losing(1, keep)
    registry.rules = losing.rules()
    repository.put_blob(BLOB, stream(), CHUNK)
    assert registry.stored[str(BLOB.digest)] == CONTENT
    assert losing.chunks[1] == f"{CHUNK}-{2 * CHUNK - 1}"
    if keep < CHUNK:
        assert losing.chunks[2] == f"{CHUNK + keep}-{2 * CHUNK - 1}"


def test_chunks_are_as_large_as_the_registry_wants_them(
    registry: HostileRegistry, repository: Repository
) -> None:
    def begin(registry: HostileRegistry, seen: Seen) -> Reply:
        reply = registry.behave(seen)
        reply.headers["OCI-Chunk-Min-Length"] = "400000"
        return reply

    registry.rules = [Rule("POST", r"/v2/.+/blobs/uploads/", begin)]
    repository.put_blob(BLOB, stream(), CHUNK)
    sizes = [len(seen.body) for seen in registry.seen if seen.method == "PATCH"]
    assert sizes == [400_000, 400_000, 200_000]
    assert registry.stored[str(BLOB.digest)] == CONTENT


def test_a_registry_that_is_further_than_what_was_sent_is_not_believed(
    registry: HostileRegistry, repository: Repository
) -> None:
    registry.rules = [
        Rule("PATCH", SESSION, lambda registry, seen: error(500, "UNKNOWN")),
        Rule("GET", SESSION, lambda registry, seen: progress(10**9, seen.path)),
    ]
    with pytest.raises(RegistryError, match="fits none"):
        repository.put_blob(BLOB, stream(), CHUNK)


def test_an_upload_that_fails_is_cancelled(registry: HostileRegistry, repository: Repository) -> None:
    with pytest.raises(VerifyError):
        repository.put_blob(BLOB, stream(b"x" * len(CONTENT)))
    # The PUT breaks off on a connection of its own: the registry may note it behind the DELETE, or later.
    assert "DELETE" in [seen.method for seen in registry.seen if seen.path.endswith("/uploads/0")]
    assert str(BLOB.digest) not in registry.stored


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_make_a_get_of_an_upload_is_not_followed(
    registry: HostileRegistry, repository: Repository, status: int
) -> None:
    away = Reply(status, {"Location": f"http://{registry.other}/x"})
    registry.rules = [Rule("POST", r"/v2/.+/blobs/uploads/", lambda registry, seen: away)]
    with pytest.raises(RegistryError, match=str(status)):
        repository.put_blob(BLOB, stream())
    assert [seen for seen in registry.seen if seen.origin == "other"] == []


def test_uploads_that_are_sent_in_a_circle_end(registry: HostileRegistry, repository: Repository) -> None:
    again = [
        Rule("POST", r"/v2/.+/blobs/uploads/", lambda server, seen: Reply(307, {"Location": seen.target}))
    ]
    registry.rules = again
    with pytest.raises(RegistryError, match="redirects more than 5 times"):
        repository.put_blob(BLOB, stream())
    assert len([seen for seen in registry.seen if seen.method == "POST"]) == 6


def test_an_empty_blob_is_pushed(registry: HostileRegistry, repository: Repository) -> None:
    empty = Descriptor("", Digest.of(b""), 0)
    repository.put_blob(empty, VerifyingReader(io.BytesIO(b""), empty, "empty"))
    assert registry.stored[str(empty.digest)] == b""


def test_the_query_of_an_upload_location_is_kept(registry: HostileRegistry, repository: Repository) -> None:
    def begin(registry: HostileRegistry, seen: Seen) -> Reply:
        reply = registry.behave(seen)
        reply.headers["Location"] += "?_state=a%2Fb%3D&blank=&x=1&x=2"
        return reply

    registry.rules = [Rule("POST", r"/v2/.+/blobs/uploads/", begin)]
    repository.put_blob(BLOB, stream())
    (put,) = [seen for seen in registry.seen if seen.method == "PUT"]
    assert put.target.partition("?")[2].startswith("_state=a%2Fb%3D&blank=&x=1&x=2&digest=sha256")


def test_a_streamed_upload_holds_no_copy_of_the_blob(
    registry: HostileRegistry, repository: Repository
) -> None:
    largest = 0

    class Watched(io.BytesIO):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            nonlocal largest
            largest = max(largest, len(buffer))
            return super().readinto(buffer)

    repository.put_blob(BLOB, VerifyingReader(Watched(CONTENT), BLOB, "blob"))
    (put,) = [seen for seen in registry.seen if seen.method == "PUT"]
    assert put.headers["content-length"] == str(len(CONTENT))
    assert largest < len(CONTENT)
