"""Blob endpoints of the embedded registry, straight on the wire. Spec: distribution-spec 1.1."""

from __future__ import annotations

import hashlib
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.serve.server import RegistryServer

from tests.support.http import Answer, call
from tests.support.registry import running_registry

DATA = random.Random(7).randbytes(10240)
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
SHA512 = f"sha512:{hashlib.sha512(DATA).hexdigest()}"
MISSING = f"sha256:{'0' * 64}"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path) as server:
        yield server


@pytest.fixture
def address(registry: RegistryServer) -> str:
    return registry.address


def upload(address: str, name: str = "box", data: bytes = DATA) -> str:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    done = call(address, "POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data)
    assert done.status == 201, done.body
    return digest


def begin(address: str, name: str = "box", query: str = "") -> str:
    done = call(address, "POST", f"/v2/{name}/blobs/uploads/{query}", b"")
    assert done.status == 202
    return done.headers["location"]


def code(answer: Answer) -> str:
    found = json.loads(answer.body)["errors"][0]["code"]
    assert isinstance(found, str)
    return found


def uploads_left(root: Path) -> list[str]:
    return [path.name for path in (root / "uploads").iterdir()]


def test_a_blob_posted_whole_comes_back(address: str) -> None:
    done = call(address, "POST", f"/v2/box/blobs/uploads/?digest={DIGEST}", DATA)
    assert (done.status, done.headers["location"]) == (201, f"/v2/box/blobs/{DIGEST}")
    got = call(address, "GET", f"/v2/box/blobs/{DIGEST}")
    assert (got.status, got.body, got.headers["docker-content-digest"]) == (200, DATA, DIGEST)
    head = call(address, "HEAD", f"/v2/box/blobs/{DIGEST}")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(DATA)), b"")


def test_post_then_put_stores_a_blob(address: str) -> None:
    location = begin(address)
    assert call(address, "PUT", f"{location}?digest={DIGEST}", DATA).status == 201
    assert call(address, "GET", f"/v2/box/blobs/{DIGEST}").body == DATA


def test_chunks_with_ranges_make_a_blob_and_status_tells_how_far(address: str) -> None:
    location = begin(address)
    assert call(address, "GET", location).headers["range"] == "0-0"
    first = call(address, "PATCH", location, DATA[:1000], {"Content-Range": "0-999"})
    assert (first.status, first.headers["range"]) == (202, "0-999")
    status = call(address, "GET", first.headers["location"])
    assert (status.status, status.headers["range"], status.body) == (204, "0-999", b"")
    second = call(address, "PATCH", location, DATA[1000:4000], {"Content-Range": "1000-3999"})
    assert second.headers["range"] == "0-3999"
    rest = {"Content-Range": f"4000-{len(DATA) - 1}"}
    assert call(address, "PUT", f"{location}?digest={DIGEST}", DATA[4000:], rest).status == 201
    assert call(address, "GET", f"/v2/box/blobs/{DIGEST}").body == DATA


def test_a_streamed_body_without_length_is_taken(address: str) -> None:
    location = begin(address)
    assert call(address, "PATCH", location, iter([DATA[:5], DATA[5:]])).status == 202
    assert call(address, "PUT", f"{location}?digest={DIGEST}", b"").status == 201


@pytest.mark.parametrize(
    "content_range",
    ["5-14", "0-", "x-y", "-5", "9-0", "0--1", "", "99999999999999999999-99999999999999999999"],
)
def test_a_chunk_out_of_place_gets_416_and_where_to_go_on(address: str, content_range: str) -> None:
    location = begin(address)
    call(address, "PATCH", location, b"abc", {"Content-Range": "0-2"})
    bad = call(address, "PATCH", location, b"0123456789", {"Content-Range": content_range})
    assert (bad.status, bad.headers["range"]) == (416, "0-2")
    assert call(address, "GET", location).headers["range"] == "0-2"


@pytest.mark.parametrize("body", [b"01234567", b"0123456789ab"], ids=["short", "long"])
def test_a_chunk_of_another_length_than_its_range_is_not_kept(address: str, body: bytes) -> None:
    location = begin(address)
    bad = call(address, "PATCH", location, body, {"Content-Range": "0-9"})
    assert bad.status == 400
    assert call(address, "GET", location).headers["range"] == "0-0"
    whole = call(address, "PUT", f"{location}?digest={DIGEST}", DATA)
    assert whole.status == 201


def test_a_chunk_that_breaks_off_is_cut_away_and_the_upload_goes_on(address: str) -> None:
    location = begin(address)
    host, port = address.split(":")
    with socket.create_connection((host, int(port))) as broken:
        head = f"PATCH {location} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5000\r\n\r\n"
        broken.sendall(head.encode() + DATA[:1234])
    assert call(address, "PUT", f"{location}?digest={DIGEST}", DATA).status == 201


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (MISSING, "DIGEST_INVALID"),
        ("sha256:abc", "DIGEST_INVALID"),
        ("md5:00", "DIGEST_INVALID"),
        ("sha256:../../../etc/passwd", "DIGEST_INVALID"),
        (DIGEST.upper().replace("SHA256", "sha256"), "DIGEST_INVALID"),
    ],
)
def test_a_wrong_digest_is_refused_and_nothing_stays(
    address: str, tmp_path: Path, digest: str, expected: str
) -> None:
    done = call(address, "POST", f"/v2/box/blobs/uploads/?digest={digest}", DATA)
    assert (done.status, code(done)) == (400, expected)
    location = begin(address)
    put = call(address, "PUT", f"{location}?digest={digest}", DATA)
    assert (put.status, code(put)) == (400, expected)
    call(address, "DELETE", location)
    assert uploads_left(tmp_path) == []
    assert list((tmp_path / "blobs/sha256").iterdir()) == []


def test_a_put_without_digest_is_refused(address: str) -> None:
    assert code(call(address, "PUT", begin(address), DATA)) == "DIGEST_INVALID"


@pytest.mark.parametrize("query", ["", "?digest-algorithm=sha512"], ids=["untold", "told"])
def test_sha512_is_taken(address: str, query: str) -> None:
    location = begin(address, query=query)
    assert call(address, "PUT", f"{location}?digest={SHA512}", DATA).status == 201
    assert call(address, "GET", f"/v2/box/blobs/{SHA512}").body == DATA


def test_a_cancelled_upload_is_gone(address: str, tmp_path: Path) -> None:
    location = begin(address)
    assert call(address, "DELETE", location).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert (
            code(call(address, method, location, b"")) == "BLOB_UPLOAD_UNKNOWN" if method != "GET" else True
        )
    assert call(address, "GET", location).status == 404
    assert uploads_left(tmp_path) == []


def test_an_upload_belongs_to_its_repository(address: str) -> None:
    location = begin(address, "one")
    assert call(address, "GET", location.replace("/one/", "/two/")).status == 404


@pytest.mark.parametrize(
    ("header", "want"),
    [
        ("bytes=0-9", DATA[:10]),
        ("bytes=100-", DATA[100:]),
        ("bytes=-7", DATA[-7:]),
        (f"bytes=10-{len(DATA) + 50}", DATA[10:]),
        (f"bytes=-{len(DATA) + 50}", DATA),
    ],
)
def test_a_range_is_answered_with_it(address: str, header: str, want: bytes) -> None:
    upload(address)
    got = call(address, "GET", f"/v2/box/blobs/{DIGEST}", headers={"Range": header})
    assert (got.status, got.body) == (206, want)
    start = DATA.index(want)
    assert got.headers["content-range"] == f"bytes {start}-{start + len(want) - 1}/{len(DATA)}"


@pytest.mark.parametrize("header", ["bytes=-", "bytes=9-3", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b"])
def test_a_range_that_is_none_gets_everything(address: str, header: str) -> None:
    upload(address)
    got = call(address, "GET", f"/v2/box/blobs/{DIGEST}", headers={"Range": header})
    assert (got.status, got.body) == (200, DATA)


@pytest.mark.parametrize("header", [f"bytes={len(DATA)}-", "bytes=-0"])
def test_a_range_outside_the_blob_gets_416(address: str, header: str) -> None:
    upload(address)
    got = call(address, "GET", f"/v2/box/blobs/{DIGEST}", headers={"Range": header})
    assert (got.status, got.headers["content-range"]) == (416, f"bytes */{len(DATA)}")


def test_if_range_and_if_none_match_know_the_digest(address: str) -> None:
    upload(address)
    path = f"/v2/box/blobs/{DIGEST}"
    assert call(address, "GET", path, headers={"If-None-Match": f'"{DIGEST}"'}).status == 304
    stale = {"Range": "bytes=0-9", "If-Range": '"something else"'}
    assert call(address, "GET", path, headers=stale).status == 200


@pytest.mark.parametrize("source", ["&from=box", ""], ids=["from", "automatic"])
def test_a_known_blob_is_mounted(address: str, source: str, tmp_path: Path) -> None:
    upload(address)
    done = call(address, "POST", f"/v2/other/place/blobs/uploads/?mount={DIGEST}{source}", b"")
    assert (done.status, done.headers["location"]) == (201, f"/v2/other/place/blobs/{DIGEST}")
    assert call(address, "GET", f"/v2/other/place/blobs/{DIGEST}").body == DATA
    pool = tmp_path / "blobs/sha256" / DIGEST.removeprefix("sha256:")
    assert pool.stat().st_nlink == 3


@pytest.mark.parametrize("source", ["&from=empty", "&from=../box", "&from="])
def test_what_cannot_be_mounted_becomes_an_upload(address: str, source: str) -> None:
    upload(address)
    done = call(address, "POST", f"/v2/other/blobs/uploads/?mount={DIGEST}{source}", b"")
    assert done.status == 202
    put = call(address, "PUT", f"{done.headers['location']}?digest={DIGEST}", DATA)
    assert put.status == 201


def test_a_blob_is_seen_in_its_repositories_only(address: str) -> None:
    upload(address)
    assert code(call(address, "GET", f"/v2/other/blobs/{DIGEST}")) == "BLOB_UNKNOWN"


def test_a_deleted_blob_leaves_with_its_last_repository(address: str, tmp_path: Path) -> None:
    upload(address)
    call(address, "POST", f"/v2/other/blobs/uploads/?mount={DIGEST}&from=box", b"")
    assert call(address, "DELETE", f"/v2/box/blobs/{DIGEST}").status == 202
    assert call(address, "DELETE", f"/v2/box/blobs/{DIGEST}").status == 404
    assert call(address, "GET", f"/v2/other/blobs/{DIGEST}").status == 200
    assert call(address, "DELETE", f"/v2/other/blobs/{DIGEST}").status == 202
    assert list((tmp_path / "blobs/sha256").iterdir()) == []


def test_the_empty_blob_is_a_blob(address: str) -> None:
    digest = upload(address, data=b"")
    got = call(address, "GET", f"/v2/box/blobs/{digest}")
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", f"/v2/UPPER/blobs/{DIGEST}", 400, "NAME_INVALID"),
        ("GET", f"/v2/a/../b/blobs/{DIGEST}", 400, "NAME_INVALID"),
        ("GET", f"/v2/a%2f..%2fb/blobs/{DIGEST}", 400, "NAME_INVALID"),
        ("GET", f"/v2/a//b/blobs/{DIGEST}", 400, "NAME_INVALID"),
        ("GET", f"/v2/_layout/blobs/{DIGEST}", 400, "NAME_INVALID"),
        ("POST", f"/v2/{'a' * 256}/blobs/uploads/", 400, "NAME_INVALID"),
        ("GET", f"/v2/box/blobs/{MISSING}", 404, "BLOB_UNKNOWN"),
        ("GET", "/v2/box/blobs/sha256:%2e%2e", 400, "DIGEST_INVALID"),
        ("GET", "/v2/box/blobs/uploads/../../x", 400, "NAME_INVALID"),
        ("GET", "/v2/box/nothing/x", 404, "UNSUPPORTED"),
        ("PUT", f"/v2/box/blobs/{DIGEST}", 405, "UNSUPPORTED"),
        ("PATCH", "/v2/box/blobs/uploads/", 405, "UNSUPPORTED"),
        ("GET", "/v2/box", 404, "UNSUPPORTED"),
        ("GET", "/etc/passwd", 404, "UNSUPPORTED"),
    ],
)
def test_a_request_that_makes_no_sense_says_so(
    address: str, method: str, path: str, status: int, expected: str
) -> None:
    got = call(address, method, path)
    assert (got.status, code(got)) == (status, expected)


def test_a_name_of_255_characters_is_taken(address: str) -> None:
    name = "/".join(["a" * 63] * 4)
    digest = upload(address, name)
    assert call(address, "HEAD", f"/v2/{name}/blobs/{digest}").status == 200
