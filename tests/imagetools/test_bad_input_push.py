"""Pushing to a registry that misbehaves: a clear refusal, and the same command works afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import hostile_rules as rules
from tests.support.hostile_registry import PASSWORD, USER, HostileRegistry, Reply, Rule, error
from tests.support.image_program import Surroundings, assert_clear_failure
from tests.support.layouts import make_layout, make_tar

START = r"/v2/new/blobs/uploads/"
SESSION = r"/v2/new/blobs/uploads/.+"
MANIFEST = r"/v2/new/manifests/.+"
CREDS = ("--creds", f"{USER}:{PASSWORD}")
ONCE = ("--retry-times", "1", "--retry-delay", "0.05")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[HostileRegistry]:
    noise = random.Random(5).randbytes(150_000)
    image = make_layout(tmp_path / "image", tag="v1", layers=[make_tar({"noise": noise})])
    with HostileRegistry(image).running() as server:
        server.stored.clear()
        server.manifests.clear()
        yield server


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


@dataclass(frozen=True)
class Row:
    name: str
    rules: list[Rule]
    phrases: tuple[str, ...]
    options: tuple[str, ...] = ()


def send(method: str, path: str, reply: Callable[[], Reply]) -> list[Rule]:
    return rules.always(path, reply, method)


def location(url: str) -> list[Rule]:
    return send("POST", START, lambda: Reply(202, {"Location": url}))


def other_digest() -> Reply:
    return Reply(201, {"Docker-Content-Digest": f"sha256:{'0' * 64}"})


TERMINAL = rb'{"errors": [{"code": "\u001b[2J", "message": "\u001b]0;x\u0007"}]}'

ROWS = [
    Row("401 with a wrong password", send(".*", ".*", rules.basic_challenge), ("401",), CREDS),
    Row("403 upload", send("POST", START, lambda: error(403, "DENIED")), ("403", "DENIED")),
    Row("404 upload", send("POST", START, lambda: error(404, "NAME_UNKNOWN")), ("404",)),
    Row("405 upload", send("POST", START, lambda: error(405, "UNSUPPORTED")), ("405",)),
    Row("413 blob", send("PUT|PATCH", SESSION, lambda: error(413, "SIZE_INVALID")), ("413",)),
    Row("429 for ever", send("POST", START, lambda: error(429, "TOOMANYREQUESTS")), ("429",), ONCE),
    Row("500 for ever", send("POST", START, lambda: error(500, "UNKNOWN")), ("500",), ONCE),
    Row("digest refused", send("PUT", SESSION, lambda: error(400, "DIGEST_INVALID")), ("DIGEST_INVALID",)),
    Row("no location", send("POST", START, lambda: Reply(202)), ("Location",)),
    Row("location of a file", location("file:///etc/passwd"), ("file:",)),
    Row("location with a password", location("http://u:p@127.0.0.1/x"), ("address",)),
    Row("200 in place of 202", send("POST", START, lambda: Reply(200)), ("200",)),
    Row("200 in place of 201", send("PUT", SESSION, lambda: Reply(200)), ("200",)),
    Row("manifest refused", send("PUT", MANIFEST, lambda: error(400, "MANIFEST_INVALID")), ("400",)),
    Row("manifest blob unknown", send("PUT", MANIFEST, lambda: error(404, "MANIFEST_BLOB_UNKNOWN")),
        ("MANIFEST_BLOB_UNKNOWN",)),
    Row("manifest kept as another", send("PUT", MANIFEST, other_digest), (f"sha256:{'0' * 64}",)),
    Row("error without end", send("POST", START, lambda: Reply(400, {}, rules.endless(), None)), ("400",)),
    Row("error that drives the terminal",
        send("POST", START, lambda: Reply(400, {}, TERMINAL)), ("400",)),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_a_push_that_fails_says_why_and_works_afterwards(
    registry: HostileRegistry, around: Surroundings, tmp_path: Path, row: Row
) -> None:
    destination = f"docker://{registry.address}/new:v1"
    command = ("copy", "--quiet", *row.options, f"oci:{tmp_path}/image:v1", destination)
    registry.rules = row.rules
    failed = around.run(*command)
    assert_clear_failure(failed, registry.address, *row.phrases)
    assert "\x1b" not in failed.stderr
    assert PASSWORD not in failed.stderr
    assert registry.manifests.get("v1") is None
    registry.rules = []
    worked = around.run_here(*command)
    assert worked.code == 0, worked.stderr
    assert registry.manifests["v1"] == registry.image.manifest
    assert around.stray_files() == []


def test_an_upload_that_fails_is_cancelled(
    registry: HostileRegistry, around: Surroundings, tmp_path: Path
) -> None:
    registry.rules = send("PUT|PATCH", SESSION, lambda: error(400, "BLOB_UPLOAD_INVALID"))
    around.run("copy", "--quiet", f"oci:{tmp_path}/image:v1", f"docker://{registry.address}/new:v1")
    opened = sum(seen.method == "POST" for seen in registry.seen)
    cancelled = sum(seen.method == "DELETE" for seen in registry.seen)
    assert opened == cancelled > 0


RECOVERIES = {
    "429 once": rules.first(1, START, lambda: error(429, "TOOMANYREQUESTS", {"Retry-After": "0"}), "POST"),
    "500 once": rules.first(1, START, lambda: error(500, "UNKNOWN"), "POST"),
    "503 on the manifest once": rules.first(1, MANIFEST, lambda: error(503, "UNAVAILABLE"), "PUT"),
    "503 on the blob once": rules.once_in_all(SESSION, lambda: error(503, "UNAVAILABLE"), "PUT"),
}


@pytest.mark.parametrize("name", RECOVERIES)
@pytest.mark.parametrize("chunks", [(), ("--chunk-size", "50000")], ids=["whole", "chunks"])
def test_what_passes_is_survived(
    registry: HostileRegistry, around: Surroundings, tmp_path: Path, name: str, chunks: tuple[str, ...]
) -> None:
    registry.rules = RECOVERIES[name]
    destination = f"docker://{registry.address}/new:v1"
    done = around.run_here(
        "copy", "--quiet", "--retry-delay", "0.05", *chunks, f"oci:{tmp_path}/image:v1", destination
    )
    assert done.code == 0, done.stderr
    assert registry.manifests["v1"] == registry.image.manifest
