"""Images from a registry: pulled once by name, kept in the store, refused beyond loopback without TLS."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shim.conftest import Tare
from tests.support.make_busybox_image import make_busybox_image
from tests.support.programs import TARE_IMAGE
from tests.support.registry import running_registry

pytestmark = pytest.mark.root


@pytest.fixture
def pushed(tare: Tare, tmp_path: Path) -> Iterator[str]:
    """A name in a registry that runs for the test; its image says hello by itself."""
    layout = tmp_path / "layout"
    make_busybox_image(layout, "1.0", config={"Entrypoint": ["echo"], "Cmd": ["hello"], "User": "user"})
    with running_registry(tmp_path / "registry") as server:
        name = f"{server.address}/team/{tmp_path.name.lower().replace('_', '-')}:1.0"
        copy = [TARE_IMAGE, "copy", "--quiet", f"oci:{layout}:1.0", f"docker://{name}"]
        subprocess.run(copy, check=True, capture_output=True, env=tare.environment)
        yield name


def test_a_missing_image_is_pulled_and_found_the_next_time(tare: Tare, pushed: str) -> None:
    first = tare("run", "--rm", pushed)
    assert first.stdout == b"hello\n"
    assert b"pulling it" in first.stderr
    second = tare("run", "--rm", f"docker://{pushed}", "other", "words")
    assert second.stdout == b"other words\n"
    assert second.stderr == b""
    assert not tare.leftovers()


def test_pull_fetches_and_images_lists(tare: Tare, pushed: str) -> None:
    digest = tare("pull", pushed).stdout.decode().strip()
    assert digest.startswith("sha256:")
    listed = tare("images").stdout.decode()
    assert pushed in listed
    assert digest[7:19] in listed
    assert digest in tare("images", "-q").stdout.decode().split()
    assert tare("run", "--rm", "--entrypoint", "id", pushed, "-u").stdout == b"1000\n"
    assert not tare.leftovers()


def test_a_tag_that_is_not_there_is_named(tare: Tare, pushed: str) -> None:
    absent = pushed.replace(":1.0", ":2.0")
    done = tare("run", "--rm", absent, want=125)
    assert absent.encode() in done.stderr
    assert not tare.leftovers()
