from __future__ import annotations

import pytest
from tare_spec.digest import Digest
from tare_spec.errors import BadDigest

SHA256 = "sha256:" + "0a" * 32
SHA512 = "sha512:" + "0a" * 64


@pytest.mark.parametrize("text", [SHA256, SHA512])
def test_a_digest_reads_back_as_it_was_written(text: str) -> None:
    assert str(Digest.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no ':'"),
        ("0a" * 32, "no ':'"),
        ("md5:" + "0a" * 16, "algorithm"),
        ("sha256:", "this has 0"),
        ("sha256:" + "0a" * 31, "this has 62"),
        ("sha256:" + "0A" * 32, "lower case"),
        ("sha256:" + "0g" * 32, "digits"),
        ("sha256:" + "0a" * 31 + "0\n", "digits"),
        ("sha256:" + "٠" * 64, "digits"),
        ("sha256:../../../../v2/other/secret", "hex digits"),
        ("sha256:/etc/passwd", "hex digits"),
        ("sha512:" + "0a" * 32, "takes 128"),
        (" " + SHA256, "algorithm"),
    ],
)
def test_anything_but_the_registered_form_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadDigest, match=why):
        Digest.parse(text)


def test_a_digest_is_computed_with_its_own_algorithm() -> None:
    for algorithm in ("sha256", "sha512"):
        digest = Digest.of(b"abc", algorithm)
        hasher = digest.hasher()
        hasher.update(b"ab")
        hasher.update(b"c")
        assert Digest.parse(f"{algorithm}:{hasher.hexdigest()}") == digest
