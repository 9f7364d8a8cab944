"""User namespaces: what is mapped, by whom, and what cannot be had where it is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle
from tests.support.peers import OURS, run_by
from tests.support.runtime import TARE_RUNTIME, Runtime, make_bundle, unique_id

NOBODY = 65534
RANGES = [{"containerID": 0, "hostID": NOBODY, "size": 1}, {"containerID": 1, "hostID": 200000, "size": 1000}]
GROUPS = "while read -r key value; do [ $key != Groups: ] || echo $value; done </proc/self/status"


def nobody_can_start_it() -> bool:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return False
    command = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", TARE_RUNTIME, "--version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.root,
    pytest.mark.field("linux.uidMappings"),
    pytest.mark.skipif(not nobody_can_start_it(), reason="another user cannot reach this checkout"),
]

# As nobody, in a mount namespace whose /etc/subuid and /etc/subgid give it some ids.
AS_NOBODY = """#!/bin/sh -e
mount --bind {place}/subids /etc/subuid
mount --bind {place}/subids /etc/subgid
export PATH={path}
exec {setpriv} --reuid={nobody} --regid={nobody} --clear-groups --inh-caps=-all {program} "$@"
"""


@pytest.fixture
def place() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tare-mappings-"))
    os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def runtime_of_nobody(place: Path, *, subids: str, path: str = "/usr/bin:/bin") -> Runtime:
    (place / "subids").write_text(subids)
    inner, outer = place / "as-nobody", place / "tare-runtime"
    inner.write_text(
        AS_NOBODY.format(
            place=place, path=path, nobody=NOBODY, program=TARE_RUNTIME, setpriv=shutil.which("setpriv")
        )
    )
    outer.write_text(f'#!/bin/sh\nexec unshare --mount {inner} "$@"\n')
    for script in (inner, outer):
        script.chmod(0o755)
    return Runtime(place / "state", str(outer))


@pytest.fixture
def runtime(place: Path) -> Iterator[Runtime]:
    with runtime_of_nobody(place, subids="nobody:200000:1000\n") as made:
        yield made


def bundle_of_nobody(place: Path, *args: str, maps: list[dict[str, int]], **user: Any) -> Path:
    from tare_runtime.verbs.spec import rootless_spec

    bundle = make_bundle(place / "b", *args)
    config = rootless_spec(NOBODY, NOBODY)
    config["process"].update({"args": list(args), "terminal": False, "user": {"uid": 0, "gid": 0, **user}})
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = maps
    (bundle / "config.json").write_text(json.dumps(config))
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(bundle)], check=True)
    return bundle


def test_ranges_are_mapped_by_newuidmap_and_newgidmap(runtime: Runtime, place: Path) -> None:
    bundle = bundle_of_nobody(place, "cat", "/proc/self/uid_map", "/proc/self/gid_map", maps=RANGES)
    out = runtime.good("run", "--bundle", str(bundle), unique_id("ranges"))
    rows = [line.split() for line in out.splitlines()]
    assert rows == [["0", str(NOBODY), "1"], ["1", "200000", "1000"]] * 2


@pytest.mark.field("process.user.additionalGids")
def test_with_ranges_a_process_can_be_any_mapped_user_of_any_mapped_groups(
    runtime: Runtime, place: Path
) -> None:
    script = f"id -u; {GROUPS}"
    bundle = bundle_of_nobody(place, "sh", "-c", script, maps=RANGES, uid=5, gid=6, additionalGids=[7, 8])
    out = runtime.good("run", "--bundle", str(bundle), unique_id("ranges"))
    assert out.split() == ["5", "7", "8"]


def test_exec_can_be_another_user_as_well(runtime: Runtime, place: Path) -> None:
    id = unique_id("ranges")
    runtime.create(bundle_of_nobody(place, "sleep", "100", maps=RANGES), id)
    runtime.good("start", id)
    out = runtime.good("exec", "--user", "9:9", "--additional-gids", "7", id, "sh", "-c", f"id -u; {GROUPS}")
    assert out.split() == ["9", "7"]


def test_a_range_that_is_not_ours_is_refused_in_the_helpers_words(place: Path) -> None:
    with runtime_of_nobody(place, subids="nobody:200000:10\n") as runtime:
        bundle = bundle_of_nobody(place, "true", maps=RANGES)
        done = runtime("run", "--bundle", str(bundle), unique_id("ranges"))
        assert done.returncode == 1
        assert "map 0 65534 1 1 200000 1000 (/linux/uidMappings): newuidmap: uid range" in done.stderr
        assert runtime.good("list", "-q") == ""


def test_a_missing_helper_is_named(place: Path) -> None:
    with runtime_of_nobody(place, subids="", path="/nonexistent") as runtime:
        done = runtime(
            "run", "--bundle", str(bundle_of_nobody(place, "true", maps=RANGES)), unique_id("ranges")
        )
        assert done.returncode == 1
        assert "it takes root, or newuidmap, which is not installed" in done.stderr


@pytest.mark.field("process.user.additionalGids")
def test_groups_that_cannot_be_had_are_refused(runtime: Runtime, place: Path) -> None:
    maps = [{"containerID": 0, "hostID": NOBODY, "size": 1}]
    bundle = bundle_of_nobody(place, "true", maps=maps, additionalGids=[0])
    done = runtime("run", "--bundle", str(bundle), unique_id("ranges"))
    assert done.returncode == 1
    assert "/process/user/additionalGids: cannot be had: setgroups(2) is denied" in done.stderr


@pytest.mark.parametrize(
    ("user", "where"),
    [
        ({"uid": 70000}, "/process/user/uid: 70000"),
        ({"gid": 70000}, "/process/user/gid: 70000"),
        ({"additionalGids": [1, 70000]}, "/process/user/additionalGids/1: 70000"),
    ],
    ids=["uid", "gid", "group"],
)
def test_an_id_that_is_not_mapped_is_refused_by_name(
    bundle: Bundle, user: dict[str, Any], where: str
) -> None:
    in_user_namespace(bundle, 0)
    bundle.config["process"]["user"].update(user)
    done = bundle.run()
    assert done.returncode == 1
    assert f"{where} is not mapped by linux." in done.stderr


def test_a_mount_option_with_an_id_that_is_not_mapped_is_refused(bundle: Bundle) -> None:
    in_user_namespace(bundle, 0)
    bundle.config["mounts"][2]["options"].append("gid=70000")
    done = bundle.run()
    assert done.returncode == 1
    assert "/mounts/2/options/6: 70000 is not mapped by linux.gidMappings" in done.stderr


def in_user_namespace(bundle: Bundle, host_id: int, path: str = "") -> None:
    bundle.config["linux"]["namespaces"].append({"type": "user", **({"path": path} if path else {})})
    mapping = [{"containerID": 0, "hostID": host_id, "size": 65536}]
    bundle.config["linux"]["uidMappings"] = bundle.config["linux"]["gidMappings"] = mapping


@pytest.fixture
def namespace() -> Iterator[str]:
    """The path of a user namespace with the map 0 0 65536."""
    holder = subprocess.Popen(
        ["unshare", "-U", "sh", "-c", "echo; exec sleep 100"], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{name}").write_text("0 0 65536")
        yield f"/proc/{holder.pid}/ns/user"
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.field("linux.namespaces.path")
def test_a_joined_user_namespace_may_come_with_its_own_mappings(bundle: Bundle, namespace: str) -> None:
    in_user_namespace(bundle, 0, namespace)
    done = run_by(OURS, bundle.script("readlink /proc/self/ns/user; cat /proc/self/uid_map"))
    assert done.code == 0, done.err
    assert done.out.split() == [os.readlink(namespace), "0", "0", "65536"]


@pytest.mark.field("linux.namespaces.path")
def test_a_joined_user_namespace_with_other_mappings_is_refused(bundle: Bundle, namespace: str) -> None:
    in_user_namespace(bundle, 100000, namespace)
    done = bundle.run()
    assert done.returncode == 1
    assert f"join user namespace {namespace}: its uid_map is not what /linux/uidMappings says" in done.stderr
    assert bundle.leftovers() == []
