from __future__ import annotations

import os

import pytest
from tare_spec.errors import BadPlatform
from tare_spec.platform import Platform


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("Linux/AMD64", "linux/amd64"),
        ("macos/arm64", "darwin/arm64"),
    ],
)
def test_a_platform_is_read_in_gos_names(text: str, want: str) -> None:
    assert str(Platform.parse(text)) == want


@pytest.mark.parametrize("text", ["", "linux/", "/amd64", "a/b/c/d", "linux/am d64", "linux/../x"])
def test_what_is_not_a_platform_is_refused(text: str) -> None:
    with pytest.raises(BadPlatform):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("image", "machine", "rank"),
    [
        ("linux/amd64", "linux/amd64", 0),
        ("linux/amd64", "linux/amd64/v3", 2),
        ("linux/amd64/v3", "linux/amd64", None),
        ("linux/arm/v5", "linux/arm/v7", 2),
        ("linux/arm", "linux/arm/v7", 0),
        ("linux/arm64", "linux/arm64/v8", 0),
        ("linux/amd64", "linux/arm64", None),
        ("windows/amd64", "linux/amd64", None),
    ],
)
def test_a_machine_runs_what_was_built_for_it_or_for_a_lesser_one(
    image: str, machine: str, rank: int | None
) -> None:
    assert Platform.parse(image).rank_for(Platform.parse(machine)) == rank


def test_this_machine_has_a_platform() -> None:
    assert Platform.host().os == os.uname().sysname.lower()
    assert Platform.host().rank_for(Platform.host()) == 0
