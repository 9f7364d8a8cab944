"""`tare-image unpack` from end to end: image in, bundle out, run by a runtime; failures leave nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.disks import small_disk
from tests.support.image_program import Done, Surroundings
from tests.support.layer_trees import read_tree
from tests.support.layouts import make_layout, make_tar
from tests.support.programs import TARE_IMAGE
from tests.support.tar_builder import Tar

pytestmark = pytest.mark.root
BUSYBOX = Path("/bin/busybox")


@pytest.fixture
def place(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


def layers() -> list[bytes]:
    base = Tar().dir("bin").file("bin/sh", BUSYBOX.read_bytes(), mode=0o755).dir("etc").file("etc/gone", b"x")
    base.file("etc/passwd", b"root:x:0:0::/:\nsomeone:x:12:34::/:\n").dir("proc").dir("sys").dir("dev")
    return [base.bytes(), Tar().whiteout("etc/gone").file("hello", b"hello\n").bytes()]


def image(place: Surroundings, content: list[bytes] | None = None) -> str:
    make_layout(place.base / "image", "v1", layers() if content is None else content)
    return f"oci:{place.base / 'image'}:v1"


def edit(place: Surroundings, bundle: Path, *args: str) -> None:
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    config["process"]["args"] = list(args)
    path.write_text(json.dumps(config))


def run_with(runtime: str, place: Surroundings, bundle: Path) -> subprocess.CompletedProcess[str]:
    state = place.base / f"state-{runtime}"
    name = f"unpack-{os.getpid()}-{time.monotonic_ns()}"
    command = [runtime, "--root", str(state), "run", "--bundle", str(bundle), name]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


RUNTIMES = [
    "tare-runtime",
    pytest.param("runc", marks=pytest.mark.peer),
]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("driver", ["dir", "overlay", "vfs"])
def test_an_unpacked_image_runs(place: Surroundings, runtime: str, driver: str) -> None:
    program = shutil.which(runtime) or str(Path(sys.executable).parent / runtime)
    if not Path(program).exists():
        pytest.skip(f"{runtime} is not installed")
    bundle = place.target / "bundle"
    done = place.run("unpack", "--driver", driver, image(place), str(bundle))
    assert (done.code, done.stderr) == (0, "")
    edit(place, bundle, "/bin/sh", "-c", "read line < /hello; echo $line; echo x > /new; exit 7")
    try:
        ran = run_with(program, place, bundle)
        assert (ran.stdout, ran.stderr, ran.returncode) == ("hello\n", "", 7)
    finally:
        if driver != "dir":
            place.run("unmount", "--driver", driver, str(bundle))
    if driver != "dir":
        assert list((place.target / "store" / driver / "containers").iterdir()) == []


def test_the_bundle_is_what_the_image_says(place: Surroundings) -> None:
    bundle = place.target / "bundle"
    assert place.run("unpack", image(place), str(bundle)).code == 0
    assert sorted(os.listdir(bundle)) == ["config.json", "rootfs"]
    assert bundle.stat().st_mode & 0o777 == 0o700
    tree = read_tree(bundle / "rootfs")
    assert "etc/gone" not in tree
    assert tree["hello"].what == "=hello\n"
    assert tree["."].mtime_ns == 0
    config = json.loads((bundle / "config.json").read_text())
    assert config["root"] == {"path": "rootfs", "readonly": False}
    assert config["process"]["args"] == ["/bin/true"]


def test_the_driver_keeps_layers_for_the_next_bundle(place: Surroundings) -> None:
    text = image(place)
    try:
        for name in ("one", "two"):
            assert place.run("unpack", "--driver", "overlay", text, str(place.target / name)).code == 0
        kept = place.target / "store/overlay/layers"
        assert len(list(kept.iterdir())) == 2
    finally:
        for name in ("one", "two"):
            assert place.run("unmount", "--driver", "overlay", str(place.target / name)).code == 0
    assert str(place.base) not in Path("/proc/self/mounts").read_text()


@pytest.mark.parametrize(
    ("flags", "syncs"),
    [
        pytest.param([], 0, id="plain files are the caller's"),
        pytest.param(["--sync"], 2, id="the files and their name"),
        pytest.param(["--driver", "vfs"], 2, id="each layer that will be trusted by its name"),
        pytest.param(["--driver", "overlay", "--sync"], 4, id="layers and bundle"),
    ],
)
def test_what_has_its_name_is_on_the_disk(place: Surroundings, flags: list[str], syncs: int) -> None:
    text, bundle, log = image(place), place.target / "bundle", place.base / "log"
    words = ["strace", "-f", "-o", str(log), "-e", "trace=syncfs,rename,renameat,renameat2", TARE_IMAGE]
    try:
        subprocess.run(
            [*words, "unpack", *flags, text, str(bundle)], env=place.environment(), cwd=place.base, check=True
        )
    finally:
        if "--driver" in flags:
            place.run("unmount", "--driver", flags[1], str(bundle))
    calls = [line.split(None, 1)[1] for line in log.read_text().splitlines() if "(" in line]
    calls = ["sync" if call.startswith("syncfs") else call for call in calls]
    assert calls.count("sync") == syncs
    promised = ["/layers/", *([f'"{bundle}"'] if "--sync" in flags else [])]
    for before, call in zip(["", *calls], calls, strict=False):
        assert before == "sync" or not any(name in call for name in promised), calls


def test_an_empty_directory_is_taken_and_a_full_one_is_not(place: Surroundings) -> None:
    text, bundle = image(place), place.target / "bundle"
    bundle.mkdir()
    assert place.run("unpack", text, str(bundle)).code == 0
    again = place.run("unpack", text, str(bundle))
    assert again.code == 9
    assert "it is there and not empty" in again.stderr


def test_a_mount_point_is_a_directory_like_others(place: Surroundings) -> None:
    with small_disk(place.target / "disk", "64m") as disk:
        assert place.run("unpack", image(place), str(disk)).code == 0
        assert sorted(os.listdir(disk)) == ["config.json", "rootfs"]


def test_a_failure_leaves_the_empty_directory_empty(place: Surroundings) -> None:
    bundle = place.target / "bundle"
    bundle.mkdir()
    text = tamper(place, config={"User": "nobody"})
    assert place.run("unpack", text, str(bundle)).code == 9
    assert list(bundle.iterdir()) == []


def test_a_store_by_a_relative_name_is_found_from_elsewhere(place: Surroundings) -> None:
    bundle = place.target / "bundle"
    done = place.run("unpack", "--driver", "vfs", "--store", "target/s", image(place), "target/bundle")
    assert done.code == 0, done
    root = json.loads((bundle / "config.json").read_text())["root"]["path"]
    assert (Path(root) / "hello").exists()
    assert root.startswith("/")


def is_one_clear_error(done: Done, code: int, words: str) -> bool:
    first, *rest = done.stderr.splitlines()
    clear = first.startswith("tare-image: ") and words in first
    return done.code == code and clear and all(line.startswith("hint: ") for line in rest) and len(rest) < 2


def tamper(place: Surroundings, **changes: object) -> str:
    """An image whose configuration says something else of its layers; digests and sizes are right."""
    text = image(place)
    folder = place.base / "image"
    blobs = folder / "blobs/sha256"
    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
    config.update(changes)
    manifest["config"] |= put(blobs, json.dumps(config).encode())
    index["manifests"][0] |= put(blobs, json.dumps(manifest).encode())
    (folder / "index.json").write_text(json.dumps(index))
    return text


def put(blobs: Path, content: bytes) -> dict[str, object]:
    from hashlib import sha256

    name = sha256(content).hexdigest()
    (blobs / name).write_bytes(content)
    return {"digest": f"sha256:{name}", "size": len(content)}


ZEROS = "sha256:" + "0" * 64
BAD: dict[str, tuple[dict[str, object], int, str]] = {
    "a diff_id that is wrong": (
        {"rootfs": {"type": "layers", "diff_ids": [ZEROS, ZEROS]}},
        8,
        "its tar has the digest",
    ),
    "too few diff_ids": ({"rootfs": {"type": "layers", "diff_ids": [ZEROS]}}, 8, "there are 2 layers"),
    "too many diff_ids": ({"rootfs": {"type": "layers", "diff_ids": [ZEROS] * 3}}, 8, "there are 2 layers"),
    "a user that is not there": ({"config": {"User": "nobody"}}, 9, "has no user 'nobody'"),
    "a volume over the root": ({"config": {"Volumes": {"/": {}}}}, 9, "volume '/'"),
}


@pytest.mark.parametrize(("changes", "code", "words"), BAD.values(), ids=BAD)
def test_a_bad_image_is_one_clear_error_and_leaves_nothing(
    place: Surroundings, changes: dict[str, object], code: int, words: str
) -> None:
    text = tamper(place, **changes)
    for driver in ("dir", "overlay", "vfs"):
        done = place.run("unpack", "--driver", driver, text, str(place.target / "bundle"))
        assert is_one_clear_error(done, code, words), done
        assert not (place.target / "bundle").exists()
        assert [name for name in os.listdir(place.target) if name != "store"] == []
    assert str(place.base) not in Path("/proc/self/mounts").read_text()


def test_a_blob_that_was_changed_is_refused(place: Surroundings) -> None:
    text = image(place)
    largest = max((place.base / "image/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[-1] ^= 1
    largest.write_bytes(content)
    done = place.run("unpack", text, str(place.target / "bundle"))
    assert done.code in (6, 8), done
    assert os.listdir(place.target) == []


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(place: Surroundings) -> None:
    text = image(place, [Tar().file("big", os.urandom(5 << 20)).bytes()])
    with small_disk(place.target / "disk", "3m") as disk:
        done = place.run("unpack", text, str(disk / "bundle"))
        assert is_one_clear_error(done, 8, "entry 'big': No space left on device"), done
        assert os.listdir(disk) == []


def test_a_killed_unpack_leaves_nothing_that_hinders_the_next(place: Surroundings) -> None:
    text = image(place, [make_tar({f"d{number}/f": os.urandom(20_000) for number in range(600)})])
    seen = 0
    # On a tmpfs: ext4 is slow to make files where many were removed a moment ago.
    with small_disk(place.target / "disk", "64m") as disk:
        bundle = disk / "bundle"
        for point in range(10):
            with place.start("unpack", text, str(bundle)) as process:
                while process.poll() is None and entries_of_stage(disk) < point * 50:
                    pass
                process.kill()
            seen += process.returncode == -signal.SIGKILL
            if bundle.exists():
                shutil.rmtree(bundle)
        assert seen
        assert place.run("unpack", text, str(bundle)).code == 0
        assert os.listdir(disk) == ["bundle"]


def entries_of_stage(folder: Path) -> int:
    """How far an unpack has come."""
    stages = [name for name in os.listdir(folder) if name.startswith(".")]
    try:
        return sum(len(os.listdir(folder / name / "rootfs")) for name in stages)
    except FileNotFoundError:
        return 0


def test_labels_that_runtimes_obey_are_named_and_left_out(place: Surroundings) -> None:
    text = tamper(place, config={"Labels": {"run.oci.handler": "krun", "a": "b"}, "Cmd": ["/bin/sh"]})
    done = place.run("unpack", text, str(place.target / "bundle"))
    assert done.code == 0
    assert "'run.oci.handler'" in done.stderr
    config = json.loads((place.target / "bundle/config.json").read_text())
    assert config["annotations"]["a"] == "b"
    assert "run.oci.handler" not in config["annotations"]


@pytest.mark.parametrize("arguments", [[], ["only-one"], ["--driver", "none", "a", "b"]])
def test_bad_arguments_are_refused(place: Surroundings, arguments: list[str]) -> None:
    assert place.run("unpack", *arguments).code == 2
