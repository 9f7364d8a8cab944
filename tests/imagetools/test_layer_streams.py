"""Compression, digests and bounds of a layer's stream."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pytest
from tare_imagetools.errors import LayerError
from tare_imagetools.layer.apply import AppliedLayer, apply_layer
from tare_spec import media_types
from tare_spec.digest import Digest

from tests.support.tar_builder import Tar

SMALL = Tar().dir("d").file("d/f", b"contents")


def apply(
    root: Path, blob: bytes, media_type: str = media_types.OCI_LAYER_GZIP, diff_id: Digest | None = None
) -> AppliedLayer:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return apply_layer(io.BytesIO(blob), fd, media_type=media_type, diff_id=diff_id)
    finally:
        os.close(fd)


def zstd(data: bytes) -> bytes:
    try:
        from compression import zstd as module  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd as module
    return module.compress(data)


STREAMS = {
    "plain": (media_types.OCI_LAYER, SMALL.bytes()),
    "gzip": (media_types.OCI_LAYER_GZIP, SMALL.gzip()),
    "gzip of two members": (
        media_types.DOCKER_LAYER_GZIP,
        gzip.compress(SMALL.bytes()[:700]) + gzip.compress(SMALL.bytes()[700:]),
    ),
    "gzip with an empty member at the end": (
        media_types.OCI_LAYER_GZIP,
        SMALL.gzip() + gzip.compress(b""),
    ),
    "zstd": (media_types.OCI_LAYER_ZSTD, zstd(SMALL.bytes())),
    "zstd of two frames": (
        media_types.OCI_LAYER_ZSTD,
        zstd(SMALL.bytes()[:1000]) + zstd(SMALL.bytes()[1000:]),
    ),
    "gzip under the type of plain tar": (media_types.DOCKER_LAYER, SMALL.gzip()),
    "plain under the type of gzip": (media_types.OCI_LAYER_GZIP, SMALL.bytes()),
}


@pytest.mark.parametrize(("media_type", "blob"), STREAMS.values(), ids=STREAMS)
def test_every_kind_of_stream_gives_the_same_tree_and_diff_id(
    tmp_path: Path, media_type: str, blob: bytes
) -> None:
    applied = apply(tmp_path, blob, media_type, Digest.of(SMALL.bytes()))
    assert (tmp_path / "d/f").read_bytes() == b"contents"
    assert applied.diff_id == Digest.of(SMALL.bytes())
    assert (applied.entries, applied.bytes) == (2, 8)


def test_a_sha512_diff_id_is_checked_as_such(tmp_path: Path) -> None:
    want = Digest.of(SMALL.bytes(), "sha512")
    assert apply(tmp_path, SMALL.gzip(), diff_id=want).diff_id == want


def test_what_follows_the_end_of_the_archive_counts_for_the_diff_id_only(tmp_path: Path) -> None:
    tar = SMALL.bytes() + bytes(7000) + b"junk"
    applied = apply(tmp_path, gzip.compress(tar), diff_id=Digest.of(tar))
    assert applied.entries == 2


def test_a_wrong_diff_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="its tar has the digest sha256:"):
        apply(tmp_path, SMALL.gzip(), diff_id=Digest.of(b"something else"))


DAMAGED = {
    "gzip cut short": (SMALL.gzip()[:-9], "cut short"),
    "gzip with a wrong check sum": (SMALL.gzip()[:-8] + bytes(8), "damaged"),
    "junk after the gzip member": (SMALL.gzip() + b"junk that is no gzip", "damaged"),
    "zstd cut short": (zstd(SMALL.bytes())[:-3], "cut short"),
    "not a tar at all": (b"#!/bin/sh\n" * 100, "not a tar archive"),
}


@pytest.mark.parametrize(("blob", "words"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_stream_is_one_clear_error(tmp_path: Path, blob: bytes, words: str) -> None:
    with pytest.raises(LayerError, match=words):
        apply(tmp_path, blob)


def test_a_media_type_that_is_no_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="media type 'text/plain'"):
        apply(tmp_path, SMALL.gzip(), "text/plain")


def test_a_reader_that_fails_ends_the_work(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise ConnectionResetError("the other side went away")
            return super().read(512)

    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(ConnectionResetError):
        apply_layer(Broken(SMALL.bytes()), fd, media_type=media_types.OCI_LAYER)
    os.close(fd)


def test_a_million_empty_members_take_little_time(tmp_path: Path) -> None:
    member = gzip.compress(b"", mtime=0)
    blob = SMALL.gzip() + member * (1_000_000 // len(member))
    assert apply(tmp_path, blob).entries == 2
