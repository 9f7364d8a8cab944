"""Image configurations become config.json by the rules of image-spec's conversion.md."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tare_imagetools.bundle import runtime_config, steering_labels
from tare_imagetools.errors import BundleError
from tare_imagetools.user import ImageUser, resolve_user
from tare_spec.image_config import ImageConfig, decode_config
from tare_spec.validate import violations

PASSWD = """root:x:0:0:root:/root:/bin/sh
www:x:33:34::/:
# a comment:x:1:1::
broken:x:abc:1::/:
huge:x:99999999999:1::/:
1000:x:0:0:a name that looks like a number::
"""
GROUP = "root:x:0:\nwww:x:34:\nextra:x:50:www,root\nmore:x:51:root,www\nnone:x:52:\n7:x:0:\n"


def image(**config: object) -> ImageConfig:
    document = {
        "os": "linux",
        "architecture": "arm64",
        "variant": "v8",
        "created": "2026-01-02T03:04:05Z",
        "author": "someone",
        "rootfs": {"type": "layers", "diff_ids": []},
        "config": config,
    }
    return decode_config(json.dumps(document).encode())


def converted(user: ImageUser = ImageUser(), **config: object) -> Any:  # noqa: B008
    return runtime_config(image(**config), user, "rootfs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


def resolved(text: str, root: Path) -> ImageUser:
    fd = os.open(root, os.O_RDONLY)
    try:
        return resolve_user(text, fd)
    finally:
        os.close(fd)


USERS = {
    "": ImageUser(0, 0),
    "www": ImageUser(33, 34, (50, 51)),
    "root": ImageUser(0, 0, (50, 51)),
    "www:extra": ImageUser(33, 50),
    "www:77": ImageUser(33, 77),
    "33": ImageUser(33, 34),
    "33:extra": ImageUser(33, 50),
    "1234": ImageUser(1234, 0),
    "1234:5678": ImageUser(1234, 5678),
    ":extra": ImageUser(0, 50),
    # Numbers are numbers, even where a line has them for a name.
    "1000": ImageUser(1000, 0),
    "www:7": ImageUser(33, 7),
    "2147483648:2147483648": ImageUser(2147483648, 2147483648),
    "4294967294": ImageUser(4294967294, 0),
    "0000000033": ImageUser(33, 34),
}


@pytest.mark.parametrize(("text", "want"), USERS.items(), ids=[text or "empty" for text in USERS])
def test_user_becomes_numbers(root: Path, text: str, want: ImageUser) -> None:
    assert resolved(text, root) == want


BAD_USERS = {
    "nobody": "has no user 'nobody'",
    "www:nogroup": "has no group 'nogroup'",
    "4294967295": "larger than any user",
    "0:4294967296": "larger than any user",
    "99999999999999999999": "larger than any user",
    "-1": "has no user '-1'",
    "+0": "has no user",
    "٣": "has no user",
    "huge": "has no user 'huge'",
    "broken": "has no user 'broken'",
}


@pytest.mark.parametrize(("text", "words"), BAD_USERS.items(), ids=BAD_USERS)
def test_user_that_is_none_is_refused(root: Path, text: str, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        resolved(text, root)


def test_numbers_need_no_passwd_file(tmp_path: Path) -> None:
    assert resolved("5:6", tmp_path) == ImageUser(5, 6)


def test_passwd_that_is_a_link_is_read_inside_the_root(root: Path) -> None:
    (root / "etc/passwd").rename(root / "real")
    (root / "etc/passwd").symlink_to("../../../../real")
    assert resolved("www", root).uid == 33


def test_passwd_that_points_outside_finds_nothing_there(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "passwd"
    outside.write_text("evil:x:0:0::/:\n")
    (root / "etc/passwd").unlink()
    (root / "etc/passwd").symlink_to(outside)
    with pytest.raises(BundleError, match="has no user 'evil'"):
        resolved("evil", root)


@pytest.mark.parametrize("kind", ["pipe", "directory", "device", "magic link"])
def test_passwd_that_is_no_file_is_refused_at_once(root: Path, kind: str) -> None:
    path = root / "etc/passwd"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/zero")
        os.mknod(root / "zero", 0o20666, os.makedev(1, 5))
    else:
        path.symlink_to("/proc/self/root/etc/passwd")
        (root / "proc").symlink_to("/proc")
    with pytest.raises(BundleError, match=r"not a regular file|Too many levels|has no user"):
        resolved("www", root)


def test_passwd_of_any_size_is_not_read(root: Path) -> None:
    os.truncate(root / "etc/group", 1 << 40)
    with pytest.raises(BundleError, match="larger than 4 MiB"):
        resolved("www:extra", root)


def test_fields_go_where_the_specification_says() -> None:
    config = converted(
        ImageUser(33, 34, (50,)),
        Entrypoint=["/init", "-x"],
        Cmd=["serve"],
        Env=["A=1", "PATH=/only"],
        WorkingDir="/srv",
        Labels={"org.opencontainers.image.author": "label", "plain": "yes"},
        StopSignal="SIGQUIT",
        ExposedPorts={"80/tcp": {}, "443": {}},
    )
    process = config["process"]
    assert process["args"] == ["/init", "-x", "serve"]
    assert process["env"] == ["A=1", "PATH=/only"]
    assert process["cwd"] == "/srv"
    assert process["user"] == {"uid": 33, "gid": 34, "additionalGids": [50]}
    prefix = "org.opencontainers.image."
    assert config["annotations"] == {
        f"{prefix}os": "linux",
        f"{prefix}architecture": "arm64",
        f"{prefix}variant": "v8",
        f"{prefix}created": "2026-01-02T03:04:05Z",
        f"{prefix}author": "label",
        f"{prefix}stopSignal": "SIGQUIT",
        f"{prefix}exposedPorts": "443,80/tcp",
        "plain": "yes",
    }


def test_an_image_that_says_nothing_gets_a_shell_a_path_and_the_root() -> None:
    process = converted()["process"]
    assert process["args"] == ["sh"]
    assert process["cwd"] == "/"
    assert [variable.partition("=")[0] for variable in process["env"]] == ["PATH"]
    assert process["user"] == {"uid": 0, "gid": 0}


def test_a_relative_working_directory_begins_at_the_root() -> None:
    assert converted(WorkingDir="srv/../app")["process"]["cwd"] == "/app"


def test_only_root_has_capabilities_and_nobody_inherits_any() -> None:
    of_root = converted()["process"]["capabilities"]
    of_other = converted(ImageUser(5, 5))["process"]["capabilities"]
    assert set(of_root) == {"bounding", "effective", "permitted"}
    assert set(of_other) == {"bounding"}


def test_volumes_become_mounts_that_start_with_the_images_contents() -> None:
    config = converted(Volumes={"/data": {}, "logs/": {}, "/proc": {}, "//data/": {}})
    added = config["mounts"][7:]
    assert [mount["destination"] for mount in added] == ["/data", "/logs"]
    assert all(mount["type"] == "tmpfs" and "tmpcopyup" in mount["options"] for mount in added)


@pytest.mark.parametrize("volume", ["/", "", "//", "a/.."])
def test_a_volume_over_the_root_is_refused(volume: str) -> None:
    with pytest.raises(BundleError, match="no directory that something can be mounted on"):
        converted(Volumes={volume: {}})


def test_labels_that_runtimes_obey_are_left_out() -> None:
    labels = {"run.oci.hooks.stdout": "/x", "org.systemd.property.ExecStart": "x", "fine": "1"}
    assert converted(Labels=labels)["annotations"].get("fine") == "1"
    assert not steering_labels(labels) & set(converted(Labels=labels)["annotations"])
    assert len(steering_labels(labels)) == 2


def test_the_configuration_satisfies_the_runtimes_schema() -> None:
    user = ImageUser(5, 6, (7,))
    for config in (converted(), converted(user, Volumes={"/v": {}}, Labels={"a": "b"}, Env=["A=1"])):
        assert violations("runtime/config", config) == []
