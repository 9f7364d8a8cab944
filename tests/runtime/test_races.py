"""A rootfs that changes while a container is made of it: a name is a directory now, a link out of it then.

Another process exchanges the two as fast as renameat2(2) goes. A container may come up or be refused; what
lies behind the link stays as it is, and what the container has is at the places that its config says.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tare_runtime
from tare_runtime.errors import RuntimeFailure

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root

ROUNDS = 25
SWAP = """
import ctypes, sys
exchange = ctypes.CDLL(None, use_errno=True).renameat2
one, two = (word.encode() for word in sys.argv[1:])
print("go", flush=True)
while not exchange(-100, one, -100, two, 2):
    pass
"""


@contextmanager
def swapping(one: Path, two: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", SWAP, one, two], stdout=subprocess.PIPE) as swapper:
        assert swapper.stdout
        assert swapper.stdout.readline() == b"go\n"
        try:
            yield
            assert swapper.poll() is None, "the names were not exchanged to the end"
        finally:
            swapper.kill()


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """What lies below `folder`: mode, device number and content of each name."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        info = path.lstat()
        regular = path.is_file() and not path.is_symlink()
        found[str(path)] = (info.st_mode, info.st_rdev, path.read_bytes() if regular else b"")
    return found


def long_overlay(path: Path) -> str:
    lower = [path / f"{number}-{'x' * 60}" for number in range(8)]
    for folder in lower:
        folder.mkdir()
    return "lowerdir=" + ":".join(map(str, lower))


def mounting(destination: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def add_mount(config: dict[str, Any], *words: str) -> None:
    destination, kind, *options = words
    config["mounts"].append(mounting(destination, kind, *options))


# What the config does below the name that changes, /x; and the names that its mounts must have in the end.
CASES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "tmpfs": (lambda config, _: add_mount(config, "/x/made/here", "tmpfs"), ("/made/here",)),
    "on the name itself": (lambda config, _: add_mount(config, "/x", "tmpfs"), ("/x", "/y", "/outside")),
    "a copied-up tmpfs": (lambda config, _: add_mount(config, "/x/in", "tmpfs", "tmpcopyup"), ("/in",)),
    "a file bound": (
        lambda config, _: config["mounts"].append(
            {"destination": "/x/new/file", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}
        ),
        ("/new/file",),
    ),
    "an overlay with long options": (
        lambda config, path: add_mount(
            config, "/x/long", "overlay", "nosuid", "nodev", "noexec", long_overlay(path)
        ),
        ("/long",),
    ),
    "a device": (
        lambda config, _: config["linux"]
        .setdefault("devices", [])
        .append(
            {"type": "c", "path": "/x/null", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 0, "gid": 0}
        ),
        (),
    ),
    "masked and read-only paths": (
        lambda config, _: config["linux"].update(
            maskedPaths=["/x/secret", "/x/in"], readonlyPaths=["/x/data"]
        ),
        ("/secret", "/in", "/data"),
    ),
    "the working directory": (lambda config, _: config["process"].update(cwd="/x/work/deep"), ()),
}


@pytest.mark.parametrize("link", ["absolute", "relative"])
@pytest.mark.parametrize("case", list(CASES))
def test_nothing_lands_behind_a_link_that_comes_and_goes(bundle: Bundle, case: str, link: str) -> None:
    make, endings = CASES[case]
    outside = bundle.path / "outside"
    real = bundle.rootfs / "x"
    # Where the link leads to in the root, there is the same, so that every container comes up.
    inside = bundle.rootfs / (str(outside)[1:] if link == "absolute" else outside.name)
    for folder in (outside, real, inside):
        (folder / "in").mkdir(parents=True)
        (folder / "secret").write_text(f"secret of {folder.name}")
        (folder / "data").write_text("data")
    trap = bundle.rootfs / "y"
    trap.symlink_to(outside if link == "absolute" else f"../{outside.name}")
    make(bundle.config, bundle.path)
    bundle.script("echo up; pwd; cat /proc/self/mountinfo").write()
    before = tree(outside)
    outputs = []
    with swapping(real, trap):
        for number in range(ROUNDS):
            outputs.append(run_once(bundle, f"{bundle.id}-{number}"))
    assert tree(outside) == before, "a path outside of the rootfs was changed"
    came_up = [text for text in outputs if text]
    assert len(came_up) > ROUNDS // 2, "few containers came up"
    for text in came_up:
        assert text.startswith("up\n/"), "the working directory is no place in the container"
        check_mounts(text, endings, any_of_them=case == "on the name itself")
    assert bundle.leftovers() == []


def run_once(bundle: Bundle, id: str) -> str:
    """What a container prints; "" where it was refused in words."""
    null = os.open("/dev/null", os.O_RDWR)
    with (bundle.path / "out").open("w+") as out:
        try:
            tare_runtime.run(
                str(bundle.path), id, root=str(bundle.root), stdio=(null, out.fileno(), out.fileno())
            )
        except RuntimeFailure as error:
            assert "unable to start container process" in str(error)
            return ""
        finally:
            os.close(null)
        out.seek(0)
        return out.read()


def check_mounts(text: str, endings: tuple[str, ...], *, any_of_them: bool) -> None:
    """Every mount of the config is in the container, and has its own attributes."""
    points: dict[str, list[str]] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 9:
            points[fields[4]] = fields
    assert {"/", "/proc", "/dev", "/sys"} <= set(points)
    found = [any(point.endswith(ending) for point in points) for ending in endings]
    assert (any(found) or not found) if any_of_them else all(found), f"a mount is not in the root: {text}"
    for point, fields in points.items():
        kind = fields[fields.index("-") + 1]
        if kind == "overlay" and point != "/":
            assert {"nosuid", "nodev", "noexec"} <= set(fields[5].split(",")), text
        if point in ("/", "/proc"):
            assert "nosuid" not in fields[5].split(","), f"attributes of another mount: {text}"
