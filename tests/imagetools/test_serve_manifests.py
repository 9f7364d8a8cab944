"""Manifests, tags and referrers of the embedded registry, on the wire. Spec: distribution-spec 1.1."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.serve.server import RegistryServer
from tare_spec import media_types

from tests.support.http import Answer, call
from tests.support.layouts import describe, make_layout, sha256
from tests.support.registry import running_registry

EMPTY = b"{}"
EMPTY_CONFIG = describe(EMPTY, media_types.OCI_EMPTY)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "root") as server:
        yield server


@pytest.fixture
def address(registry: RegistryServer) -> str:
    posted = f"/v2/box/blobs/uploads/?digest={EMPTY_CONFIG['digest']}"
    assert call(registry.address, "POST", posted, EMPTY).status == 201
    return registry.address


def manifest(**more: object) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "artifactType": "application/vnd.example",
        "config": EMPTY_CONFIG,
        "layers": [],
    }
    return json.dumps(document | more).encode()


def put(address: str, reference: str, raw: bytes, kind: str = media_types.OCI_MANIFEST) -> Answer:
    return call(address, "PUT", f"/v2/box/manifests/{reference}", raw, {"Content-Type": kind})


def code(answer: Answer) -> str:
    found = json.loads(answer.body)["errors"][0]["code"]
    assert isinstance(found, str)
    return found


def test_a_manifest_comes_back_byte_for_byte_by_tag_and_by_digest(address: str) -> None:
    raw = manifest(annotations={"a": "ü"})
    done = put(address, "v1", raw)
    assert (done.status, done.headers["docker-content-digest"]) == (201, sha256(raw))
    assert done.headers["location"] == f"/v2/box/manifests/{sha256(raw)}"
    for reference in ("v1", sha256(raw)):
        got = call(address, "GET", f"/v2/box/manifests/{reference}")
        assert (got.status, got.body) == (200, raw)
        assert got.headers["content-type"] == media_types.OCI_MANIFEST
        head = call(address, "HEAD", f"/v2/box/manifests/{reference}")
        assert (head.headers["docker-content-digest"], head.body) == (sha256(raw), b"")


def test_a_manifest_is_kept_under_sha512_too(address: str) -> None:
    raw = manifest()
    digest = f"sha512:{hashlib.sha512(raw).hexdigest()}"
    assert put(address, digest, raw).headers["docker-content-digest"] == digest
    assert call(address, "GET", f"/v2/box/manifests/{digest}").body == raw


def test_tags_can_be_given_with_a_digest(address: str) -> None:
    raw = manifest()
    assert put(address, f"{sha256(raw)}?tag=a&tag=b", raw).status == 201
    assert json.loads(call(address, "GET", "/v2/box/tags/list").body)["tags"] == ["a", "b"]
    assert put(address, f"{sha256(raw)}?tag=a/b", raw).status == 400


def test_a_moved_tag_leaves_the_old_manifest_reachable_by_digest(address: str) -> None:
    old, new = manifest(annotations={"n": "1"}), manifest(annotations={"n": "2"})
    put(address, "v1", old)
    put(address, "v1", new)
    assert call(address, "GET", "/v2/box/manifests/v1").body == new
    assert call(address, "GET", f"/v2/box/manifests/{sha256(old)}").body == old


def test_deleting_by_digest_takes_all_tags_and_by_tag_only_the_tag(address: str) -> None:
    raw = manifest()
    put(address, "a", raw)
    put(address, "b", raw)
    assert call(address, "DELETE", "/v2/box/manifests/a").status == 202
    assert call(address, "GET", f"/v2/box/manifests/{sha256(raw)}").status == 200
    assert json.loads(call(address, "GET", "/v2/box/tags/list").body)["tags"] == ["b"]
    assert call(address, "DELETE", f"/v2/box/manifests/{sha256(raw)}").status == 202
    for reference in ("b", sha256(raw)):
        assert code(call(address, "GET", f"/v2/box/manifests/{reference}")) == "MANIFEST_UNKNOWN"
        assert call(address, "DELETE", f"/v2/box/manifests/{reference}").status == 404


NO_MANIFESTS = {
    "not-json": b"not json",
    "empty": b'{"schemaVersion":2}',
    "both-kinds": manifest(manifests=[]),
    "double-key": manifest().replace(b'"layers"', b'"layers": [], "layers"'),
    "other-case": manifest(LAYERS=[]),
    "negative-size": manifest(config=EMPTY_CONFIG | {"size": -1}),
    "bad-digest": manifest(config=EMPTY_CONFIG | {"digest": "sha256:../x"}),
    "contradicting-type": manifest(mediaType=media_types.DOCKER_MANIFEST),
}


@pytest.mark.parametrize("raw", NO_MANIFESTS.values(), ids=NO_MANIFESTS.keys())
def test_a_manifest_that_is_none_is_refused(address: str, raw: bytes) -> None:
    done = put(address, "v1", raw)
    assert (done.status, code(done)) == (400, "MANIFEST_INVALID")
    assert call(address, "GET", "/v2/box/manifests/v1").status == 404


def test_a_manifest_whose_blobs_are_missing_is_refused(address: str) -> None:
    layer = describe(b"gone", media_types.OCI_LAYER)
    done = put(address, "v1", manifest(layers=[layer]))
    assert (done.status, code(done)) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert json.loads(done.body)["errors"][0]["detail"] == {"digest": layer["digest"]}


def test_a_manifest_sent_to_another_digest_is_refused(address: str) -> None:
    assert code(put(address, f"sha256:{'0' * 64}", manifest())) == "DIGEST_INVALID"


@pytest.mark.parametrize("tag", [".a", "-a", "a b", "a" * 129, "a%0ab"])
def test_a_tag_that_is_none_is_refused(address: str, tag: str) -> None:
    assert code(put(address, tag.replace(" ", "%20"), manifest())) == "TAG_INVALID"


def test_a_manifest_of_four_mebibytes_is_taken_and_a_bigger_one_is_not(address: str) -> None:
    room = 4 * 1024 * 1024 - len(manifest(annotations={"a": ""}))
    largest = manifest(annotations={"a": "x" * room})
    assert put(address, "big", largest).status == 201
    bigger = put(address, "bigger", manifest(annotations={"a": "x" * (room + 1)}))
    assert (bigger.status, code(bigger)) == (413, "SIZE_INVALID")


def test_a_sparse_index_is_taken(address: str) -> None:
    entry = describe(b"elsewhere", media_types.OCI_MANIFEST)
    raw = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [entry]}).encode()
    assert put(address, "all", raw, media_types.OCI_INDEX).status == 201
    assert call(address, "GET", "/v2/box/manifests/all").headers["content-type"] == media_types.OCI_INDEX


def test_tags_come_sorted_in_pages_with_links(address: str) -> None:
    for tag in ("b", "a", "C", "d", "e"):
        put(address, tag, manifest())
    seen, path = [], "/v2/box/tags/list?n=2"
    while path:
        page = call(address, "GET", path)
        seen.append(json.loads(page.body)["tags"])
        link = page.headers.get("link")
        assert link is None or link.endswith('>; rel="next"')
        path = link[1 : link.index(">")] if link else ""
    assert seen == [["C", "a"], ["b", "d"], ["e"]]
    assert json.loads(call(address, "GET", "/v2/box/tags/list?n=0").body)["tags"] == []
    assert json.loads(call(address, "GET", "/v2/box/tags/list?last=b").body)["tags"] == ["d", "e"]
    assert call(address, "GET", "/v2/box/tags/list?n=x").status == 400
    assert code(call(address, "GET", "/v2/nobody/tags/list")) == "NAME_UNKNOWN"


def test_the_catalog_lists_nested_names_in_pages(address: str) -> None:
    for name in ("box/in/box", "alpha"):
        call(address, "POST", f"/v2/{name}/blobs/uploads/?digest={EMPTY_CONFIG['digest']}", EMPTY)
    first = call(address, "GET", "/v2/_catalog?n=2")
    assert json.loads(first.body) == {"repositories": ["alpha", "box"]}
    assert first.headers["link"] == '</v2/_catalog?n=2&last=box>; rel="next"'
    rest = call(address, "GET", "/v2/_catalog?n=2&last=box")
    assert json.loads(rest.body) == {"repositories": ["box/in/box"]}


def test_referrers_are_listed_and_filtered(address: str) -> None:
    subject = describe(b"not here yet", media_types.OCI_MANIFEST)
    first = manifest(subject=subject, annotations={"a": "1"})
    second = manifest(subject=subject, artifactType="application/vnd.other")
    third = manifest(subject=subject, artifactType=None)
    for raw in (first, second, third):
        assert put(address, sha256(raw), raw).headers["oci-subject"] == subject["digest"]
    listed = call(address, "GET", f"/v2/box/referrers/{subject['digest']}")
    assert listed.headers["content-type"] == media_types.OCI_INDEX
    entries = {entry["digest"]: entry for entry in json.loads(listed.body)["manifests"]}
    assert entries[sha256(first)] == describe(first, media_types.OCI_MANIFEST) | {
        "artifactType": "application/vnd.example",
        "annotations": {"a": "1"},
    }
    assert entries[sha256(third)]["artifactType"] == media_types.OCI_EMPTY
    one = call(address, "GET", f"/v2/box/referrers/{subject['digest']}?artifactType=application/vnd.other")
    assert one.headers["oci-filters-applied"] == "artifactType"
    assert [entry["digest"] for entry in json.loads(one.body)["manifests"]] == [sha256(second)]
    call(address, "DELETE", f"/v2/box/manifests/{sha256(first)}")
    left = json.loads(call(address, "GET", f"/v2/box/referrers/{subject['digest']}").body)
    assert len(left["manifests"]) == 2


def pages(address: str, path: str) -> list[list[str]]:
    seen: list[list[str]] = []
    while path:
        got = call(address, "GET", path)
        assert len(got.body) <= 4 << 20
        seen.append([entry["digest"] for entry in json.loads(got.body)["manifests"]])
        link = got.headers.get("link")
        path = link[1 : link.index(">")] if link else ""
    return seen


def test_referrers_come_in_pages(address: str) -> None:
    subject = describe(b"not here yet", media_types.OCI_MANIFEST)
    kinds = ("application/vnd.a", "application/vnd.b+x")
    raws = [manifest(subject=subject, artifactType=kinds[n % 2], annotations={"n": str(n)}) for n in range(7)]
    for raw in raws:
        put(address, sha256(raw), raw)
    path = f"/v2/box/referrers/{subject['digest']}"
    everything = sorted(map(sha256, raws))
    assert pages(address, path) == [everything]
    assert pages(address, f"{path}?n=3") == [everything[:3], everything[3:6], everything[6:]]
    some = sorted(sha256(raw) for n, raw in enumerate(raws) if n % 2)
    assert pages(address, f"{path}?n=2&artifactType=application%2Fvnd.b%2Bx") == [some[:2], some[2:]]


def test_referrers_that_say_much_come_in_pages_of_a_manifest_s_size(address: str) -> None:
    subject = describe(b"not here yet", media_types.OCI_MANIFEST)
    raws = [manifest(subject=subject, annotations={"n": f"{n}{'x' * 1_500_000}"}) for n in range(5)]
    for raw in raws:
        assert put(address, sha256(raw), raw).status == 201
    found = pages(address, f"/v2/box/referrers/{subject['digest']}")
    assert [len(one) for one in found] == [2, 2, 1]
    assert sorted(digest for one in found for digest in one) == sorted(map(sha256, raws))


def test_nothing_refers_is_an_empty_list(address: str) -> None:
    got = call(address, "GET", f"/v2/box/referrers/sha256:{'0' * 64}")
    assert (got.status, json.loads(got.body)["manifests"]) == (200, [])


def test_a_manifest_is_not_deleted_as_a_blob(address: str) -> None:
    raw = manifest()
    put(address, "v1", raw)
    assert code(call(address, "DELETE", f"/v2/box/blobs/{sha256(raw)}")) == "DENIED"


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    root = tmp_path / "root"
    raw = manifest()
    with running_registry(root) as server:
        call(server.address, "POST", f"/v2/box/blobs/uploads/?digest={EMPTY_CONFIG['digest']}", EMPTY)
        put(server.address, "v1", raw)
        left_open = call(server.address, "POST", "/v2/box/blobs/uploads/", b"")
    with running_registry(root) as server:
        assert call(server.address, "GET", "/v2/box/manifests/v1").body == raw
        assert call(server.address, "GET", left_open.headers["location"]).status == 404
    assert os.listdir(root / "uploads") == []


def test_a_layout_written_by_another_tool_is_served(address: str, tmp_path: Path) -> None:
    image = make_layout(tmp_path / "root/repositories/given/_layout", tag="v7")
    assert call(address, "GET", "/v2/given/manifests/v7").body == image.manifest
    for blob in image.blobs:
        assert call(address, "GET", f"/v2/given/blobs/sha256:{blob.name}").body == blob.read_bytes()
