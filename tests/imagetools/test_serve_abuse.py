"""The embedded registry under clients that are broken, hostile, many or killed, and on a full disk."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.serve.server import RegistryServer
from tare_spec import media_types

from tests.support.disks import small_disk
from tests.support.http import call
from tests.support.layouts import describe, make_layout
from tests.support.programs import TARE_IMAGE
from tests.support.registry import running_registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "root") as server:
        yield server


def connect(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def send_raw(address: str, data: bytes) -> bytes:
    """Send, say no more, and read until the server closes."""
    with connect(address) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


POST = b"POST /v2/x/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n"
NO_REQUESTS = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00" * 20,
    "no-host": b"GET /v2/ HTTP/1.1\r\n\r\n",
    "two-lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "negative-length": POST + b"Content-Length: -1\r\n\r\n",
    "bad-chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "endless-header": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000,
    "nul-in-header": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "half-a-request": b"GET /v2/ HT",
    "nothing": b"",
}


@pytest.mark.parametrize("data", NO_REQUESTS.values(), ids=NO_REQUESTS.keys())
def test_what_is_no_request_is_refused_and_the_next_is_answered(
    registry: RegistryServer, data: bytes, tmp_path: Path
) -> None:
    answer = send_raw(registry.address, data)
    assert answer == b"" or answer.split(b" ", 2)[1][:1] == b"4" or b" 202 " in answer.split(b"\r\n")[0]
    assert call(registry.address, "GET", "/v2/").status == 200


def test_requests_sent_in_one_go_are_answered_in_order(registry: RegistryServer) -> None:
    requests = [f"GET /v2/{path} HTTP/1.1\r\nHost: x\r\n" for path in ("", "_catalog", "x")]
    answer = send_raw(registry.address, "\r\n".join([*requests, ""]).encode())
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"404"]


@pytest.mark.parametrize("index", [b"not json", b"{}", b'{"schemaVersion": 2, "manifests": [{}]}', b""])
def test_a_damaged_index_is_told_and_hurts_one_repository_only(
    registry: RegistryServer, tmp_path: Path, index: bytes
) -> None:
    image = make_layout(tmp_path / "root/repositories/box/_layout", tag="v1")
    make_layout(tmp_path / "root/repositories/other/_layout", tag="v1")
    sound = (image.path / "index.json").read_bytes()
    (image.path / "index.json").write_bytes(index)
    broken = call(registry.address, "GET", "/v2/box/manifests/v1")
    assert (broken.status, b"damaged" in broken.body) == (500, True)
    assert call(registry.address, "GET", "/v2/other/manifests/v1").status == 200
    (image.path / "index.json").write_bytes(sound)
    assert call(registry.address, "GET", "/v2/box/manifests/v1").body == image.manifest


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_what_lies_in_a_blob_s_place_and_is_no_file_is_no_blob(
    registry: RegistryServer, tmp_path: Path, kind: str
) -> None:
    image = make_layout(tmp_path / "root/repositories/box/_layout", tag="v1")
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    blob = image.blobs[0]
    blob.unlink()
    if kind == "link":
        blob.symlink_to(secret)
    elif kind == "fifo":
        os.mkfifo(blob)
    else:
        blob.mkdir()
    got = call(registry.address, "GET", f"/v2/box/blobs/sha256:{blob.name}")
    assert got.status == 404
    assert b"SECRET" not in got.body


def test_many_clients_push_the_same_blob_at_once(registry: RegistryServer, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(200_000)
    statuses: list[int] = []

    def push(number: int) -> None:
        path = f"/v2/box{number % 3}/blobs/uploads/?digest={digest_of(data)}"
        statuses.append(call(registry.address, "POST", path, data).status)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 24
    assert os.listdir(tmp_path / "root/uploads") == []
    assert len(os.listdir(tmp_path / "root/blobs/sha256")) == 1


def test_many_clients_tag_at_once_and_no_tag_is_lost(registry: RegistryServer) -> None:
    empty = b"{}"
    call(registry.address, "POST", f"/v2/box/blobs/uploads/?digest={digest_of(empty)}", empty)
    config = describe(empty, media_types.OCI_EMPTY)

    def push(number: int) -> None:
        document = {"schemaVersion": 2, "config": config, "layers": [], "annotations": {"n": str(number)}}
        headers = {"Content-Type": media_types.OCI_MANIFEST}
        path = f"/v2/box/manifests/t{number:02}"
        assert call(registry.address, "PUT", path, json.dumps(document).encode(), headers).status == 201

    threads = [threading.Thread(target=push, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tags = json.loads(call(registry.address, "GET", "/v2/box/tags/list").body)["tags"]
    assert tags == [f"t{number:02}" for number in range(24)]


def test_two_requests_on_one_upload_do_not_mix(registry: RegistryServer) -> None:
    data = random.Random(2).randbytes(100_000)
    location = call(registry.address, "POST", "/v2/box/blobs/uploads/", b"").headers["location"]
    statuses: list[int] = []

    def put() -> None:
        statuses.append(call(registry.address, "PUT", f"{location}?digest={digest_of(data)}", data).status)

    threads = [threading.Thread(target=put) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 404, 404, 404, 404, 404]


def test_uploads_that_nobody_ends_hold_no_descriptors(registry: RegistryServer) -> None:
    before = len(os.listdir("/proc/self/fd"))
    locations = [
        call(registry.address, "POST", "/v2/box/blobs/uploads/", b"").headers["location"] for _ in range(100)
    ]
    assert call(registry.address, "PATCH", locations[0], b"some").status == 202
    assert len(os.listdir("/proc/self/fd")) < before + 20


def test_a_refusal_reaches_a_client_that_sends_far_too_much(registry: RegistryServer) -> None:
    with connect(registry.address) as connection:
        size = 200 * 1024 * 1024
        head = f"PUT /v2/box/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
        connection.sendall(head.encode())
        sent, piece = 0, b" " * 65536
        try:
            while sent < size:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass  # it has stopped listening: so it must have answered
        assert sent < size
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_client_that_asks_first_is_told_no_before_it_sends(registry: RegistryServer) -> None:
    with connect(registry.address) as connection:
        head = b"PUT /v2/BAD/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")


def test_a_client_that_asks_first_is_told_to_go_on(registry: RegistryServer) -> None:
    with connect(registry.address) as connection:
        path = f"/v2/box/blobs/uploads/?digest={digest_of(b'abc')}"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(b"abc")
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")


def test_a_server_that_is_killed_in_an_upload_starts_clean(tmp_path: Path) -> None:
    root = tmp_path / "root"
    command = [TARE_IMAGE, "serve", "--listen", "127.0.0.1:0", "--root", str(root)]
    data = random.Random(3).randbytes(500_000)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().split()[-1]
        location = call(address, "POST", "/v2/box/blobs/uploads/", b"").headers["location"]
        assert call(address, "PATCH", location, data).status == 202
        process.send_signal(signal.SIGKILL)
    assert os.listdir(root / "uploads") != []
    with running_registry(root) as server:
        assert os.listdir(root / "uploads") == []
        assert os.listdir(root / "blobs/sha256") == []
        path = f"/v2/box/blobs/uploads/?digest={digest_of(data)}"
        assert call(server.address, "POST", path, data).status == 201


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_full_disk_is_told_to_the_client_and_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk, running_registry(disk / "root") as server:
        big, small = random.Random(4).randbytes(4_000_000), random.Random(5).randbytes(500_000)
        path = f"/v2/box/blobs/uploads/?digest={digest_of(big)}"
        refused = call(server.address, "POST", path, big)
        assert refused.status == 507
        assert "No space left" in json.loads(refused.body)["errors"][0]["message"]
        assert os.listdir(disk / "root/uploads") == []
        path = f"/v2/box/blobs/uploads/?digest={digest_of(small)}"
        assert call(server.address, "POST", path, small).status == 201
