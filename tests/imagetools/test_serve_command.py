"""`tare-image serve` as a program: address, ready file, signals, and what it says when it cannot."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.programs import TARE_IMAGE


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [TARE_IMAGE, "serve", "--listen", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_it_prints_its_address_answers_and_ends_on_sigterm(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with serving("--root", str(tmp_path / "root"), "--ready-file", str(ready)) as (process, line):
        address = line.split()[-1]
        with urllib.request.urlopen(f"http://{address}/v2/", timeout=10) as reply:
            assert reply.status == 200
        assert ready.read_text() == f"{address}\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert not ready.exists()


def test_a_second_server_on_the_same_root_is_refused(tmp_path: Path) -> None:
    with serving("--root", str(tmp_path)):
        command = [TARE_IMAGE, "serve", "--listen", "127.0.0.1:0", "--root", str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert "another server has it" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1"])
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    command = [TARE_IMAGE, "serve", "--listen", address, "--root", str(tmp_path / "root")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "is not HOST:PORT" in done.stderr
    assert not (tmp_path / "root").exists()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    return folder


def test_https_is_spoken_and_a_silent_client_holds_nobody_up(tmp_path: Path, certificate: Path) -> None:
    cert, key = str(certificate / "cert.pem"), str(certificate / "key.pem")
    trust = ssl.create_default_context(cafile=cert)
    options = ("--root", str(tmp_path), "--tls-cert", cert, "--tls-key", key)
    with serving(*options) as (_, line), ExitStack() as stack:
        host, port = line.split()[-1].split(":")
        for _ in range(5):
            stack.enter_context(socket.create_connection((host, int(port))))
        with urllib.request.urlopen(f"https://{host}:{port}/v2/", timeout=10, context=trust) as reply:
            assert reply.status == 200
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://{host}:{port}/v2/", timeout=10)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, certificate: Path) -> None:
    for path in (tmp_path / "missing", Path(__file__), certificate / "cert.pem"):  # the last lacks its key
        command = [TARE_IMAGE, "serve", "--listen", "127.0.0.1:0", "--root", str(tmp_path)]
        done = subprocess.run([*command, "--tls-cert", str(path)], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0
        assert str(path) in done.stderr
        assert "Traceback" not in done.stderr
