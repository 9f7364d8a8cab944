"""Pulling from a registry that misbehaves: a clear refusal, nothing left behind, and the next try works."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import hostile_rules as rules
from tests.support.hostile_registry import PASSWORD, USER, HostileRegistry, Rule
from tests.support.image_program import Surroundings, assert_clear_failure
from tests.support.layouts import make_layout, make_tar

MIB = 1024 * 1024


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[HostileRegistry]:
    noise = random.Random(3).randbytes(200_000)  # does not compress: cuts fall where they are said to
    image = make_layout(
        tmp_path / "image", tag="v1", layers=[make_tar({"a": b"a"}), make_tar({"noise": noise})]
    )
    with HostileRegistry(image).running() as server:
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


CREDS = ("--creds", f"{USER}:{PASSWORD}")
ONCE = ("--retry-times", "1", "--retry-delay", "0.05")

ROWS = [
    Row("401 basic with a wrong password", rules.basic_for_ever(), ("401",), CREDS),
    Row("401 basic without a password", rules.basic_for_ever(), ("login",)),
    Row("401 bearer that takes no token", rules.bearer_for_ever(), ("401",), CREDS),
    Row("401 without a challenge", rules.challenge_without_scheme(), ("401",), CREDS),
    Row("403 manifest", rules.refuse(403, "DENIED"), ("403",)),
    Row("404 manifest", rules.refuse(404, "MANIFEST_UNKNOWN"), ("404", "v1")),
    Row("404 blob", rules.refuse(404, "BLOB_UNKNOWN", rules.BLOB), ("sha256:",)),
    Row("418 manifest", rules.refuse(418, "TEAPOT"), ("418",)),
    Row("429 for ever", rules.busy(1000), ("429",), ONCE),
    Row("429 that asks for an hour", rules.busy(1000, "3600"), ("429",)),
    Row("500 for ever", rules.broken(1000), ("500",), ONCE),
    Row("503 blob for ever", rules.refuse(503, "UNAVAILABLE", rules.BLOB), ("503",), ONCE),
    Row("layer cut at once, for ever", rules.cut_layer(0, 1000), ("broke", "byte 0"), ONCE),
    Row("layer with another digest", rules.change_layer(), ("digest", "sha256:")),
    Row("layer too long", rules.lengthen_layer(), ("bytes",)),
    Row("layer too short", rules.shorten_layer(), ("bytes",), ONCE),
    Row("layer without end", rules.endless_layer(), ("bytes",)),
    Row("layer compressed in transit", rules.encoded_layer(), ("Content-Encoding",), ONCE),
    Row("range answered with other bytes", rules.wrong_range(), ("digest",), ONCE),
    Row("range answered with another range", rules.other_range(), ("ange",), ONCE),
    Row("manifest of 60 MB", rules.manifest_of(60 * MIB), ("bytes",)),
    Row("manifest without end", rules.endless_manifest(), ("bytes",)),
    Row("error body without end", rules.endless_error(), ("404",)),
    Row("token without end", rules.endless_token(), ("token",)),
    Row("not HTTP", rules.not_http(), ("127.0.0.1",), ONCE),
    Row("manifest truncated", rules.truncated_manifest(), ("JSON",)),
    Row("manifest nested without end", rules.nested_manifest(), ("nested",)),
    Row("manifest is HTML", rules.raw_manifest(b"<html>sign in</html>", "text/html"), ("manifest",)),
    Row("manifest empty", rules.raw_manifest(b""), ("manifest",)),
    Row("manifest with a key twice", rules.twice("layers"), ("twice",)),
    Row("manifest with a key in other case", rules.also(LAYERS=[]), ("case",)),
    Row("manifest and index at once", rules.also(manifests=[]), ("index",)),
    Row("manifest of another type than sent", rules.also(mediaType="application/vnd.oci.image.index.v1+json"),
        ("mediaType",)),
    Row("schema 1", rules.also(schemaVersion=1), ("schema",)),
    Row("layer digest that climbs", rules.layer_with(digest="sha256:../../../etc/passwd"), ("digest",)),
    Row("layer digest with a path", rules.layer_with(digest=f"sha256:/{'a' * 63}"), ("digest",)),
    Row("layer digest in upper case", rules.layer_with(digest=f"sha256:{'A' * 64}"), ("digest",)),
    Row("layer digest of unknown kind", rules.layer_with(digest=f"md5:{'0' * 32}"), ("digest",)),
    Row("layer of negative size", rules.layer_with(size=-1), ("size",)),
    Row("layer announced smaller", rules.layer_with(size=1000), ("1000",)),
    Row("layer announced larger", rules.layer_with(size=2**62), ("bytes",), ONCE),
    Row("redirect that goes in a circle", rules.round_and_round(rules.BLOB), ("redirect",)),
    Row("redirect to a file", rules.redirect_to("file:///etc/passwd"), ("file:",)),
    Row("redirect to nowhere", rules.redirect_to(""), ("Location",)),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_a_registry_that_misbehaves_is_named_and_nothing_stays(
    registry: HostileRegistry, around: Surroundings, row: Row
) -> None:
    source = f"docker://{registry.address}/box:v1"
    command = ("copy", "--quiet", *row.options, source, f"oci:{around.target}/out:v1")
    registry.rules = row.rules
    failed = around.run(*command)
    assert_clear_failure(failed, registry.address, *row.phrases)
    assert failed.seconds < 20
    assert around.stray_files() == []
    registry.rules = []
    worked = around.run_here(*command)
    assert (worked.code, worked.stderr) == (0, "")
    assert around.stray_files() == []
    assert whole(around.target / "out", registry)


def whole(layout: Path, registry: HostileRegistry) -> bool:
    names = [path.name for path in registry.image.blobs] + [registry.image.digest.removeprefix("sha256:")]
    return {path.name for path in (layout / "blobs/sha256").iterdir()} == set(names)


def test_content_for_a_digest_is_checked_whatever_the_header_says(
    registry: HostileRegistry, around: Surroundings
) -> None:
    source = f"docker://{registry.address}/box@{registry.image.digest}"
    registry.rules = rules.other_manifest_by_digest()
    command = ("copy", "--quiet", source, f"oci:{around.target}/out:v1")
    assert_clear_failure(around.run(*command), registry.image.digest)
    registry.rules = []
    assert around.run_here(*command).code == 0


RECOVERIES = {
    "429 once": rules.busy(1),
    "429 once with a date": rules.busy(1, "Wed, 21 Oct 2015 07:28:00 GMT"),
    "500 once": rules.broken(1),
    "503 blob once": rules.first(1, rules.BLOB, lambda: rules.error(503, "UNAVAILABLE")),
    "layer cut once": rules.cut_layer(50_000, 1),
    "layer cut four times, each time further on": rules.cut_layer(40_000, 4),
    "layer cut, and ranges unknown": rules.ignored_range(),
    "redirect to another origin": rules.elsewhere(rules.BLOB),
    "manifest at another origin": rules.elsewhere(rules.BY_TAG),
}


@pytest.mark.parametrize("name", RECOVERIES)
def test_what_passes_is_survived(registry: HostileRegistry, around: Surroundings, name: str) -> None:
    registry.rules = RECOVERIES[name]
    source = f"docker://{registry.address}/box:v1"
    done = around.run_here("copy", "--quiet", "--retry-delay", "0.05", source, f"oci:{around.target}/out:v1")
    assert done.code == 0, done.stderr
    assert whole(around.target / "out", registry)
    assert around.stray_files() == []


def test_a_cut_layer_is_resumed_and_not_begun_again(registry: HostileRegistry, around: Surroundings) -> None:
    registry.rules = rules.cut_layer(50_000, 1)
    source = f"docker://{registry.address}/box:v1"
    assert around.run("copy", "--quiet", source, f"oci:{around.target}/out:v1").code == 0
    asked = [
        seen.headers.get("range")
        for seen in registry.seen
        if seen.path.endswith(registry.image.blobs[-1].name)
    ]
    assert asked == [None, "bytes=50000-"]
