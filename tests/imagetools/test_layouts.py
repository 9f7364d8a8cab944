"""OCI layouts and dir: as sources and sinks, good ones and damaged ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tare_imagetools.errors import ImageToolError, LayoutError, MissingError, UsageError, VerifyError
from tare_imagetools.layout import Layout
from tare_spec.digest import Digest
from tare_spec.image import Descriptor

from tests.support.copying import copy_image
from tests.support.layouts import Image, make_index_layout, make_layout


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return make_layout(tmp_path / "image", "v1")


@pytest.fixture
def many(tmp_path: Path) -> Image:
    return make_index_layout(tmp_path / "many")


def files_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_copy_is_the_same_layout(image: Image, tmp_path: Path) -> None:
    assert copy_image(f"oci:{image.path}:v1", f"oci:{tmp_path}/copy:v2") == image.digest
    assert files_below(tmp_path / "copy") == files_below(image.path)
    assert Layout(tmp_path / "copy").names() == ["v2"]


def test_a_second_image_joins_the_first(image: Image, many: Image, tmp_path: Path) -> None:
    copy_image(f"oci:{image.path}:v1", f"oci:{tmp_path}/copy:one")
    copy_image(f"oci:{many.path}:v1", f"oci:{tmp_path}/copy:two")
    layout = Layout(tmp_path / "copy")
    assert layout.names() == ["one", "two"]
    copy_image(f"oci:{many.path}:v1", f"oci:{tmp_path}/copy:one")
    assert layout.resolve("one").digest == layout.resolve("two").digest


def test_without_a_name_the_only_image_is_meant(image: Image, many: Image, tmp_path: Path) -> None:
    assert copy_image(f"oci:{image.path}", f"oci:{tmp_path}/copy") == image.digest
    assert copy_image(f"oci:{tmp_path}/copy", f"dir:{tmp_path}/dir") == image.digest
    copy_image(f"oci:{many.path}", f"oci:{tmp_path}/copy:two")
    with pytest.raises(UsageError, match="name one"):
        copy_image(f"oci:{tmp_path}/copy", f"dir:{tmp_path}/dir2")
    assert copy_image(f"oci:{tmp_path}/copy@{image.digest}", f"dir:{tmp_path}/dir3") == image.digest


def test_of_an_index_the_image_for_the_platform_is_copied(many: Image, tmp_path: Path) -> None:
    amd = copy_image(f"oci:{many.path}:v1", f"oci:{tmp_path}/amd:v1")
    arm = copy_image(f"oci:{many.path}:v1", f"oci:{tmp_path}/arm:v1", platform="linux/arm64/v8")
    entries = [entry["digest"] for entry in json.loads(many.manifest)["manifests"]]
    assert [amd, arm] == entries
    assert len(files_below(tmp_path / "amd/blobs")) == 3


def test_a_platform_that_is_not_there_is_missing(many: Image, tmp_path: Path) -> None:
    with pytest.raises(MissingError) as caught:
        copy_image(f"oci:{many.path}:v1", f"oci:{tmp_path}/x:v1", platform="linux/s390x")
    assert caught.value.hint == "--platform chooses one of: linux/amd64, linux/arm64"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "target", ["oci:{}/copy:v1", "oci-archive:{}/copy.tar:v1", "dir:{}/copy", "store:x:v1"]
)
def test_all_of_an_index_is_copied_and_back(many: Image, tmp_path: Path, target: str) -> None:
    there, store = target.format(tmp_path), tmp_path / "store"
    assert copy_image(f"oci:{many.path}:v1", there, everything=True, store=store) == many.digest
    assert copy_image(there, f"oci:{tmp_path}/back:v1", everything=True, store=store) == many.digest
    assert files_below(tmp_path / "back") == files_below(many.path)


def test_a_docker_archive_takes_no_index(many: Image, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not an index"):
        copy_image(f"oci:{many.path}:v1", f"docker-archive:{tmp_path}/x.tar", everything=True)
    assert not (tmp_path / "x.tar").exists()


def spoil_index(image: Image, text: str) -> None:
    (image.path / "index.json").write_text(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{}", "is missing"),
        ('{"schemaVersion": 2, "manifests": [], "Manifests": []}', "in case only"),
        ('{"schemaVersion": 2, "manifests": [], "layers": []}', "at once"),
        ('{"schemaVersion": 2, "manifests": {}}', "must be an array"),
        ("[" * 5000, "nested deeper"),
    ],
)
def test_a_damaged_index_is_refused(image: Image, tmp_path: Path, text: str, why: str) -> None:
    spoil_index(image, text)
    with pytest.raises(LayoutError, match=why):
        copy_image(f"oci:{image.path}:v1", f"oci:{tmp_path}/x:v1")
    with pytest.raises(LayoutError, match=why):
        copy_image(f"oci:{make_layout(tmp_path / 'good', 'v1').path}:v1", f"oci:{image.path}:v2")
    assert (image.path / "index.json").read_text() == text


def test_another_version_of_layouts_is_refused(image: Image, tmp_path: Path) -> None:
    (image.path / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    with pytest.raises(LayoutError, match=r"2\.0\.0"):
        copy_image(f"oci:{image.path}:v1", f"oci:{tmp_path}/x:v1")


@pytest.mark.parametrize("name", ["nothing", "empty", "file"])
def test_what_is_no_layout_is_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(MissingError, match="oci-layout"):
        copy_image(f"oci:{tmp_path}/{name}:v1", f"oci:{tmp_path}/x:v1")


def layer_of(image: Image) -> Path:
    return image.blobs[-1]


def remove(path: Path, secret: Path) -> None:
    path.unlink()


def shorten(path: Path, secret: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def lengthen(path: Path, secret: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def change(path: Path, secret: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def link_out(path: Path, secret: Path) -> None:
    path.unlink()
    path.symlink_to(secret)


@pytest.mark.parametrize("damage", [remove, shorten, lengthen, change, link_out])
@pytest.mark.parametrize("which", ["layer", "manifest"])
def test_a_damaged_blob_stops_the_copy(image: Image, tmp_path: Path, which: str, damage: object) -> None:
    secret = tmp_path / "secret"
    victim = layer_of(image) if which == "layer" else image.path / "blobs/sha256" / image.digest[7:]
    secret.write_bytes(victim.read_bytes())
    assert callable(damage)
    damage(victim, secret)
    with pytest.raises((VerifyError, LayoutError, MissingError)):
        copy_image(f"oci:{image.path}:v1", f"oci:{tmp_path}/x:v1")
    assert not (tmp_path / "x/index.json").exists()
    for file in (tmp_path / "x").rglob("*"):
        assert file.is_dir() or Digest.of(file.read_bytes()).hex == file.name


def test_a_manifest_with_two_sizes_for_a_blob_is_refused(image: Image, tmp_path: Path) -> None:
    document = json.loads(image.manifest)
    document["layers"].append({**document["layers"][0], "size": 1})
    raw = json.dumps(document).encode()
    digest = Digest.of(raw)
    (image.path / "blobs/sha256" / digest.hex).write_bytes(raw)
    descriptor = Descriptor("application/vnd.oci.image.manifest.v1+json", digest, len(raw))
    Layout(image.path).set_name(descriptor, "v2")
    with pytest.raises(VerifyError, match="two sizes"):
        copy_image(f"oci:{image.path}:v2", f"oci:{tmp_path}/x:v1")


def test_what_we_do_not_know_of_an_index_is_kept(image: Image, tmp_path: Path) -> None:
    copy_image(f"oci:{image.path}:v1", f"oci:{tmp_path}/copy:one")
    path = tmp_path / "copy/index.json"
    document = json.loads(path.read_text())
    document["annotations"] = {"who": "somebody"}
    document["manifests"][0]["annotations"]["org.example"] = "kept"
    path.write_text(json.dumps(document))
    copy_image(f"oci:{image.path}:v1", f"oci:{tmp_path}/copy:two")
    after = json.loads(path.read_text())
    assert after["annotations"] == {"who": "somebody"}
    assert after["manifests"][0] == document["manifests"][0]


def test_a_directory_that_holds_other_things_is_not_written_to(image: Image, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter").write_text("dear")
    with pytest.raises(LayoutError, match="not empty"):
        copy_image(f"oci:{image.path}:v1", f"dir:{tmp_path}/mine")
    assert files_below(tmp_path / "mine") == {"letter"}


@pytest.mark.parametrize("target", ["oci:{}/file/x:v1", "dir:{}/file/x", "oci-archive:{}/file/x.tar"])
def test_a_place_that_cannot_be_written_is_an_error(image: Image, tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ImageToolError) as caught:
        copy_image(f"oci:{image.path}:v1", target.format(tmp_path))
    assert caught.value.exit_code == 7
