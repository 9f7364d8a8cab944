"""Pulls that the machine fails: nobody listens, the disk is full, the process is killed."""

from __future__ import annotations

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

from tests.support.disks import small_disk
from tests.support.hostile_registry import HostileRegistry, Reply, Rule, Seen
from tests.support.hostile_rules import BLOB, MANIFEST
from tests.support.image_program import Surroundings, assert_clear_failure
from tests.support.layouts import make_layout, make_tar

LAYER = 3 * 1024 * 1024


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[HostileRegistry]:
    layers = [make_tar({f"noise{n}": random.Random(n).randbytes(LAYER)}) for n in range(2)]
    with HostileRegistry(make_layout(tmp_path / "image", tag="v1", layers=layers)).running() as server:
        yield server


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


def test_a_registry_that_nobody_runs_is_named(around: Surroundings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused, nobody else gets it
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = (
            "copy",
            "--quiet",
            "--retry-times",
            "1",
            f"docker://{address}/box:v1",
            f"oci:{around.target}/out",
        )
        assert_clear_failure(around.run(*command), address, "refused")
    assert around.stray_files() == []


def test_a_registry_whose_name_is_unknown_is_named(around: Surroundings) -> None:
    command = ("copy", "--quiet", "docker://registry.invalid/box:v1", f"oci:{around.target}/out")
    assert_clear_failure(around.run(*command), "registry.invalid")
    assert around.stray_files() == []


def test_plain_http_is_not_tried_away_from_loopback(around: Surroundings) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        own = f"{outer_address()}:{server.getsockname()[1]}"
        heard: list[bytes] = []

        def listen() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(10)
                heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        command = (
            "copy",
            "--quiet",
            "--retry-times",
            "0",
            f"docker://{own}/box:v1",
            f"oci:{around.target}/out",
        )
        assert_clear_failure(around.run(*command), own, "--tls-verify=false")
        thread.join(10)
    assert heard
    assert heard[0][:1] == b"\x16", "the first byte must be that of a TLS handshake"


def outer_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks which address would be used
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
@pytest.mark.parametrize("kind", ["layout", "store", "archive"])
def test_a_full_disk_is_named_and_left_as_it_was(
    registry: HostileRegistry, around: Surroundings, kind: str
) -> None:
    source = f"docker://{registry.address}/box:v1"
    with small_disk(around.target, "4m") as disk:
        if kind == "layout":
            command: tuple[str, ...] = ("copy", "--quiet", source, f"oci:{disk}/out:v1")
        elif kind == "archive":
            command = ("copy", "--quiet", source, f"oci-archive:{disk}/out.tar:v1")
        else:
            command = ("pull", "--quiet", f"{registry.address}/box:v1")
        failed = around.run(*command)
        assert_clear_failure(failed, "o space left", str(disk))
        assert around.stray_files() == []
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        worked = around.run_here(*command)
        assert worked.code == 0, worked.stderr


class Gate:
    """A rule that holds back one answer until it is opened, and tells when the request is there."""

    def __init__(self, path: str, number: int, after: int) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self._path, self._number, self._after = path, number, after
        self._count = 0
        self._lock = threading.Lock()

    def rule(self) -> Rule:
        return Rule("GET", self._path, self._answer)

    def _answer(self, registry: HostileRegistry, seen: Seen) -> Reply | None:
        with self._lock:
            self._count += 1
            if self._count != self._number:
                return None
        reply = registry.behave(seen)
        assert isinstance(reply.body, bytes)
        return Reply(reply.status, reply.headers, self._pieces(reply.body), len(reply.body))

    def _pieces(self, body: bytes) -> Iterator[bytes]:
        yield body[: self._after]
        self.reached.set()
        self.opened.wait(30)
        yield body[self._after :]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_pull_that_is_interrupted_ends_at_once_and_leaves_nothing(
    registry: HostileRegistry, around: Surroundings, kind: signal.Signals
) -> None:
    gate = Gate(BLOB, 2, 1000)
    registry.rules = [gate.rule()]
    command = ("copy", "--quiet", f"docker://{registry.address}/box:v1", f"oci:{around.target}/out:v1")
    with around.start(*command) as process:
        assert gate.reached.wait(30)
        process.send_signal(kind)
        code = process.wait(10)
    gate.opened.set()
    assert code in (130, -kind)
    assert around.stray_files() == []


def is_resumable(name: str) -> bool:
    """The store keeps the beginning of a large blob apart, under its digest, for the next pull."""
    return re.fullmatch(r"target/store/partial/sha256-[0-9a-f]{64}", name) is not None


POINTS = [
    ("/v2/", 1, 0),
    (MANIFEST, 1, 0),
    (MANIFEST, 1, 100),
    (BLOB, 1, 0),
    (BLOB, 1, 1000),
    (BLOB, 2, 0),
    (BLOB, 2, LAYER // 2),
    (BLOB, 2, LAYER - 1),
    (BLOB, 3, 0),
    (BLOB, 3, LAYER // 2),
]


KILLS = [("store", *point) for point in POINTS] + [("layout", *point) for point in (POINTS[4], POINTS[8])]


@pytest.mark.parametrize(("kind", "path", "number", "after"), KILLS)
def test_a_pull_that_is_killed_leaves_no_half_blob_and_the_next_one_works(
    registry: HostileRegistry, around: Surroundings, kind: str, path: str, number: int, after: int
) -> None:
    if kind == "layout":
        command: tuple[str, ...] = (
            "copy",
            "--quiet",
            f"docker://{registry.address}/box:v1",
            f"oci:{around.target}/out:v1",
        )
    else:
        command = ("pull", "--quiet", f"{registry.address}/box:v1")
    gate = Gate(path, number, after)
    registry.rules = [gate.rule()]
    process = around.start(*command)
    while not gate.reached.wait(0.05) and process.poll() is None:
        pass  # a client that never asks for this ends by itself: then it is the end that was tested
    process.send_signal(signal.SIGKILL)
    process.wait()
    gate.opened.set()
    assert [name for name in around.stray_files() if not is_resumable(name)] == []
    registry.rules = []
    worked = around.run_here(*command)
    assert worked.code == 0, worked.stderr
    assert around.stray_files() == []
