"""Mount options longer than fsconfig(2) takes: mount(2) takes them, and no name in the rootfs says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


def overlay(bundle: Bundle, destination: str, *options: str) -> list[Path]:
    """Add an overlay of eight lower directories with long names; returns them."""
    lower = [bundle.path / f"{number}-{'x' * 60}" for number in range(8)]
    for number, folder in enumerate(lower):
        folder.mkdir(exist_ok=True)
        (folder / f"file{number}").write_text(str(number))
    bundle.config["mounts"].append(
        {
            "destination": destination,
            "type": "overlay",
            "source": "overlay",
            "options": ["lowerdir=" + ":".join(map(str, lower)), *options],
        }
    )
    return lower


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], "rw,relatime"),
        (["ro", "nosuid", "nodev", "noexec"], "ro,nosuid,nodev,noexec,relatime"),
        (["nosuid", "noatime"], "rw,nosuid,noatime"),
    ],
)
@pytest.mark.parametrize("propagation", ["", "shared"])
def test_a_long_option_makes_one_mount_with_its_attributes(
    bundle: Bundle, options: list[str], shown: str, propagation: str
) -> None:
    overlay(bundle, "/mnt/long", *options, *([propagation] if propagation else []))
    done = bundle.script("ls /mnt/long; cat /proc/self/mountinfo").run()
    lines = done.stdout.splitlines()
    assert lines[:8] == [f"file{number}" for number in range(8)], done.stderr
    (mount,) = [line.split() for line in lines if " /mnt/long" in line]
    assert mount[4:6] == ["/mnt/long", shown]
    assert ("shared:" in mount[6]) == bool(propagation)
    assert len([line for line in lines if line.split()[4:5] == ["/"]]) == 1
    assert bundle.leftovers() == []


def test_a_long_option_that_the_kernel_refuses_leaves_nothing(bundle: Bundle) -> None:
    lower = overlay(bundle, "/mnt/long", "ro")
    lower[3].joinpath("file3").unlink()
    lower[3].rmdir()
    done = bundle.args("true").run()
    assert done.returncode == 1
    assert "/mounts/4" in done.stderr
    assert "no such file or directory" in done.stderr
    assert bundle.leftovers() == []
