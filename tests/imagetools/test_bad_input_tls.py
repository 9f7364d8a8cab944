"""Registries behind TLS that cannot be trusted, and the ways to trust them."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.serve.server import RegistryServer

from tests.support.image_program import Surroundings, assert_clear_failure
from tests.support.layouts import make_layout
from tests.support.registry import running_registry


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate with its key, for the DNS name or address `name`."""
    kind = "IP" if name[0].isdigit() else "DNS"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}", "-days", "2"]
    path = folder / f"{name}.pem"
    subprocess.run(
        [*command, *subject, "-keyout", f"{path}.key", "-out", path], check=True, capture_output=True
    )
    path.write_text(path.read_text() + Path(f"{path}.key").read_text())
    return path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("127.0.0.1", "elsewhere.example"):
        make_certificate(folder, name)
    return folder


def serve(tmp_path: Path, certificate: Path) -> RegistryServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    make_layout(tmp_path / "registry/repositories/box/_layout", tag="v1")
    return RegistryServer(tmp_path / "registry", tls=context)


@pytest.fixture
def registry(tmp_path: Path, certificates: Path) -> Iterator[RegistryServer]:
    with serve(tmp_path, certificates / "127.0.0.1.pem") as server:
        yield server


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


def pull(around: Surroundings, registry: RegistryServer, *options: str) -> tuple[str, ...]:
    return ("copy", "--quiet", *options, f"docker://{registry.address}/box:v1", f"oci:{around.target}/out:v1")


def test_a_certificate_that_nobody_vouches_for_is_refused_and_can_be_overruled(
    registry: RegistryServer, around: Surroundings
) -> None:
    assert_clear_failure(around.run(*pull(around, registry)), registry.address, "--tls-verify=false")
    assert_clear_failure(around.run(*pull(around, registry, "--tls-verify=true")), registry.address)
    worked = around.run(*pull(around, registry, "--tls-verify=false"))
    assert worked.code == 0, worked.stderr


def test_an_authority_of_our_choice_is_trusted(
    registry: RegistryServer, around: Surroundings, certificates: Path
) -> None:
    chosen = around.base / "certs"
    chosen.mkdir()
    (chosen / "ca.crt").write_bytes((certificates / "127.0.0.1.pem").read_bytes())
    worked = around.run(*pull(around, registry, "--tls-verify=true", "--cert-dir", str(chosen)))
    assert worked.code == 0, worked.stderr


def test_a_trusted_certificate_for_another_name_is_refused(
    tmp_path: Path, around: Surroundings, certificates: Path
) -> None:
    chosen = around.base / "certs"
    chosen.mkdir()
    (chosen / "ca.crt").write_bytes((certificates / "elsewhere.example.pem").read_bytes())
    with serve(tmp_path, certificates / "elsewhere.example.pem") as registry:
        failed = around.run(*pull(around, registry, "--cert-dir", str(chosen)))
    assert_clear_failure(failed, registry.address)


def test_plain_http_is_refused_where_tls_is_demanded(tmp_path: Path, around: Surroundings) -> None:
    with running_registry(tmp_path / "registry") as registry:
        failed = around.run(*pull(around, registry, "--tls-verify=true", "--retry-times", "0"))
    assert_clear_failure(failed, registry.address)
