"""Files as artifacts: pushed, pulled, exchanged with oras' own client, and names that lead astray."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import oras.provider
import pytest
from tare_imagetools.artifacts.client import Client
from tare_imagetools.serve.server import RegistryServer
from tare_spec import media_types

from tests.support.hostile_registry import HostileRegistry
from tests.support.hostile_rules import change_layer
from tests.support.http import call
from tests.support.image_program import Surroundings, assert_clear_failure
from tests.support.layouts import Image, describe, sha256
from tests.support.registry import running_registry

FILES = {"one.txt": b"one\n", "two.bin": os.urandom(100_000), "empty": b""}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "registry") as server:
        yield server


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in FILES]


def test_files_go_there_and_back(registry: RegistryServer, around: Surroundings, files: list[str]) -> None:
    name = f"{registry.address}/things:v1"
    pushed = around.run(
        "artifact", "push", "--artifact-type", "application/vnd.example.thing", "--annotation", "a=b=c",
        name, f"{files[0]}:text/plain", *files[1:],
    )  # fmt: skip
    assert pushed.code == 0, pushed.stderr
    pulled = around.run("artifact", "pull", "-o", str(around.target), name)
    assert pulled.code == 0, pulled.stderr
    assert {path.name: path.read_bytes() for path in around.target.iterdir()} == FILES
    assert pulled.stdout.split() == [str(around.target / name) for name in FILES]
    manifest = json.loads(call(registry.address, "GET", "/v2/things/manifests/v1").body)
    assert manifest["artifactType"] == "application/vnd.example.thing"
    assert manifest["config"]["mediaType"] == media_types.OCI_EMPTY
    assert manifest["annotations"] == {"a": "b=c"}
    assert manifest["layers"][0]["mediaType"] == "text/plain"
    digest = pushed.stdout.strip()
    assert (
        around.run("artifact", "pull", "-o", str(around.target), f"{registry.address}/things@{digest}").code
        == 0
    )


@pytest.mark.peer
def test_oras_own_client_reads_what_we_push_and_we_what_it_pushes(
    registry: RegistryServer, around: Surroundings, files: list[str], tmp_path: Path
) -> None:
    peer = oras.provider.Registry(insecure=True)
    name = f"{registry.address}/things"
    assert around.run("artifact", "push", f"{name}:ours", *files[:2]).code == 0
    peer.pull(f"{name}:ours", outdir=str(tmp_path / "theirs"))
    assert (tmp_path / "theirs/two.bin").read_bytes() == FILES["two.bin"]
    peer.push(f"{name}:theirs", files=files[:2], disable_path_validation=True, quiet=True)
    assert around.run("artifact", "pull", "-o", str(around.target), f"{name}:theirs").code == 0
    assert (around.target / "two.bin").read_bytes() == FILES["two.bin"]


def artifact(*titles: str) -> Image:
    """An artifact whose layers have these names, as a HostileRegistry takes it."""
    layers = [
        describe(b"evil", "text/plain") | {"annotations": {"org.opencontainers.image.title": title}}
        for title in titles
    ]
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": describe(b"{}", media_types.OCI_EMPTY),
            "layers": layers,
        }
    ).encode()
    return Image(Path(), raw, sha256(raw), [])


def serve_artifact(image: Image) -> HostileRegistry:
    registry = HostileRegistry(image)
    registry.stored[sha256(b"evil")] = b"evil"
    return registry


@pytest.mark.parametrize(
    "titles",
    [("../out",), ("/tmp/out",), ("a/../../out",), ("a//b",), (".",), ("\x1b[2J",), ("x", "x"), ("a" * 256,)],
    ids=["climbs", "absolute", "climbs-inside", "empty-part", "dot", "escape", "twice", "long"],
)  # fmt: skip
def test_a_file_name_that_leads_astray_is_refused_before_anything_is_written(
    around: Surroundings, titles: tuple[str, ...]
) -> None:
    with serve_artifact(artifact("good", *titles)).running() as registry:
        done = around.run("artifact", "pull", "-o", str(around.target), f"{registry.address}/box:v1")
    assert_clear_failure(done, registry.address)
    assert list(around.target.iterdir()) == []
    assert not (around.base / "out").exists()


@pytest.mark.parametrize("title", ["link/file", "link"])
def test_a_symbolic_link_that_is_there_already_is_not_followed(around: Surroundings, title: str) -> None:
    outside = around.base / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    target = outside if "/" in title else outside / "file"
    (around.target / "link").symlink_to(target)
    with serve_artifact(artifact(title)).running() as registry:
        around.run("artifact", "pull", "-o", str(around.target), f"{registry.address}/box:v1")
    assert (outside / "file").read_text() == "untouched", "A FILE OUTSIDE THE TARGET CHANGED"
    assert [path.name for path in outside.iterdir()] == ["file"]


def test_a_file_that_arrives_wrong_leaves_the_old_one(
    registry: RegistryServer, around: Surroundings, tmp_path: Path
) -> None:
    with serve_artifact(artifact("file")).running() as hostile:
        blob = tmp_path / sha256(b"evil").removeprefix("sha256:")
        hostile.image.blobs.append(blob)
        hostile.rules = change_layer()
        (around.target / "file").write_text("old")
        done = around.run("artifact", "pull", "-o", str(around.target), f"{hostile.address}/box:v1")
    assert_clear_failure(done, "digest")
    assert (around.target / "file").read_text() == "old"
    assert [path.name for path in around.target.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["missing", ""])
def test_a_file_that_cannot_be_read_is_named(
    registry: RegistryServer, around: Surroundings, tmp_path: Path, name: str
) -> None:
    path = str(tmp_path / name)
    assert_clear_failure(around.run("artifact", "push", f"{registry.address}/x:v1", path), path)


def test_every_method_of_oras_that_moves_bytes_is_replaced() -> None:
    """A newer oras with a new way to the network must not slip through."""
    kept = {"set_header", "version"}
    deprecated = {"_download_blob", "_put_upload", "_chunked_upload", "_upload_manifest", "_upload_blob"}
    private = {"_validate_path", "_parse_manifest_ref", "_check_200_response", "_parse_response_errors"}
    refused_below = {"delete_tag", "delete_tags", "_do_paginated_request", "_get_location"}  # by do_request
    theirs = {
        name
        for name, value in vars(oras.provider.Registry).items()
        if callable(value) and not name.startswith("__")
    }
    ours = set(vars(Client))
    assert theirs - ours - kept - deprecated - private - refused_below == set()
