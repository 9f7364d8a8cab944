"""The store: names, the index that can be lost, removal, and several users at a time."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tare_imagetools.errors import MissingError
from tare_imagetools.pipeline import CopyOptions, copy
from tare_imagetools.progress import Progress, Quiet
from tare_imagetools.store.store import Store
from tare_imagetools.transports.parse import Options, open_sink, open_source
from tare_spec.platform import Platform
from tare_spec.reference import Reference

from tests.support.layouts import Image, make_index_layout, make_layout, make_tar

BOX = Reference.parse("box:v1")


def put(image: Image, name: str, root: Path, *, everything: bool = False) -> None:
    options = CopyOptions(Progress(Quiet(sys.stderr)), everything, Platform.parse("linux/amd64"))
    source = open_source(f"oci:{image.path}:v1", Options())
    with source, open_sink(name, Options(store=root)) as sink:
        copy(source, sink, options)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return make_layout(tmp_path / "image", "v1", [make_tar({"a": b"1"}), make_tar({"b": b"2"})])


def test_a_stored_image_is_found_by_name_and_by_digest(image: Image, root: Path) -> None:
    put(image, "box:v1", root)
    with Store(root) as store:
        descriptor = store.resolve(BOX)
        assert str(descriptor.digest) == image.digest
        assert store.resolve(Reference.parse(f"box@{image.digest}")) == descriptor
        assert store.blob_path(descriptor.digest).read_bytes() == image.manifest
        (found,) = store.images()
        assert found.reference == "docker.io/library/box:v1"
        assert found.platforms == ("linux/amd64",)


@pytest.mark.parametrize("name", ["box:v2", "other:v1", "docker.io/library/bo:v1", "localhost/box:v1"])
def test_another_name_is_missing(image: Image, root: Path, name: str) -> None:
    put(image, "box:v1", root)
    with Store(root) as store, pytest.raises(MissingError, match="no image of that name"):
        store.resolve(Reference.parse(name))


def test_directories_are_closed_to_others(image: Image, root: Path) -> None:
    put(image, "box:v1", root)
    for folder in (root, root / "partial"):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_the_index_knows_layers_and_chains(image: Image, root: Path) -> None:
    put(image, "box:v1", root)
    with Store(root) as store:
        graph = store.graph()
        layers = graph.layers(store.resolve(BOX).digest)
        diff_ids = json.loads(image.blobs[0].read_bytes())["rootfs"]["diff_ids"]
        assert [str(layer.diff_id) for layer in layers] == diff_ids
        assert layers[0].chain_id == layers[0].diff_id
        assert graph.chains() == {layer.chain_id for layer in layers}
        assert graph.by_diff_id(layers[1].diff_id) == layers[1]


@pytest.mark.parametrize("damage", ["removed", "nonsense", "pages", "version"])
def test_the_index_is_made_anew_when_it_is_lost(image: Image, root: Path, damage: str) -> None:
    put(image, "box:v1", root)
    with Store(root) as store:
        before = store.images()
    database = root / "graph.db"
    if damage == "removed":
        database.unlink()
    elif damage == "nonsense":
        database.write_bytes(os.urandom(5000))
    elif damage == "pages":
        content = bytearray(database.read_bytes())
        content[4096:] = os.urandom(len(content) - 4096)
        database.write_bytes(content)
    else:
        with sqlite3.connect(database) as opened:
            opened.execute("PRAGMA user_version = 99")
        opened.close()
    with Store(root) as store:
        assert store.images() == before


def test_the_index_follows_a_layout_that_others_changed(image: Image, root: Path) -> None:
    put(image, "box:v1", root)
    with Store(root) as store:
        assert len(store.images()) == 1
        document = json.loads((root / "oci/index.json").read_text())
        document["manifests"] = []
        (root / "oci/index.json").write_text(json.dumps(document))
        assert store.images() == []
        assert store.graph().chains() == set()


def test_removing_a_name_keeps_what_another_name_needs(image: Image, root: Path, tmp_path: Path) -> None:
    other = make_layout(tmp_path / "other", "v1", [make_tar({"a": b"1"}), make_tar({"c": b"3"})])
    put(image, "box:v1", root)
    put(other, "other:v1", root)
    with Store(root) as store:
        store.untag(BOX)
        freed = store.gc()
        assert freed.blobs == 3  # manifest, config and the layer that only box had
        kept = {digest.hex for digest in store.blobs.digests()}
    assert kept == {path.name for path in other.blobs} | {other.digest.removeprefix("sha256:")}


def test_an_index_keeps_all_its_images_and_gc_leaves_them(root: Path, tmp_path: Path) -> None:
    image = make_index_layout(tmp_path / "many")
    put(image, "many:v1", root, everything=True)
    with Store(root) as store:
        (found,) = store.images()
        assert found.platforms == ("linux/amd64", "linux/arm64")
        assert store.gc().blobs == 0


def test_many_threads_name_images_and_none_is_lost(image: Image, root: Path) -> None:
    put(image, "box:v1", root)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with Store(root) as store:
                for step in range(5):
                    store.tag(Reference.parse(f"box:t{number}-{step}"), store.resolve(BOX))
                    store.images()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with Store(root) as store:
        assert len(store.images()) == 31


def test_many_processes_name_images_and_none_is_lost(image: Image, root: Path) -> None:
    put(image, "box:v1", root)
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from tare_imagetools.store.store import Store\nfrom tare_spec.reference import Reference\n"
        "with Store(Path(sys.argv[1])) as store:\n"
        "    for step in range(5):\n"
        "        found = store.resolve(Reference.parse('box:v1'))\n"
        "        store.tag(Reference.parse(f'box:p{sys.argv[2]}-{step}'), found)\n"
        "        store.images()\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(root), str(number)]) for number in range(4)
    ]
    assert [process.wait(60) for process in running] == [0] * 4
    with Store(root) as store:
        assert len(store.images()) == 21


def test_gc_waits_for_whoever_has_the_store_open(image: Image, root: Path) -> None:
    put(image, "box:v1", root)
    with Store(root) as store:
        store.untag(BOX)
        done = threading.Event()

        def collect() -> None:
            with Store(root) as other:
                other.gc()
            done.set()

        thread = threading.Thread(target=collect)
        thread.start()
        assert not done.wait(0.3)
        assert store.blobs.digests()
    thread.join(20)
    with Store(root) as store:
        assert store.blobs.digests() == []
