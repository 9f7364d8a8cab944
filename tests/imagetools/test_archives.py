"""Tar archives of images: read by offset, written whole or not at all, and hostile ones refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tare_imagetools.archive.tar_index import TarIndex
from tare_imagetools.errors import ImageToolError, LayoutError, MissingError, UsageError, VerifyError

from tests.support.copying import copy_image
from tests.support.layouts import Image, make_layout, make_tar


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return make_layout(
        tmp_path / "image", "v1", [make_tar({"a": b"1"}), make_tar({"b": os.urandom(300_000)})]
    )


def config_of(image: Image) -> bytes:
    return image.blobs[0].read_bytes()


def docker_archive(path: Path, config: bytes, layers: list[bytes], *, names: list[str] | None = None) -> None:
    members = {"c.json": config} | {f"l{number}.tar": layer for number, layer in enumerate(layers)}
    item = {"Config": "c.json", "RepoTags": names, "Layers": [name for name in members if name != "c.json"]}
    path.write_bytes(make_tar(members | {"manifest.json": json.dumps([item]).encode()}))


def plain_layers(image: Image) -> list[bytes]:
    return [gzip.decompress(path.read_bytes()) for path in image.blobs[1:]]


def test_an_oci_archive_is_the_layout_in_a_tar(image: Image, tmp_path: Path) -> None:
    assert copy_image(f"oci:{image.path}:v1", f"oci-archive:{tmp_path}/a.tar:v1") == image.digest
    with tarfile.open(tmp_path / "a.tar") as archive:
        names = set(archive.getnames())
    assert names >= {"oci-layout", "index.json", f"blobs/sha256/{image.digest[7:]}"}
    assert copy_image(f"oci-archive:{tmp_path}/a.tar:v1", f"oci:{tmp_path}/back:v1") == image.digest


def test_equal_images_make_equal_archives(image: Image, tmp_path: Path) -> None:
    for name in ("a", "b"):
        copy_image(f"oci:{image.path}:v1", f"oci-archive:{tmp_path}/{name}.tar:v1")
        copy_image(f"oci:{image.path}:v1", f"docker-archive:{tmp_path}/{name}.docker.tar:box:v1")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert (tmp_path / "a.docker.tar").read_bytes() == (tmp_path / "b.docker.tar").read_bytes()


def test_a_docker_archive_keeps_the_config_and_the_plain_layers(image: Image, tmp_path: Path) -> None:
    copy_image(f"oci:{image.path}:v1", f"docker-archive:{tmp_path}/a.tar:box:v1")
    with tarfile.open(tmp_path / "a.tar") as archive:
        (item,) = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
        assert item["RepoTags"] == ["box:v1"]
        assert archive.extractfile(item["Config"]).read() == config_of(image)  # type: ignore[union-attr]
        layers = [archive.extractfile(name).read() for name in item["Layers"]]  # type: ignore[union-attr]
    assert layers == plain_layers(image)


@pytest.mark.parametrize("name", ["box:v1", "docker.io/library/box:v1", None])
def test_an_image_is_found_in_a_docker_archive(image: Image, tmp_path: Path, name: str | None) -> None:
    docker_archive(tmp_path / "a.tar", config_of(image), plain_layers(image), names=["box:v1"])
    text = f"docker-archive:{tmp_path}/a.tar" + (f":{name}" if name else "")
    copy_image(text, f"oci:{tmp_path}/back:v1")
    back = tmp_path / "back/blobs/sha256"
    assert {path.name for path in image.blobs[:1]} <= {path.name for path in back.iterdir()}


def test_compressed_layers_in_a_docker_archive_are_taken_as_they_are(image: Image, tmp_path: Path) -> None:
    docker_archive(tmp_path / "a.tar", config_of(image), [path.read_bytes() for path in image.blobs[1:]])
    copy_image(f"docker-archive:{tmp_path}/a.tar", f"oci:{tmp_path}/back:v1")
    assert {path.name for path in image.blobs} <= {p.name for p in (tmp_path / "back/blobs/sha256").iterdir()}


def test_a_layer_that_is_not_its_diff_id_is_refused(image: Image, tmp_path: Path) -> None:
    first, second = plain_layers(image)
    docker_archive(tmp_path / "a.tar", config_of(image), [second, first])
    with pytest.raises(VerifyError, match="has digest"):
        copy_image(f"docker-archive:{tmp_path}/a.tar", f"oci:{tmp_path}/back:v1")


def test_layers_and_diff_ids_must_be_as_many(image: Image, tmp_path: Path) -> None:
    docker_archive(tmp_path / "a.tar", config_of(image), plain_layers(image)[:1])
    with pytest.raises(VerifyError, match="2 diff_ids"):
        copy_image(f"docker-archive:{tmp_path}/a.tar", f"oci:{tmp_path}/back:v1")


def test_a_wrong_diff_id_in_the_config_never_makes_a_docker_archive(image: Image, tmp_path: Path) -> None:
    wrong = make_layout(tmp_path / "wrong", "v1", [make_tar({"a": b"1"})])
    document = json.loads(wrong.manifest)
    config = json.loads(config_of(wrong))
    config["rootfs"]["diff_ids"] = ["sha256:" + "00" * 32]
    document["config"] = put_blob(wrong, json.dumps(config).encode(), document["config"]["mediaType"])
    entry = put_blob(wrong, json.dumps(document).encode(), document["mediaType"])
    (wrong.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    with pytest.raises(VerifyError, match="has digest"):
        copy_image(f"oci:{wrong.path}", f"docker-archive:{tmp_path}/a.tar")
    assert not list(tmp_path.glob("*.tar*"))


def put_blob(image: Image, content: bytes, media_type: str) -> dict[str, object]:
    from tests.support.layouts import describe

    found = describe(content, media_type)
    (image.path / "blobs/sha256" / str(found["digest"])[7:]).write_bytes(content)
    return found


@pytest.mark.parametrize(
    "content", [b"mine", make_tar({"mine": b"1"}), make_tar({})], ids=["text", "tar", "empty"]
)
def test_a_file_that_is_there_is_not_written_over(image: Image, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    for transport in ("oci-archive", "docker-archive"):
        with pytest.raises(LayoutError, match="there is another file"):
            copy_image(f"oci:{image.path}:v1", f"{transport}:{tmp_path}/a.tar")
    assert (tmp_path / "a.tar").read_bytes() == content


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_the_same_copy_can_be_made_twice(image: Image, tmp_path: Path, transport: str) -> None:
    for _ in range(2):
        copy_image(f"oci:{image.path}:v1", f"{transport}:{tmp_path}/a.tar:box:v1")
    with pytest.raises(LayoutError, match="there is another file"):
        copy_image(f"oci:{image.path}:v1", f"{transport}:{tmp_path}/a.tar:other:v1")


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_a_failed_copy_leaves_no_archive(image: Image, tmp_path: Path, transport: str) -> None:
    os.truncate(image.blobs[-1], 1000)
    before = set(tmp_path.iterdir())
    with pytest.raises(VerifyError):
        copy_image(f"oci:{image.path}:v1", f"{transport}:{tmp_path}/a.tar")
    assert set(tmp_path.iterdir()) == before


def test_several_images_in_an_archive_want_a_name(image: Image, tmp_path: Path) -> None:
    item = {"Config": "c", "RepoTags": ["x:1"], "Layers": []}
    (tmp_path / "a.tar").write_bytes(make_tar({"manifest.json": json.dumps([item, item]).encode()}))
    with pytest.raises(UsageError, match="name one"):
        copy_image(f"docker-archive:{tmp_path}/a.tar", f"oci:{tmp_path}/x")
    with pytest.raises(MissingError, match="no image of that name"):
        copy_image(f"docker-archive:{tmp_path}/a.tar:y:1", f"oci:{tmp_path}/x")


# --- the tar itself -----------------------------------------------------------------------------------


def member(name: str, content: bytes = b"", **fields: object) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for key, value in fields.items():
        setattr(header, key, value)
    return header.tobuf() + content + b"\0" * (-len(content) % 512)


def patched(raw: bytes, offset: int, value: bytes) -> bytes:
    """A header with other bytes at an offset, and the checksum made right again."""
    header = bytearray(raw[:512])
    header[offset : offset + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + raw[512:]


END = b"\0" * 1024


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "too short", id="empty"),
        pytest.param(b"x" * 600, "not a tar", id="text"),
        pytest.param(gzip.compress(b"x" * 9000, 0), "gunzip", id="gzip"),
        pytest.param(member("a", b"x" * 1000)[:700], "within a member", id="truncated"),
        pytest.param(member("a") + b"x" * 512 + END, "damaged", id="second-header"),
        pytest.param(patched(member("a"), 124, b"-00000000001"), "not a number", id="negative-size"),
        pytest.param(patched(member("a"), 124, b"\x80" + b"\xff" * 11), "within a member", id="huge-size"),
        pytest.param(patched(member("a"), 156, b"S") + END, "sparse", id="sparse"),
        pytest.param(patched(member("a", b"x" * 20), 156, b"x") + END, "not a number", id="bad-pax"),
        pytest.param(patched(member("a"), 156, b"x")[:512] + END, "no 'manifest.json'", id="empty-pax"),
    ],
)
def test_a_tar_that_is_damaged_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ImageToolError) as caught:
        copy_image(f"docker-archive:{tmp_path}/a.tar", f"oci:{tmp_path}/x")
    assert why in f"{caught.value} {caught.value.hint}"


def test_an_extended_header_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(patched(member("a", b" " * (2 << 20)), 156, b"x") + END)
    with pytest.raises(LayoutError, match="more than is read"):
        TarIndex(tmp_path / "a.tar")


@pytest.mark.parametrize("name", ["manifest.json", "./manifest.json", "manifest.json/"])
def test_a_member_is_found_however_its_name_is_spelled(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tar").write_bytes(member(name.rstrip("/"), b"[]") + END)
    index = TarIndex(tmp_path / "a.tar")
    assert index.open("manifest.json").read(10) == b"[]"
    index.close()


def test_long_names_in_both_forms_are_read(tmp_path: Path) -> None:
    long = "d/" * 80 + "end"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            header = tarfile.TarInfo(long)
            header.size = 2
            archive.addfile(header, io.BytesIO(b"hi"))
        (tmp_path / "a.tar").write_bytes(out.getvalue())
        index = TarIndex(tmp_path / "a.tar")
        assert index.open(long).read(10) == b"hi"
        index.close()


def test_links_stay_within_the_archive(tmp_path: Path) -> None:
    content = (
        member("d/real", b"hi")
        + member("e/link", type=tarfile.SYMTYPE, linkname="../d/real")
        + member("hard", type=tarfile.LNKTYPE, linkname="d/real")
        + member("out", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        + member("up", type=tarfile.SYMTYPE, linkname="../../../../etc/passwd")
        + member("loop", type=tarfile.SYMTYPE, linkname="loop")
    )
    (tmp_path / "a.tar").write_bytes(content + END)
    index = TarIndex(tmp_path / "a.tar")
    assert index.open("e/link").read(9) == index.open("hard").read(9) == b"hi"
    for name in ("out", "up"):
        with pytest.raises(MissingError):
            index.open(name)
    with pytest.raises(LayoutError, match="leads nowhere"):
        index.open("loop")
    index.close()


@given(st.binary(max_size=2000), st.integers(0, 1999))
def test_any_bytes_are_read_or_refused(noise: bytes, place: int) -> None:
    content = bytearray(member("a", b"x" * 600) + member("b", b"y") + END)
    place %= len(content)
    content[place : place + len(noise)] = noise
    fd = os.memfd_create("archive")
    try:
        os.write(fd, content)
        index = TarIndex(Path(f"/proc/self/fd/{fd}"))
        for found in index.members.values():
            assert found.offset + found.size <= len(content) + 512
        index.close()
    except LayoutError:
        pass
    finally:
        os.close(fd)
