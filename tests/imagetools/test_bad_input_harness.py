"""What the tests of bad input stand on can itself fail: leaks, half blobs and unclear messages are seen."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.hostile_registry import BASIC, PASSWORD, TOKEN, USER, HostileRegistry
from tests.support.hostile_rules import realm_elsewhere
from tests.support.http import call
from tests.support.image_program import Done, Surroundings, assert_clear_failure
from tests.support.layouts import make_layout


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v2/", None, {"Authorization": BASIC}),
        ("/v2/", None, {"Cookie": "a=b"}),
        ("/v2/", None, {"X-Forwarded": TOKEN}),
        (f"/token?password={PASSWORD}", None, {}),
        ("/token", f"password={PASSWORD}".encode(), {}),
    ],
    ids=["authorization", "cookie", "header", "query", "body"],
)
def test_a_secret_at_the_other_origin_is_seen(
    tmp_path: Path, path: str, body: bytes | None, headers: dict[str, str]
) -> None:
    with HostileRegistry(make_layout(tmp_path / "image", tag="v1")).running() as registry:
        call(registry.other, "POST" if body else "GET", "/v2/")
        assert registry.leaks() == []
        call(registry.address, "POST" if body else "GET", path, body, headers)
        assert registry.leaks() == []
        call(registry.other, "POST" if body else "GET", path, body, headers)
        assert len(registry.leaks()) == 1


@pytest.mark.peer
def test_a_client_that_tells_any_realm_the_password_is_seen(tmp_path: Path) -> None:
    with HostileRegistry(make_layout(tmp_path / "image", tag="v1")).running() as registry:
        registry.rules = realm_elsewhere()
        command = ["skopeo", "copy", "-q", "--src-tls-verify=false", "--src-creds", f"{USER}:{PASSWORD}"]
        source, destination = f"docker://{registry.address}/box:v1", f"oci:{tmp_path}/out:v1"
        subprocess.run([*command, source, destination], capture_output=True)
        assert registry.leaks() != []


def test_half_blobs_and_temporary_files_are_seen(tmp_path: Path) -> None:
    around = Surroundings(tmp_path)
    make_layout(around.target / "out", tag="v1")
    assert around.stray_files() == []
    blob = next((around.target / "out/blobs/sha256").iterdir())
    blob.write_bytes(blob.read_bytes()[:-1])
    (around.target / "out/.blob.tmp").touch()
    (around.temporary / "left").touch()
    (around.home / ".config").touch()
    assert len(around.stray_files()) == 4


@pytest.mark.parametrize(
    "done",
    [
        Done(0, "", "tare-image: get x: y\nhint: z\n", 0),
        Done(5, "", "", 0),
        Done(5, "", "tare-image: get x: y\n", 0),
        Done(5, "", "tare-image: get x: y\ntare-image: and more\nhint: z\n", 0),
        Done(1, "", "Traceback (most recent call last):\n", 0),
        Done(-9, "", "tare-image: get x: y\nhint: z\n", 0),
        Done(5, "", "tare-image: get other: y\nhint: z\n", 0),
    ],
    ids=["success", "silence", "no-hint", "two-messages", "traceback", "killed", "another-name"],
)
def test_a_failure_that_is_not_clear_is_seen(done: Done) -> None:
    with pytest.raises(AssertionError):
        assert_clear_failure(done, "get x")
