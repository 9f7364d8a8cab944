from __future__ import annotations

import pytest
from tare_imagetools.errors import BadReference
from tare_imagetools.transports.parse import Options, open_sink, parse_location, registry_host, registry_name

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "transport", "path", "name"),
    [
        ("oci:dir", "oci", "dir", None),
        ("oci:/a/b:v1", "oci", "/a/b", "v1"),
        ("oci:/a/b:ghcr.io/x/y:v1", "oci", "/a/b", "ghcr.io/x/y:v1"),
        ("oci-archive:f.tar:v1", "oci-archive", "f.tar", "v1"),
        ("docker-archive:f.tar:box:v1", "docker-archive", "f.tar", "box:v1"),
        ("dir:/a/b", "dir", "/a/b", None),
    ],
)
def test_files_are_named(text: str, transport: str, path: str, name: str | None) -> None:
    found = parse_location(text)
    assert (found.transport, str(found.path), found.name) == (transport, path, name)


@pytest.mark.parametrize(
    ("text", "transport", "reference"),
    [
        ("docker://box", "docker", "docker.io/library/box:latest"),
        ("docker://[::1]:5000/x:t", "docker", "[::1]:5000/x:t"),
        ("store:box", "store", "docker.io/library/box:latest"),
        ("box:v1", "store", "docker.io/library/box:v1"),
        ("localhost:5000/x", "store", "localhost:5000/x:latest"),
    ],
)
def test_registries_and_the_store_take_references(text: str, transport: str, reference: str) -> None:
    found = parse_location(text)
    assert (found.transport, str(found.reference)) == (transport, reference)


def test_a_digest_may_choose_in_a_layout() -> None:
    found = parse_location(f"oci:/a/b@{DIGEST}")
    assert (str(found.path), found.name, str(found.digest)) == ("/a/b", None, DIGEST)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("docker:box", "must be //"),
        ("docker://UPPER", "lower case"),
        ("docker://", "is empty"),
        ("oci:", "no path"),
        ("oci:dir:", "must be a name"),
        ("oci:dir@sha256:abc", "hex digits"),
        ("dir:a:b", "no name"),
        ("containers-storage:box", "is no transport"),
        ("docker-daemon:box", "is no transport"),
        ("http://host/x", "is no transport"),
        ("", "is empty"),
        ("a b", "white space"),
    ],
)
def test_a_refusal_says_why(text: str, why: str) -> None:
    with pytest.raises(BadReference, match=why):
        parse_location(text)


def test_nothing_is_written_under_a_digest_that_somebody_chose() -> None:
    with pytest.raises(BadReference, match="cannot be chosen"):
        open_sink(f"oci:/a@{DIGEST}", Options())


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("https://ghcr.io/", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
    ],
)
def test_a_registry_is_named_by_its_host(text: str, host: str) -> None:
    assert registry_host(text) == host


def test_a_registrys_name_needs_no_transport_and_takes_no_other() -> None:
    assert str(registry_name("docker://box")) == str(registry_name("box")) == "docker.io/library/box:latest"
    with pytest.raises(BadReference, match="a name in a registry"):
        registry_name("oci:dir")
    with pytest.raises(BadReference, match="a host holds"):
        registry_host("a b")
