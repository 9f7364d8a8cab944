"""Nothing outside the root is touched, whatever a layer holds and whoever interferes; full disks and kills.

A sentinel tree stands beside the root: every test looks whether it is as it was.
"""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.drivers.interface import open_driver
from tare_imagetools.drivers.overlay import mount_in_own_namespace
from tare_imagetools.errors import LayerError, StoreError
from tare_imagetools.layer.apply import apply_layer
from tare_imagetools.layer.staging import remove_tree, staging
from tare_spec import media_types
from tare_spec.digest import Digest

from tests.support.disks import small_disk
from tests.support.layer_trees import build, close, read_tree
from tests.support.tar_builder import Tar

pytestmark = pytest.mark.root


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """place/root is for layers; what is in place/outside must not change."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (outside / "dir").mkdir()
    (tmp_path / "root").mkdir()
    before = read_tree(outside)
    yield tmp_path
    # pytest's own clearing up goes as deep as Python can recurse.
    remove_tree(tmp_path / "root")
    assert read_tree(outside) == before, "A LAYER HAS CHANGED WHAT IS OUTSIDE ITS ROOT"


def apply(root: Path, *layers: Tar) -> None:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for layer in layers:
            apply_layer(io.BytesIO(layer.bytes()), fd, media_type=media_types.OCI_LAYER)
    finally:
        os.close(fd)


def attacks(outside: Path) -> dict[str, Tar]:
    absolute, relative = str(outside), "../outside"
    climbing = "../../../../../../../../../.." + absolute
    return {
        "climbing name": Tar().file("../outside/secret", b"!").file(climbing + "/secret", b"!"),
        "absolute name": Tar().file(f"{absolute}/secret", b"!"),
        "write through an absolute link": Tar().symlink("l", absolute).file("l/secret", b"!"),
        "write through a relative link": Tar().symlink("l", relative).file("l/secret", b"!"),
        "write through a climbing link": Tar().symlink("l", climbing).file("l/secret", b"!"),
        "write to a link": Tar().symlink("l", f"{absolute}/secret").file("l", b"!"),
        "link over link over link": (
            Tar().symlink("a", "..").symlink("a/b", "..").symlink("a/b/c", "../outside").file("c/x", b"!")
        ),
        "whiteout through a link": Tar().symlink("l", relative).whiteout("l/secret").opaque("l"),
        "whiteout that climbs": Tar().whiteout("../outside").whiteout("../outside/secret"),
        "opaque that climbs": Tar().opaque("../outside"),
        "hard link that climbs": Tar().symlink("l", relative).file("l/x").hardlink("h", "../outside/x"),
        "hard link to a link and a mode": (
            Tar().symlink("l", f"{absolute}/secret").hardlink("h", "l").add("h", "1", link="l", mode=0o777)
        ),
        "directory entry over a link": Tar().symlink("l", relative).dir("l", 0o777, uid=5),
        "directory entry with a slash over a link": Tar().symlink("l", relative).dir("l/", 0o777, uid=5),
        "attributes through a link": (
            Tar().symlink("l", absolute, pax={"SCHILY.xattr.trusted.x": b"x"}, uid=7).file("l/y")
        ),
        "device through a link": Tar().symlink("l", relative).add("l/dev", "3", major=1, minor=3),
        "through /proc": Tar().symlink("l", "/proc/self/root").file(f"l{absolute}/secret", b"!"),
        "entries without end in one name": Tar().file("/".join(["d"] * 1500) + "/f", b"x"),
    }  # fmt: skip


@pytest.mark.parametrize("name", attacks(Path("/x")))
def test_attack_stays_in_the_root(place: Path, name: str) -> None:
    try:
        apply(place / "root", attacks(place / "outside")[name])
    except LayerError as error:
        assert error.entry


@pytest.mark.parametrize("name", attacks(Path("/x")))
def test_attack_in_two_layers_stays_in_the_root(place: Path, name: str) -> None:
    attack = attacks(place / "outside")[name]
    for number in range(1, len(attack.parts) // 2):
        root = place / f"root{number}"
        root.mkdir()
        try:
            apply(root, Tar(attack.parts[: number * 2]), Tar(attack.parts[number * 2 :]))
        except LayerError as error:
            assert error.entry


def test_a_tree_that_is_swapped_for_a_link_all_the_time(place: Path) -> None:
    """Somebody renames a directory of the root away and puts a link to the outside there, over and over."""
    root, stop = place / "root", threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for old, new in (("d", "away"), ("evil", "d"), ("d", "evil"), ("away", "d")):
                try:
                    os.rename(root / old, root / new)
                except OSError:
                    pass

    (root / "evil").symlink_to(place / "outside" / "dir")
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for round_number in range(40):
            layer = Tar()
            for number in range(60):
                layer.dir("d", 0o755).file(f"d/{round_number}-{number}", b"!").dir(
                    f"d/s{number}", 0o777, uid=9
                )
            try:
                apply(root, layer)
            except LayerError:
                pass
    finally:
        stop.set()
        thread.join()


def test_a_very_deep_tree_is_made_and_removed(place: Path) -> None:
    root = place / "root"
    deep = "/".join(["d"] * 1100)
    apply(root, Tar().file(f"{deep}/f", b"x"), Tar().whiteout("d"))
    assert list(root.iterdir()) == []


def test_a_tree_deeper_than_any_path_is_an_error(place: Path) -> None:
    layer = Tar().dir("/".join(["d"] * 1900)).symlink("deep", "/".join(["d"] * 1900))
    layer.file("deep/" + "/".join(["e"] * 1900), b"x")
    with pytest.raises(LayerError, match="File name too long"):
        apply(place / "root", layer)


def test_saying_the_same_whiteout_many_times_costs_little(place: Path) -> None:
    layer = Tar()
    for number in range(1500):
        layer.dir(f"a/d{number}")
    for _ in range(20_000):
        layer.opaque("a").whiteout("a")
    apply(place / "root", layer)
    assert len(os.listdir(place / "root/a")) == 1500


def test_many_directories_need_few_descriptors(place: Path) -> None:
    layer = Tar()
    for number in range(3000):
        layer.dir(f"d{number}").file(f"d{number}/f")
    before = len(os.listdir("/proc/self/fd"))
    apply(place / "root", layer)
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(os.listdir(place / "root")) == 3000


@pytest.mark.parametrize("way", ["dir", "overlay", "vfs"])
def test_a_full_disk_is_one_clear_error(tmp_path: Path, way: str) -> None:
    big = Tar().file("small", b"s").file("big", os.urandom(6 << 20))
    with small_disk(tmp_path / "disk", "4m") as disk:
        with pytest.raises(LayerError, match="entry 'big': No space left on device") as caught:
            build(way, [big], disk)
        assert caught.value.hint
        if way != "dir":
            assert list((disk / way / "layers").iterdir()) == []
            build(way, [Tar().file("small", b"s")], disk)
            close(way, disk)


@pytest.mark.parametrize("way", ["overlay", "vfs"])
def test_a_damaged_layer_leaves_nothing_in_the_store(tmp_path: Path, way: str) -> None:
    driver = open_driver(way, tmp_path)
    blob = Tar().file("f", b"f").bytes()
    with pytest.raises(LayerError, match="has the digest"):
        driver.prepare_layer(
            Digest.of(b"0"), None, io.BytesIO(blob), Digest.of(b"other"), media_type=media_types.OCI_LAYER
        )
    assert list((tmp_path / way / "layers").iterdir()) == []
    assert not driver.exists(Digest.of(b"0"))


KILLED = """
import io, os, signal, sys
from pathlib import Path
from tare_imagetools.drivers.interface import open_driver
from tare_imagetools.drivers.overlay import mount_in_own_namespace
from tare_spec import media_types
from tare_spec.digest import Digest
from tests.support.tar_builder import Tar

class Deadly(io.BytesIO):
    def read(self, size=-1, /):
        if self.tell() > 1 << 20:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(size)

driver = open_driver(sys.argv[1], Path(sys.argv[2]))
layer = Tar()
for number in range(400):
    layer.file(f"d{number}/f", b"x" * 8000)
blob = layer.bytes()
zero, one, diff_id = Digest.of(b"0"), Digest.of(b"1"), Digest.of(blob)
driver.prepare_layer(one, zero, Deadly(blob), diff_id, media_type=media_types.OCI_LAYER)
"""


@pytest.mark.parametrize("way", ["overlay", "vfs"])
def test_a_kill_leaves_no_mount_and_the_next_one_clears_up(tmp_path: Path, way: str) -> None:
    driver = open_driver(way, tmp_path)
    layers = tmp_path / way / "layers"
    blob = Tar().dir("d1").file("d1/old", b"o").bytes()
    driver.prepare_layer(
        Digest.of(b"0"), None, io.BytesIO(blob), Digest.of(blob), media_type=media_types.OCI_LAYER
    )
    repository = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, way, str(tmp_path)], cwd=repository, check=False)
    assert done.returncode == -signal.SIGKILL
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert len(list(layers.iterdir())) == 2
    blob = Tar().file("d1/new", b"n").bytes()
    driver.prepare_layer(
        Digest.of(b"1"), Digest.of(b"0"), io.BytesIO(blob), Digest.of(blob), media_type=media_types.OCI_LAYER
    )
    assert len(list(layers.iterdir())) == 2
    try:
        tree = read_tree(driver.mount("c", Digest.of(b"1")))
        assert sorted(tree) == [".", "d1", "d1/new", "d1/old"]
    finally:
        driver.unmount("c")


def test_what_somebody_works_on_is_not_cleared_up(tmp_path: Path) -> None:
    with staging(tmp_path) as first:
        (first / "x").touch()
        with staging(tmp_path) as second:
            assert (first / "x").exists()
            assert first != second
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["overlay", "vfs"])
def test_a_container_gets_its_own_tree(tmp_path: Path, way: str) -> None:
    driver = open_driver(way, tmp_path)
    blob = Tar().file("f", b"f").bytes()
    top = Digest.of(b"0")
    driver.prepare_layer(top, None, io.BytesIO(blob), Digest.of(blob), media_type=media_types.OCI_LAYER)
    try:
        one, two = driver.mount("one", top), driver.mount("two", top)
        (one / "f").write_text("changed")
        (one / "new").touch()
        assert (two / "f").read_text() == "f"
        with pytest.raises(StoreError, match="has one already"):
            driver.mount("one", top)
    finally:
        driver.unmount("one")
        driver.unmount("two")
        driver.unmount("two")
    assert list((tmp_path / way / "containers").iterdir()) == []


@pytest.mark.parametrize("way", ["overlay", "vfs"])
def test_pruning_spares_what_is_wanted_and_what_a_container_stands_on(tmp_path: Path, way: str) -> None:
    driver = open_driver(way, tmp_path)
    layers = tmp_path / way / "layers"

    def prepare(name: bytes, parent: bytes | None = None) -> Digest:
        blob = Tar().file(name, name).bytes()
        chain_id = Digest.of(name)
        driver.prepare_layer(
            chain_id,
            Digest.of(parent) if parent else None,
            io.BytesIO(blob),
            Digest.of(blob),
            media_type=media_types.OCI_LAYER,
        )
        return chain_id

    base, wanted, unwanted = prepare(b"base"), prepare(b"wanted", b"base"), prepare(b"unwanted", b"base")
    (layers / ".new-left-by-a-kill").mkdir()
    used = prepare(b"used")
    try:
        root = driver.mount("c", used)
        copies = 1 if way == "vfs" else 0
        assert driver.prune({base, wanted}) == 1 + copies
        assert driver.exists(base)
        assert driver.exists(wanted)
        assert not driver.exists(unwanted)
        assert (root / "used").read_text() == "used"
    finally:
        driver.unmount("c")
    assert driver.prune(set()) == 3 - copies
    assert list(layers.iterdir()) == []


def test_a_mount_by_the_old_interface_hangs_nowhere_either(tmp_path: Path) -> None:
    """What older kernels need for many layers."""
    for name in ("low", "up", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "low/f").write_text("lower")
    options = f"lowerdir={tmp_path}/low,upperdir={tmp_path}/up,workdir={tmp_path}/work".encode()
    root_fd = mount_in_own_namespace(options, tmp_path / "merged")
    try:
        apply_layer(
            io.BytesIO(Tar().whiteout("f").file("n", b"n").bytes()), root_fd, media_type=media_types.OCI_LAYER
        )
        assert os.listdir(root_fd) == ["n"]
    finally:
        os.close(root_fd)
    assert stat.S_ISCHR((tmp_path / "up/f").lstat().st_mode)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert not (tmp_path / "merged").exists()


def test_a_user_without_privileges_gets_all_that_a_user_can_have(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    os.chown(root, 65534, 65534)
    layer = (
        Tar()
        .dir("closed", 0o500, uid=0)
        .file("closed/f", b"f", uid=1, gid=2, mode=0o644)
        .file("caps", b"c", pax={"SCHILY.xattr.security.capability": bytes(20)})
        .add("dev", "3", major=1, minor=3)
        .symlink("s", "f", uid=0)
    )
    out, into = os.pipe()
    fd = os.open(root, os.O_RDONLY)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            applied = apply_layer(io.BytesIO(layer.bytes()), fd, media_type=media_types.OCI_LAYER)
            os.write(into, f"unset {applied.unset > 0}".encode())
        except BaseException as error:
            os.write(into, repr(error).encode())
        finally:
            os._exit(0)
    os.close(into)
    os.close(fd)
    os.waitpid(child, 0)
    with open(out, "rb") as pipe:
        assert pipe.read() == b"unset True"
    tree = read_tree(root)
    assert {name: found.what for name, found in tree.items() if name != "."} == {
        "closed": "dir", "closed/f": "=f", "caps": "=c", "dev": "=", "s": "-> f",
    }  # fmt: skip
    assert tree["closed"].mode == 0o500
    assert tree["closed/f"].owner == (65534, 65534)


def test_an_overlay_of_many_layers(tmp_path: Path) -> None:
    layers = [Tar().file(f"f{number}", b"%d" % number).file("same", b"%d" % number) for number in range(60)]
    try:
        tree = read_tree(build("overlay", layers, tmp_path))
        assert tree["same"].what == "=59"
        assert len(tree) == 62
    finally:
        close("overlay", tmp_path)
