"""The embedded registry used by a client that people have: skopeo, both ways."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.serve.server import RegistryServer

from tests.support.layouts import make_layout
from tests.support.registry import running_registry

pytestmark = pytest.mark.peer


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "registry") as server:
        yield server


def skopeo(*arguments: str) -> str:
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_skopeo_pushes_and_pulls_an_image_unchanged(registry: RegistryServer, tmp_path: Path) -> None:
    image = make_layout(tmp_path / "image", tag="v1")
    there, back = f"docker://{registry.address}/library/box:v1", f"oci:{tmp_path}/back:v1"
    skopeo("copy", "--dest-tls-verify=false", f"oci:{image.path}:v1", there)
    skopeo("copy", "--src-tls-verify=false", there, back)
    assert skopeo("inspect", "--raw", back).encode() == image.manifest
    for blob in image.blobs:
        copied = tmp_path / "back/blobs/sha256" / blob.name
        assert copied.read_bytes() == blob.read_bytes()
    tags = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{registry.address}/library/box"))
    assert tags["Tags"] == ["v1"]


def test_the_folder_of_a_repository_is_an_oci_layout(registry: RegistryServer, tmp_path: Path) -> None:
    image = make_layout(tmp_path / "image", tag="v1")
    there = f"docker://{registry.address}/a/b/c:v1"
    skopeo("copy", "--dest-tls-verify=false", f"oci:{image.path}:v1", there)
    layout = tmp_path / "registry/repositories/a/b/c/_layout"
    assert skopeo("inspect", "--raw", f"oci:{layout}:v1").encode() == image.manifest


def test_skopeo_deletes_what_it_pushed(registry: RegistryServer, tmp_path: Path) -> None:
    image = make_layout(tmp_path / "image", tag="v1")
    there = f"docker://{registry.address}/x:v1"
    skopeo("copy", "--dest-tls-verify=false", f"oci:{image.path}:v1", there)
    skopeo("delete", "--tls-verify=false", there)
    gone = subprocess.run(["skopeo", "inspect", "--tls-verify=false", there], capture_output=True, text=True)
    assert gone.returncode != 0
    assert "manifest unknown" in gone.stderr


def test_skopeo_converts_to_docker_types_on_the_way(registry: RegistryServer, tmp_path: Path) -> None:
    image = make_layout(tmp_path / "image", tag="v1")
    there = f"docker://{registry.address}/x:v2s2"
    skopeo("copy", "--format=v2s2", "--dest-tls-verify=false", f"oci:{image.path}:v1", there)
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", there))
    assert raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
