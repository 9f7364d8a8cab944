"""Words of the command line as values, and the words that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tare_shim.errors import ShimError
from tare_shim.options import RunOptions, check, parse_capability, parse_env, parse_size, parse_volume


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 1 << 20),
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("1.5g", 3 << 29),
        ("2GiB", 2 << 30),
        ("7kb", 7168),
    ],
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "m", "64x", "-1m", "1e3", "1 0m", "٣m"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ShimError, match="read size"):
        parse_size(text)


def test_a_volume_has_a_source_a_target_and_options(tmp_path: Path) -> None:
    volume = parse_volume(f"{tmp_path}:/data:ro,nosuid")
    assert (volume.source, volume.target, volume.options) == (tmp_path, "/data", ("ro", "nosuid"))


def test_a_relative_source_is_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_volume("./src:/x").source == tmp_path / "src"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("/tmp", "SRC:DST"),
        (":/x", "SRC:DST"),
        ("/tmp:", "SRC:DST"),
        ("name:/x", "named volumes"),
        ("/tmp:x", "must begin with /"),
        ("/tmp:/x:z", "unknown option 'z'"),
        ("/nothing/is/here:/x", "does not exist"),
    ],
)
def test_a_volume_that_cannot_be_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(ShimError, match=problem):
        parse_volume(text)


def test_a_variable_without_a_value_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "a=b")
    monkeypatch.delenv("NOBODYS", raising=False)
    assert parse_env("OURS") == "OURS=a=b"
    assert parse_env("NOBODYS") is None
    assert parse_env("EMPTY=") == "EMPTY="
    with pytest.raises(ShimError):
        parse_env("=value")


@pytest.mark.parametrize(
    ("text", "name"), [("net_admin", "CAP_NET_ADMIN"), ("CAP_KILL", "CAP_KILL"), ("all", "ALL")]
)
def test_a_capability_is_spelled_as_the_kernel_does(text: str, name: str) -> None:
    assert parse_capability(text) == name


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (RunOptions(detach=True, interactive=True), "standard input"),
        (RunOptions(memory_bytes=100), "no process fits"),
        (RunOptions(cpus=0.0), "more than 0"),
        (RunOptions(name="../x"), "name the container"),
        (RunOptions(name="-x"), "name the container"),
        (RunOptions(workdir="tmp"), "begins with /"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_contradicts_itself_is_refused_before_anything_is_made(
    options: RunOptions, problem: str
) -> None:
    with pytest.raises(ShimError, match=problem):
        check(options)
