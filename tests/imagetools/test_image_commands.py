"""`tare-image` as its user runs it: output, exit codes, what is imported, and a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tare_imagetools.serve.server import RegistryServer

from tests.support.image_program import Done, Surroundings, assert_clear_failure
from tests.support.layouts import Image, make_index_layout, make_layout, make_tar
from tests.support.registry import running_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with running_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def here(tmp_path: Path) -> Surroundings:
    (tmp_path / "here").mkdir()
    return Surroundings(tmp_path / "here")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return make_layout(tmp_path / "image", "v1", [make_tar({"a": os.urandom(50_000)})])


def ok(done: Done) -> str:
    assert done.code == 0, done.stderr
    return done.stdout


def test_a_life_in_the_store(registry: RegistryServer, here: Surroundings, image: Image) -> None:
    name = f"{registry.address}/team/box:v1"
    full = f"{name}@{image.digest}\n"
    assert ok(here.run("push", f"oci:{image.path}:v1", name)) == full
    assert ok(here.run("tags", f"{registry.address}/team/box")) == "v1\n"
    assert ok(here.run("pull", name)) == full
    assert ok(here.run("tag", name, "box:mine")) == ""
    assert ok(here.run("ls", "--quiet")) == f"{name}\ndocker.io/library/box:mine\n"
    assert ok(here.run("inspect", "--raw", "box:mine")).encode() == image.manifest
    assert ok(here.run("inspect", "--config", "box:mine")).encode() == image.blobs[0].read_bytes()
    described = json.loads(ok(here.run("inspect", f"docker://{name}")))
    assert (described["Digest"], described["Architecture"]) == (image.digest, "amd64")
    assert json.loads(ok(here.run("config", "box:mine")))["config"] == {"Cmd": ["/bin/true"]}
    assert ok(here.run("rm", name)) == "removed 0 blobs, 0 B\n"
    assert ok(here.run("rm", "box:mine")).startswith("removed 3 blobs")
    assert_clear_failure(here.run("rm", "box:mine"), "box:mine", "no image of that name")


def test_progress_goes_to_stderr_and_the_result_to_stdout(here: Surroundings, image: Image) -> None:
    done = here.run("copy", f"oci:{image.path}:v1", f"oci:{here.target}/a:v1")
    assert done.stdout == f"{image.digest}\n"
    assert len(done.stderr.splitlines()) == 3
    assert "\r" not in done.stderr
    assert "\x1b" not in done.stderr
    again = here.run("copy", f"oci:{image.path}:v1", f"oci:{here.target}/a:v1")
    assert again.stderr.count("already there") == 2
    assert here.run("copy", "-q", f"oci:{image.path}:v1", f"oci:{here.target}/a:v1").stderr == ""


def test_json_progress_is_an_object_a_line(here: Surroundings, image: Image) -> None:
    done = here.run("copy", "--json", f"oci:{image.path}:v1", f"oci:{here.target}/a:v1")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    kinds = ["done", "done", "end", "manifest", "start", "start"]
    assert sorted(event["event"] for event in events) == kinds
    layer = next(event for event in events if event["what"] == "layer" and event["event"] == "done")
    assert layer["done"] == layer["size"] == image.blobs[1].stat().st_size


def test_a_platform_is_chosen_and_all_are_copied(here: Surroundings, tmp_path: Path) -> None:
    many = make_index_layout(tmp_path / "many")
    arm = ok(here.run("copy", "--platform", "arm64", f"oci:{many.path}:v1", f"oci:{here.target}/a:v1"))
    assert arm.strip() == json.loads(many.manifest)["manifests"][1]["digest"]
    assert ok(here.run("copy", "--all", f"oci:{many.path}:v1", "store:many:v1")).strip() == many.digest
    assert "2 platforms" in ok(here.run("ls"))
    described = json.loads(ok(here.run("inspect", "--platform", "linux/arm64", "many:v1")))
    assert (described["Architecture"], described["IndexDigest"]) == ("arm64", many.digest)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("linux/arm64", "the image is for linux/s390x, not for linux/arm64"),
        ("linux/s390x", ""),
        ("", "the image is for linux/s390x, this machine is linux/"),
    ],
)
def test_one_image_of_another_platform_is_not_taken_in_silence(
    here: Surroundings, tmp_path: Path, wanted: str, words: str
) -> None:
    """There is none to choose from, so it is what was asked for; but perhaps not what was thought of."""
    one = make_layout(tmp_path / "one", "v1", architecture="s390x")
    flags = ["--platform", wanted] if wanted else []
    unpacked = here.run("unpack", *flags, f"oci:{one.path}:v1", str(here.target / "bundle"))
    ok(unpacked)
    assert words in unpacked.stderr
    assert bool(words) == ("warning" in unpacked.stderr)
    copied = here.run("copy", "--quiet", *flags, f"oci:{one.path}:v1", f"oci:{here.target}/a:v1")
    assert ok(copied).strip() == one.digest
    assert copied.stderr == (f"note: oci:{one.path}:v1: {words}\n" if wanted and words else "")


@pytest.mark.parametrize(
    ("arguments", "code", "phrase"),
    [
        (("copy", "oci:nothing:v1", "oci:x:v1"), 3, "oci-layout"),
        (("copy", "oci:x", "nothing://y"), 2, "is no transport"),
        (("pull", "UPPER"), 2, "did you mean"),
        (("pull", "--platform", "a/b/c/d", "x"), 2, "three parts"),
        (("pull", "127.0.0.1:1/x"), 5, "refused the connection"),
        (("pull", "no-such-host.invalid/x"), 5, "does not resolve"),
        (("inspect", "box"), 3, "tare-image pull box"),
        (("rm", "box"), 3, "no image of that name"),
        (("tags", "dir:x"), 2, "has no name"),
        (("tags",), 2, "missing argument"),
        (("pull", "--nonsense", "x"), 2, "no such option"),
        (("nonsense",), 2, "no such command"),
        (("pull", "--creds", "nobody", "127.0.0.1:1/x"), 4, "USER:PASSWORD"),
        (("logout", "ghcr.io"), 3, "no credentials are kept"),
        (("copy", "docker-archive:nothing.tar", "dir:x"), 3, "no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_failure_is_one_message_with_a_hint(
    here: Surroundings, arguments: tuple[str, ...], code: int, phrase: str
) -> None:
    done = here.run(*arguments)
    assert_clear_failure(done, phrase)
    assert done.code == code
    assert done.stdout == ""
    assert here.stray_files() == []


@pytest.mark.parametrize("option", ["--tls-verify=false", "--no-tls-verify", "--src-tls-verify=false"])
def test_skopeos_way_to_write_an_option_is_understood(
    registry: RegistryServer, here: Surroundings, image: Image, option: str
) -> None:
    name = f"docker://{registry.address}/spelled:v1"
    ok(here.run("copy", "-q", f"oci:{image.path}:v1", name))
    ok(here.run("copy", "-q", option, name, f"oci:{here.target}/a:v1"))


def test_what_touches_no_registry_imports_no_http(here: Surroundings, image: Image) -> None:
    script = (
        "import sys\nfrom tare_imagetools.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit as done: assert not done.code, done\n"
        "heavy = {'requests', 'urllib3', 'http.client', 'ssl', 'oras', 'jsonschema', 'rich', 'email'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    for arguments in (
        ["ls"],
        ["inspect", f"oci:{image.path}:v1"],
        ["inspect", "--raw", f"oci:{image.path}:v1"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], env=here.environment(), capture_output=True, text=True
        )
        assert done.stderr == "[]\n"


@pytest.mark.root
@pytest.mark.parametrize("target", ["oci", "store", "oci-archive", "docker-archive", "dir"])
def test_a_full_disk_is_said_and_nothing_is_left(here: Surroundings, tmp_path: Path, target: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    big = make_layout(tmp_path / "big", "v1", [make_tar({"a": os.urandom(3_000_000)})])
    disk = here.target / "store"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        where = "store:box:v1" if target == "store" else f"{target}:{disk}/out"
        done = here.run("copy", "-q", f"oci:{big.path}:v1", where)
        assert_clear_failure(done, "No space left", "free some space")
        assert done.code == 7
        sizes = [path.stat().st_size for path in disk.rglob("*") if path.is_file()]
        assert sum(sizes) < 10_000, "what was half written is gone"
    finally:
        subprocess.run(["umount", disk], check=True)


def test_output_may_be_closed_early(here: Surroundings, image: Image) -> None:
    ok(here.run("copy", "-q", f"oci:{image.path}:v1", "store:box:v1"))
    done = subprocess.run(
        ["bash", "-c", "tare-image inspect box:v1 | true"],
        env=here.environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_names_from_elsewhere_do_not_reach_the_terminal_raw(here: Surroundings, image: Image) -> None:
    index = json.loads((image.path / "index.json").read_text())
    index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "\x1b[2J\x07"
    (image.path / "index.json").write_text(json.dumps(index))
    done = here.run("copy", f"oci:{image.path}:v1", "store:box:v1")
    assert_clear_failure(done, "?[2J?")
    assert "\x1b" not in done.stderr
    ok(here.run("copy", "-q", f"oci:{image.path}", "store:box:v1"))
    stored = here.target / "store/oci/index.json"
    stored.write_text(stored.read_text().replace("docker.io/library/box:v1", "\\u001b[2J"))
    assert "?[2J" in ok(here.run("ls"))
