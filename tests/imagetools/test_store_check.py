from __future__ import annotations

import os
from pathlib import Path

import pytest
from tare_imagetools.store.check import Fault, check, remove_damaged
from tare_imagetools.store.store import Store

from tests.support.copying import copy_image
from tests.support.image_program import Surroundings, assert_clear_failure
from tests.support.layouts import Image, make_index_layout, make_layout


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return make_layout(tmp_path / "image", "v1")


@pytest.fixture
def root(tmp_path: Path, image: Image) -> Path:
    copy_image(f"oci:{image.path}:v1", "store:box:v1", store=tmp_path / "store")
    return tmp_path / "store"


def test_a_good_store_has_no_faults(root: Path, tmp_path: Path) -> None:
    many = make_index_layout(tmp_path / "many")
    copy_image(f"oci:{many.path}:v1", "store:many:v1", everything=True, store=root)
    with Store(root) as store:
        assert check(store) == []


@pytest.mark.parametrize("which", ["layer", "config", "manifest"])
def test_a_bit_that_turned_is_found_and_the_image_named(root: Path, image: Image, which: str) -> None:
    name = {"layer": image.blobs[1].name, "config": image.blobs[0].name, "manifest": image.digest[7:]}[which]
    path = root / "oci/blobs/sha256" / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with Store(root) as store:
        (finding,) = check(store)
        assert (finding.fault, finding.name) == (Fault.DAMAGED, "docker.io/library/box:v1")
        assert remove_damaged(store, [finding]) == 1
        (finding,) = check(store)
        assert finding.fault is Fault.MISSING
    copy_image(f"oci:{image.path}:v1", "store:box:v1", store=root)
    with Store(root) as store:
        assert check(store) == []


def test_damage_that_no_image_needs_is_found_too(root: Path) -> None:
    stray = root / "oci/blobs/sha256" / ("ab" * 32)
    stray.write_bytes(os.urandom(10))
    with Store(root) as store:
        (finding,) = check(store)
        assert (finding.fault, finding.name) == (Fault.DAMAGED, "")


def test_the_command_says_what_to_do(tmp_path: Path, image: Image) -> None:
    (tmp_path / "here").mkdir()
    here = Surroundings(tmp_path / "here")
    copy_image(f"oci:{image.path}:v1", "store:box:v1", store=here.target / "store")
    assert here.run("check").stdout == "all blobs are what their digests say\n"
    (here.target / "store/oci/blobs/sha256" / image.blobs[1].name).write_bytes(b"x")
    done = here.run("check")
    assert done.code == 6
    assert_clear_failure(done, "1 blobs are not", "--remove-damaged")
    assert "docker.io/library/box:v1" in done.stdout
    assert here.run("check", "--remove-damaged").code == 0
