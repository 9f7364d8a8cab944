"""Blobs that no manifest names: they go when they are old enough, and nothing else does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.serve.garbage import collect
from tare_imagetools.serve.server import RegistryServer
from tare_spec import media_types

from tests.imagetools.test_serve_command import serving
from tests.support.http import call
from tests.support.image_program import Surroundings
from tests.support.layouts import describe, make_layout, sha256
from tests.support.registry import running_registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "root") as server:
        yield server


def post(address: str, content: bytes, name: str = "box") -> dict[str, object]:
    path = f"/v2/{name}/blobs/uploads/?digest={sha256(content)}"
    assert call(address, "POST", path, content).status == 201
    return describe(content, media_types.OCI_LAYER)


def put(address: str, reference: str, kind: str, **members: object) -> dict[str, object]:
    raw = json.dumps({"schemaVersion": 2, "mediaType": kind, **members}).encode()
    headers = {"Content-Type": kind}
    assert call(address, "PUT", f"/v2/box/manifests/{reference}", raw, headers).status == 201
    return describe(raw, kind)


def status(address: str, entry: dict[str, object], name: str = "box") -> int:
    return call(address, "HEAD", f"/v2/{name}/blobs/{entry['digest']}").status


def test_what_a_manifest_names_stays_and_the_rest_goes(registry: RegistryServer) -> None:
    address = registry.address
    config, layer, lost, shared = (post(address, text) for text in (b"{}", b"layer", b"lost", b"shared"))
    post(address, b"shared", "other")
    image = put(address, "v1", media_types.OCI_MANIFEST, config=config, layers=[layer])
    untagged = put(
        address, sha256_of(config, image), media_types.OCI_MANIFEST, config=config, layers=[], subject=image
    )
    absent = describe(b"of another machine", media_types.OCI_MANIFEST)
    put(address, "all", media_types.OCI_INDEX, manifests=[image, absent])
    assert collect(registry.storage, 3600) == (0, 0), "they have just come"
    assert collect(registry.storage, 0) == (2, len(b"lost") + len(b"shared"))
    assert [status(address, entry) for entry in (config, layer, lost, shared)] == [200, 200, 404, 404]
    assert call(address, "GET", f"/v2/box/manifests/{untagged['digest']}").status == 200
    assert status(address, shared, "other") == 404, "nobody names it there either"


def sha256_of(config: dict[str, object], image: dict[str, object]) -> str:
    members = {"config": config, "layers": [], "subject": image}
    return sha256(json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, **members}).encode())


def test_a_deleted_manifest_takes_its_blobs_with_it_but_not_those_of_others(registry: RegistryServer) -> None:
    address = registry.address
    config, one, two = (post(address, text) for text in (b"{}", b"one", b"two"))
    put(address, "v1", media_types.OCI_MANIFEST, config=config, layers=[one, two])
    old = put(address, "v2", media_types.OCI_MANIFEST, config=config, layers=[two])
    assert call(address, "DELETE", f"/v2/box/manifests/{old['digest']}").status == 202
    assert collect(registry.storage, 0) == (0, 0)
    put(address, "v1", media_types.OCI_MANIFEST, config=config, layers=[one])
    assert collect(registry.storage, 0) == (0, 0), "the old manifest is there without its tag"


def test_of_a_damaged_repository_nothing_is_removed(
    registry: RegistryServer, capfd: pytest.CaptureFixture[str]
) -> None:
    address = registry.address
    config, lost = post(address, b"{}"), post(address, b"lost")
    image = put(address, "v1", media_types.OCI_MANIFEST, config=config, layers=[])
    layout = registry.storage.layout_path("box")
    path = layout / "blobs/sha256" / str(image["digest"])[7:]
    path.write_bytes(path.read_bytes() + b" ")
    assert collect(registry.storage, 0) == (0, 0)
    assert status(address, lost) == status(address, config) == 200
    assert "box is damaged" in capfd.readouterr().err


def test_what_a_killed_server_left_in_the_pool_goes(registry: RegistryServer) -> None:
    pool = registry.storage.root / "blobs/sha256"
    (pool / ("0" * 64)).write_bytes(b"left")
    (pool / "notes.txt").write_text("of a person")
    assert collect(registry.storage, 0) == (1, 4)
    assert os.listdir(pool) == ["notes.txt"]


def test_the_command_collects_at_its_start_and_the_image_is_whole_after_it(tmp_path: Path) -> None:
    image = make_layout(tmp_path / "image", "v1")
    with running_registry(tmp_path / "root") as server:
        here = Surroundings(tmp_path)
        assert here.run("copy", f"oci:{image.path}:v1", f"docker://{server.address}/box:v1").code == 0
        lost = post(server.address, b"lost")
    with serving("--root", str(tmp_path / "root"), "--gc", "0") as (process, line):
        assert process.stderr
        assert process.stderr.readline() == "serve: removed 1 unused blobs, 4 B\n"
        address = line.split()[-1]
        assert status(address, lost) == 404
        done = here.run("copy", f"docker://{address}/box:v1", f"oci:{here.target}/out:v1")
        assert done.stdout.strip() == image.digest
