"""Flags as edits of the image's configuration and of config.json: no container is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tare_shim.bundle_config import edit_config, edit_image
from tare_shim.options import RunOptions, Volume
from tare_spec.image_config import ImageConfig, ProcessConfig
from tare_spec.platform import Platform

DEFAULT = ["CAP_CHOWN", "CAP_KILL"]


def image(**settings: Any) -> ImageConfig:
    return ImageConfig(Platform("linux", "amd64"), ProcessConfig(**settings), (), b"")


def config(uid: int = 0) -> dict[str, object]:
    sets: dict[str, object] = {"bounding": DEFAULT}
    if uid == 0:
        sets.update(effective=DEFAULT, permitted=DEFAULT)
    return {
        "process": {"user": {"uid": uid, "gid": 0}, "env": ["A=B"], "capabilities": sets},
        "mounts": [{"destination": "/proc"}],
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "network"}],
            "resources": {"devices": [{"allow": False}]},
        },
    }


def edited(options: RunOptions, uid: int = 0) -> Any:
    return edit_config(config(uid), options, container_id="c" * 64, root_path="/root-of-it")


@pytest.mark.parametrize(
    ("options", "entrypoint", "cmd"),
    [
        (RunOptions(), ("/entry",), ("arg",)),
        (RunOptions(command=("x", "y")), ("/entry",), ("x", "y")),
        (RunOptions(entrypoint="/other"), ("/other",), ()),
        (RunOptions(entrypoint="/other", command=("x",)), ("/other",), ("x",)),
        (RunOptions(entrypoint="", command=("x",)), (), ("x",)),
    ],
    ids=["image's own", "command", "entrypoint takes the command away", "both", "no entrypoint"],
)
def test_command_and_entrypoint(
    options: RunOptions, entrypoint: tuple[str, ...], cmd: tuple[str, ...]
) -> None:
    found = edit_image(image(entrypoint=("/entry",), cmd=("arg",)), options).config
    assert (found.entrypoint, found.cmd) == (entrypoint, cmd)


def test_variables_replace_those_of_the_image_in_their_place() -> None:
    options = RunOptions(env=("B=new", "C=3", "C=4"))
    assert edit_image(image(env=("A=1", "B=2")), options).config.env == ("A=1", "B=new", "C=4")


def test_user_and_folder_of_the_flags_win() -> None:
    found = edit_image(image(user="a", working_dir="/a"), RunOptions(user="", workdir="/b")).config
    assert (found.user, found.working_dir) == ("", "/b")


def test_limits_stand_beside_what_is_there() -> None:
    found = edited(RunOptions(memory_bytes=1 << 26, cpus=1.5, pids_limit=7))["linux"]["resources"]
    assert found == {
        "devices": [{"allow": False}],
        "memory": {"limit": 1 << 26},
        "cpu": {"period": 100_000, "quota": 150_000},
        "pids": {"limit": 7},
    }


def test_the_hosts_network_comes_with_its_names() -> None:
    found = edited(RunOptions(network="host", volumes=(Volume(Path("/h"), "/etc/hosts", ()),)))
    assert found["linux"]["namespaces"] == [{"type": "pid"}]
    assert [mount["destination"] for mount in found["mounts"]] == ["/proc", "/etc/hosts", "/etc/resolv.conf"]
    assert found["mounts"][1]["source"] == "/h", "the user's own wins"


def test_a_terminal_has_a_type() -> None:
    process = edited(RunOptions(tty=True))["process"]
    assert (process["terminal"], process["env"]) == (True, ["A=B", "TERM=xterm"])
    assert edited(RunOptions())["process"]["env"] == ["A=B"]


@pytest.mark.parametrize(
    ("options", "uid", "sets"),
    [
        (RunOptions(), 0, {"bounding": DEFAULT, "effective": DEFAULT, "permitted": DEFAULT}),
        (RunOptions(cap_drop=("ALL",)), 0, {"bounding": [], "effective": [], "permitted": []}),
        (
            RunOptions(cap_drop=("ALL",), cap_add=("CAP_CHOWN",)),
            0,
            {name: ["CAP_CHOWN"] for name in ("bounding", "effective", "permitted")},
        ),
        (RunOptions(cap_drop=("CAP_KILL",)), 1000, {"bounding": ["CAP_CHOWN"]}),
        (
            RunOptions(cap_drop=("ALL",), cap_add=("CAP_KILL",)),
            1000,
            {name: ["CAP_KILL"] for name in ("bounding", "effective", "permitted", "inheritable", "ambient")},
        ),
    ],
    ids=["as the image tool has them", "none", "one left", "another user", "one for another user"],
)
def test_capabilities(options: RunOptions, uid: int, sets: dict[str, list[str]]) -> None:
    assert edited(options, uid)["process"]["capabilities"] == sets


def test_all_capabilities_for_another_user_only_widen_the_bounding_set() -> None:
    found = edited(RunOptions(cap_add=("ALL",)), 1000)["process"]["capabilities"]
    assert list(found) == ["bounding"]
    assert len(found["bounding"]) > 35


def test_volumes_are_recursive_and_private_unless_told_otherwise() -> None:
    volumes = (Volume(Path("/a"), "/b", ("ro",)), Volume(Path("/c"), "/d", ("rshared",)))
    found = edited(RunOptions(volumes=volumes))["mounts"][1:]
    assert [mount["options"] for mount in found] == [["rbind", "ro", "rprivate"], ["rbind", "rshared"]]


def test_root_and_hostname() -> None:
    found = edited(RunOptions(read_only=True))
    assert found["root"] == {"path": "/root-of-it", "readonly": True}
    assert found["hostname"] == "c" * 12
    assert edited(RunOptions(hostname="h"))["hostname"] == "h"
