from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tare_spec.errors import BadReference
from tare_spec.reference import Reference

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/library/busybox:1", "docker.io/library/busybox:1", "busybox:1"),
        ("user/app:v1", "docker.io/user/app:v1", "user/app:v1"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("localhost:5000/a/b:t", "localhost:5000/a/b:t", "localhost:5000/a/b:t"),
        ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest", "127.0.0.1:5000/x:latest"),
        ("[::1]:5000/x:t", "[::1]:5000/x:t", "[::1]:5000/x:t"),
        ("ghcr.io/a/b@" + DIGEST, "ghcr.io/a/b@" + DIGEST, "ghcr.io/a/b@" + DIGEST),
        ("ghcr.io/a/b:t@" + DIGEST, "ghcr.io/a/b:t@" + DIGEST, "ghcr.io/a/b:t@" + DIGEST),
        ("a__b/c--d/e.f_g", "docker.io/a__b/c--d/e.f_g:latest", "a__b/c--d/e.f_g:latest"),
        ("HOST/app", "HOST/app:latest", "HOST/app:latest"),
        ("x:_t", "docker.io/library/x:_t", "x:_t"),
    ],
)
def test_a_reference_is_completed_as_docker_does(text: str, full: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == full
    assert reference.familiar == familiar
    assert Reference.parse(familiar) == reference


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("UPPER:tag", "lower case"),
        ("ghcr.io/A/b", "lower case"),
        ("https://ghcr.io/a/b", "starts with https://"),
        ("a b", "white space"),
        ("a\nb", "white space"),
        ("a//b", "'/' too many"),
        ("/a", "'/' too many"),
        ("a/", "'/' too many"),
        ("a:", "tag after ':' is empty"),
        ("a:.x", "begins with"),
        ("a:-x", "begins with"),
        ("a:b!c", "'!'"),
        ("a:" + "t" * 129, "at most 128"),
        ("a@sha256:abc", "64 hex digits"),
        ("a@" + DIGEST + "@" + DIGEST, "more than one '@'"),
        ("a@latest", "no ':'"),
        ("host.io:99999/x", "65535"),
        ("host.io:port/x", "65535"),
        ("-host.io/x", "begins or ends"),
        ("ho_st.io/x", "a host holds"),
        ("host..io/x", "empty"),
        ("ghcr.io/", "no repository"),
        ("a/../b", "begin and end"),
        ("a/.b", "begin and end"),
        ("a/b_", "begin and end"),
        ("a..b", "joins words"),
        ("a___b", "joins words"),
        ("[zz]:5000/x", "IPv6"),
        ("é/x", "holds a-z"),
        ("a/" + "b" * 255, "longer than 255"),
    ],
)
def test_a_refusal_names_the_rule(text: str, why: str) -> None:
    with pytest.raises(BadReference, match=why):
        Reference.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_either_refused_or_reads_back(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except BadReference as refusal:
        assert "\n" not in str(refusal)
        return
    assert Reference.parse(str(reference)) == reference
    assert ".." not in reference.repository
    assert not reference.repository.startswith("/")
