"""Pulls that are cut, killed or doubled: the same command works afterwards, and all blobs are whole."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tare_imagetools.store.store import Store
from tare_spec.digest import Digest

from tests.support.hostile_registry import HostileRegistry, Reply, Rule, Seen
from tests.support.image_program import Surroundings
from tests.support.layouts import make_layout, make_tar

LAYER = 4 << 20
BLOB = r"/v2/.+/blobs/sha256:[0-9a-f]{64}"
CUT = 3 << 20


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[HostileRegistry]:
    layers = [make_tar({f"f{number}": os.urandom(LAYER)}) for number in range(2)]
    made = HostileRegistry(make_layout(tmp_path / "image", "v1", layers))
    with made.running():
        yield made


@pytest.fixture
def here(tmp_path: Path) -> Surroundings:
    (tmp_path / "here").mkdir()
    return Surroundings(tmp_path / "here")


def is_layer(seen: Seen, registry: HostileRegistry) -> bool:
    return registry.stored[seen.path.rpartition("/")[2]][:2] == b"\x1f\x8b"


def ranges(registry: HostileRegistry) -> list[str]:
    return [seen.headers.get("range", "") for seen in registry.seen if "/blobs/" in seen.path]


def on_layers(change: Callable[[HostileRegistry, Seen, Reply], Reply | None]) -> Rule:
    def answer(registry: HostileRegistry, seen: Seen) -> Reply | None:
        return change(registry, seen, registry.behave(seen)) if is_layer(seen, registry) else None

    return Rule("GET", BLOB, answer)


def cut(after: int) -> Rule:
    def change(registry: HostileRegistry, seen: Seen, reply: Reply) -> Reply:
        reply.cut_after = after
        return reply

    return on_layers(change)


def pull(here: Surroundings, registry: HostileRegistry, *more: str) -> tuple[int, str]:
    done = here.run("pull", "-q", *more, f"{registry.address}/box:v1")
    return done.code, done.stderr


def assert_whole(here: Surroundings, registry: HostileRegistry) -> None:
    with Store(here.target / "store") as store:
        for digest in store.blobs.digests():
            assert Digest.of(store.blob_path(digest).read_bytes()) == digest
        assert len(store.images()) == 1
    assert not list((here.target / "store/partial").iterdir())


def test_a_cut_pull_is_gone_on_with_by_the_next_command(
    registry: HostileRegistry, here: Surroundings
) -> None:
    registry.rules = [cut(CUT)]
    code, message = pull(here, registry, "--retry-times", "0")
    assert code == 5
    assert "broke" in message
    with Store(here.target / "store") as store:
        assert store.images() == []
    kept = list((here.target / "store/partial").iterdir())
    assert kept
    registry.rules, registry.seen = [], []
    assert pull(here, registry) == (0, "")
    resumed = [text for text in ranges(registry) if text]
    assert len(resumed) == len(kept)
    assert all(int(text.removeprefix("bytes=").rstrip("-")) >= 1 << 20 for text in resumed)
    assert_whole(here, registry)


def test_a_kept_beginning_that_is_wrong_is_thrown_away(registry: HostileRegistry, here: Surroundings) -> None:
    registry.rules = [cut(CUT)]
    pull(here, registry, "--retry-times", "0")
    for path in (here.target / "store/partial").iterdir():
        path.write_bytes(b"x" * path.stat().st_size)
    registry.rules = []
    assert pull(here, registry) == (0, "")
    assert_whole(here, registry)


def test_cuts_within_one_pull_are_mended_by_ranges(registry: HostileRegistry, here: Surroundings) -> None:
    registry.rules = [cut(1 << 20)]
    assert pull(here, registry, "--retry-delay", "0.01") == (0, "")
    assert any(ranges(registry))
    assert_whole(here, registry)


def hold_layers(registry: HostileRegistry, after: int) -> tuple[threading.Event, threading.Event]:
    """Layers stop after some bytes: (set when one has, to be set so that they go on)."""
    reached, go_on = threading.Event(), threading.Event()

    def change(registry: HostileRegistry, seen: Seen, reply: Reply) -> Reply:
        content = reply.body
        assert isinstance(content, bytes)

        def pieces() -> Iterator[bytes]:
            yield content[:after]
            reached.set()
            go_on.wait(30)
            yield content[after:]

        return Reply(reply.status, reply.headers, pieces(), len(content))

    registry.rules = [on_layers(change)]
    return reached, go_on


@pytest.mark.parametrize(
    "after", [0, 1, 1_000_000, CUT, LAYER], ids=["start", "byte", "early", "late", "end"]
)
def test_a_killed_pull_leaves_no_half_blob_and_can_be_repeated(
    registry: HostileRegistry, here: Surroundings, after: int
) -> None:
    reached, go_on = hold_layers(registry, after)
    process = here.start("pull", "-q", f"{registry.address}/box:v1")
    assert reached.wait(30)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    go_on.set()
    with Store(here.target / "store") as store:
        assert store.images() == []
        for digest in store.blobs.digests():
            assert Digest.of(store.blob_path(digest).read_bytes()) == digest
    registry.rules = []
    assert pull(here, registry) == (0, "")
    assert_whole(here, registry)


def test_two_pulls_at_once_fetch_each_layer_once(registry: HostileRegistry, here: Surroundings) -> None:
    reached, go_on = hold_layers(registry, CUT)
    first = here.start("pull", "-q", f"{registry.address}/box:v1")
    assert reached.wait(30)
    second = here.start("pull", "-q", f"{registry.address}/other:v1")
    while not any(seen.path.startswith("/v2/other/") for seen in registry.seen):
        assert second.poll() is None
    go_on.set()
    assert (first.wait(30), second.wait(30)) == (0, 0)
    fetched = [seen for seen in registry.seen if seen.method == "GET" and "/blobs/" in seen.path]
    assert sum(is_layer(seen, registry) for seen in fetched) == 2
    with Store(here.target / "store") as store:
        assert len(store.images()) == 2


def test_an_interrupt_ends_a_pull_at_once(registry: HostileRegistry, here: Surroundings) -> None:
    reached, go_on = hold_layers(registry, CUT)
    process = here.start("pull", "-q", f"{registry.address}/box:v1")
    assert reached.wait(30)
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 130
    go_on.set()
