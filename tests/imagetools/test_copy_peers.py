"""Images to and fro between our transports and those of the programs that people have."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.docker_registry import docker_registry
from tests.support.layouts import Image, make_layout, make_tar
from tests.support.programs import TARE_IMAGE

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("docker-registry")) as address:
        yield address


@pytest.fixture
def image(tmp_path: Path) -> Image:
    big = make_tar({"big": os.urandom(3 << 20)})
    return make_layout(tmp_path / "image", "v1", [make_tar({"a": b"1"}), big, make_tar({"a": b"2"})])


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))


def run(*arguments: str | Path) -> str:
    done = subprocess.run([str(word) for word in arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tare_image(*arguments: str | Path) -> str:
    return run(TARE_IMAGE, *arguments)


def raw_manifest(where: str) -> bytes:
    return run("skopeo", "inspect", "--tls-verify=false", "--raw", where).encode()


def assert_same(layout: Path, image: Image) -> None:
    for blob in image.blobs:
        assert (layout / "blobs/sha256" / blob.name).read_bytes() == blob.read_bytes()


def test_what_we_push_skopeo_pulls_unchanged(registry: str, image: Image, tmp_path: Path) -> None:
    there = f"docker://{registry}/{tmp_path.name.lower()}:v1"
    assert tare_image("copy", f"oci:{image.path}:v1", there).strip() == image.digest
    assert raw_manifest(there) == image.manifest
    run("skopeo", "copy", "--src-tls-verify=false", there, f"oci:{tmp_path}/back:v1")
    assert_same(tmp_path / "back", image)


def test_what_skopeo_pushes_we_pull_unchanged(registry: str, image: Image, tmp_path: Path) -> None:
    there = f"docker://{registry}/{tmp_path.name.lower()}/deep:v1"
    run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{image.path}:v1", there)
    tare_image("copy", there, f"oci:{tmp_path}/back:v1")
    assert raw_manifest(f"oci:{tmp_path}/back:v1") == image.manifest
    assert_same(tmp_path / "back", image)


def test_an_upload_in_chunks_arrives_whole(registry: str, image: Image, tmp_path: Path) -> None:
    there = f"docker://{registry}/{tmp_path.name.lower()}/chunks:v1"
    tare_image("copy", "--chunk-size", "700000", f"oci:{image.path}:v1", there)
    run("skopeo", "copy", "--src-tls-verify=false", there, f"oci:{tmp_path}/back:v1")
    assert_same(tmp_path / "back", image)


def test_blobs_are_mounted_within_one_registry(registry: str, image: Image, tmp_path: Path) -> None:
    name = tmp_path.name.lower()
    tare_image("copy", f"oci:{image.path}:v1", f"docker://{registry}/{name}/one:v1")
    done = subprocess.run(
        [
            TARE_IMAGE,
            "copy",
            "--json",
            f"docker://{registry}/{name}/one:v1",
            f"docker://{registry}/{name}/two:v1",
        ],
        capture_output=True,
        text=True,
    )
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {event["how"] for event in events if event["event"] == "done"} == {"present"}
    assert raw_manifest(f"docker://{registry}/{name}/two:v1") == image.manifest


def test_docker_archives_go_both_ways(image: Image, tmp_path: Path) -> None:
    tare_image("copy", f"oci:{image.path}:v1", f"docker-archive:{tmp_path}/ours.tar:box:v1")
    run("skopeo", "copy", f"docker-archive:{tmp_path}/ours.tar:box:v1", f"oci:{tmp_path}/a:v1")
    run("skopeo", "copy", f"oci:{image.path}:v1", f"docker-archive:{tmp_path}/theirs.tar:box:v1")
    tare_image("copy", f"docker-archive:{tmp_path}/theirs.tar:box:v1", f"oci:{tmp_path}/b:v1")
    ours, theirs = (json.loads(run("skopeo", "inspect", "--config", f"oci:{tmp_path}/{n}:v1")) for n in "ab")
    assert ours["rootfs"] == theirs["rootfs"] == json.loads(image.blobs[0].read_bytes())["rootfs"]


def test_oci_archives_go_both_ways(image: Image, tmp_path: Path) -> None:
    tare_image("copy", f"oci:{image.path}:v1", f"oci-archive:{tmp_path}/ours.tar:v1")
    assert raw_manifest(f"oci-archive:{tmp_path}/ours.tar:v1") == image.manifest
    run("skopeo", "copy", f"oci:{image.path}:v1", f"oci-archive:{tmp_path}/theirs.tar:v1")
    tare_image("copy", f"oci-archive:{tmp_path}/theirs.tar:v1", f"oci:{tmp_path}/back:v1")
    assert_same(tmp_path / "back", image)


def test_directories_go_both_ways(image: Image, tmp_path: Path) -> None:
    tare_image("copy", f"oci:{image.path}:v1", f"dir:{tmp_path}/ours")
    run("skopeo", "copy", f"dir:{tmp_path}/ours", f"oci:{tmp_path}/back:v1")
    assert_same(tmp_path / "back", image)
    run("skopeo", "copy", f"oci:{image.path}:v1", f"dir:{tmp_path}/theirs")
    tare_image("copy", f"dir:{tmp_path}/theirs", f"oci:{tmp_path}/again:v1")
    assert_same(tmp_path / "again", image)


def test_the_store_is_a_layout_that_skopeo_reads(registry: str, image: Image, tmp_path: Path) -> None:
    name = f"{registry}/{tmp_path.name.lower()}/stored"
    tare_image("copy", f"oci:{image.path}:v1", f"docker://{name}:v1")
    assert tare_image("pull", f"{name}:v1").strip() == f"{name}:v1@{image.digest}"
    assert raw_manifest(f"oci:{tmp_path}/store/oci:{name}:v1") == image.manifest
    assert tare_image("push", f"{name}:v1", f"{name}/again:v2").strip() == f"{name}/again:v2@{image.digest}"
    assert tare_image("tags", f"{name}/again") == "v2\n"


def test_basic_authentication_is_answered(image: Image, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "guarded", user="ada", password="s3cret") as address:
        there = f"docker://{address}/x:v1"
        refused = subprocess.run(
            [TARE_IMAGE, "copy", f"oci:{image.path}:v1", there], capture_output=True, text=True
        )
        assert refused.returncode == 4
        assert f"tare-image login {address}" in refused.stderr
        tare_image("copy", "--dest-creds", "ada:s3cret", f"oci:{image.path}:v1", there)
        login = subprocess.run(
            [TARE_IMAGE, "login", "-u", "ada", "--password-stdin", address], input=b"s3cret\n", check=True
        )
        assert login.returncode == 0
        assert oct((tmp_path / "auth.json").stat().st_mode)[-3:] == "600"
        assert tare_image("tags", f"{address}/x") == "v1\n"
        tare_image("logout", address)
        assert subprocess.run([TARE_IMAGE, "tags", f"{address}/x"], capture_output=True).returncode == 4
