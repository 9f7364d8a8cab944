"""Basic authentication of the embedded registry, with files made by Apache's htpasswd."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.serve.htpasswd import BadPasswordFile, Htpasswd
from tare_imagetools.serve.server import RegistryServer

from tests.support.http import call
from tests.support.image_program import Surroundings, assert_clear_failure
from tests.support.layouts import make_layout
from tests.support.programs import TARE_IMAGE
from tests.support.registry import running_registry


def add(path: Path, name: str, password: str, *kind: str) -> None:
    create = () if path.exists() else ("-c",)
    command = ["htpasswd", "-b", *kind, *create, str(path), name, password]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    add(path, "ada", "secret", "-B")
    return path


@pytest.fixture
def registry(tmp_path: Path, passwords: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "root", guard=Htpasswd(passwords)) as server:
        yield server


def basic(credentials: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


def test_who_brings_the_password_passes_again_and_again(registry: RegistryServer) -> None:
    for _ in range(3):
        assert call(registry.address, "GET", "/v2/", headers=basic("ada:secret")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("ada:wrong"),
        basic("ada:"),
        basic("eve:secret"),
        basic("ada"),
        basic(f"ada:{'x' * 100}"),
        basic("ada:secret\0x"),
        {"Authorization": "Basic %%%"},
        {"Authorization": "Bearer secret"},
        {"Authorization": ""},
    ],
    ids=["none", "wrong", "empty", "unknown", "no-colon", "long", "nul", "no-base64", "bearer", "blank"],
)
def test_who_does_not_gets_401_and_a_challenge(registry: RegistryServer, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/v2/"), ("POST", "/v2/box/blobs/uploads/"), ("GET", "/v2/_catalog")):
        got = call(registry.address, method, path, headers=headers)
        assert got.status == 401
        assert got.headers["www-authenticate"].startswith("Basic realm=")


def test_a_refused_upload_hears_of_it_though_it_still_sends(registry: RegistryServer) -> None:
    body = bytes(3 * 1024 * 1024)
    got = call(registry.address, "POST", f"/v2/box/blobs/uploads/?digest=sha256:{'0' * 64}", body)
    assert got.status == 401


def test_a_changed_file_counts_at_once(registry: RegistryServer, passwords: Path) -> None:
    assert call(registry.address, "GET", "/v2/", headers=basic("ada:secret")).status == 200
    add(passwords, "ada", "other", "-B")
    assert call(registry.address, "GET", "/v2/", headers=basic("ada:secret")).status == 401
    assert call(registry.address, "GET", "/v2/", headers=basic("ada:other")).status == 200
    passwords.write_text("ada:broken\n")
    assert call(registry.address, "GET", "/v2/", headers=basic("ada:other")).status == 401


@pytest.mark.parametrize("kind", ["-m", "-s", "-d", "-p"], ids=["apr1", "sha1", "crypt", "plain"])
def test_weaker_kinds_of_entries_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weak"
    add(path, "bob", "secret", kind)
    with pytest.raises(BadPasswordFile, match="line 1: the entry of 'bob' is not a bcrypt hash"):
        Htpasswd(path)


def test_without_the_library_it_says_what_to_install(
    passwords: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(BadPasswordFile) as caught:
        Htpasswd(passwords)
    assert caught.value.hint == "pip install 'tare-oci[htpasswd]'"


def test_the_command_refuses_a_file_that_it_cannot_use(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        command = [TARE_IMAGE, "serve", "--listen", "127.0.0.1:0", "--root", str(tmp_path / "root")]
        done = subprocess.run([*command, "--htpasswd", str(path)], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0
        assert str(path) in done.stderr
        assert "Traceback" not in done.stderr


def test_our_own_client_logs_in_pushes_and_pulls(registry: RegistryServer, tmp_path: Path) -> None:
    around = Surroundings(tmp_path)
    make_layout(tmp_path / "image", tag="v1")
    there = f"docker://{registry.address}/box:v1"
    push = ("copy", "--quiet", f"oci:{tmp_path}/image:v1", there)
    assert_clear_failure(around.run(*push), registry.address, "401")
    login = around.run_here("login", "--username", "ada", "--password", "secret", registry.address)
    assert login.code == 0, login.stderr
    assert around.run_here(*push).code == 0
    assert around.run_here("pull", "--quiet", f"{registry.address}/box:v1").code == 0
    file = tmp_path / "image/index.json"
    pushed = around.run_here("artifact", "push", f"{registry.address}/files:v1", str(file))
    assert pushed.code == 0, pushed.stderr
    assert around.run_here("logout", registry.address).code == 0
    assert_clear_failure(around.run(*push), registry.address, "401")


@pytest.mark.peer
def test_skopeo_logs_in(registry: RegistryServer, tmp_path: Path) -> None:
    authfile = tmp_path / "auth.json"
    command = ["skopeo", "login", "--tls-verify=false", "--authfile", str(authfile), registry.address]
    done = subprocess.run([*command, "-u", "ada", "-p", "secret"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([*command, "-u", "ada", "-p", "wrong"], capture_output=True, text=True)
    assert done.returncode != 0
