"""mounts add and remove: into containers that exist, as their config would have said it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


@pytest.fixture(params=["plain", "user namespace"])
def running(bundle: Bundle, request: pytest.FixtureRequest) -> Bundle:
    if request.param == "user namespace":
        linux = bundle.config["linux"]
        linux["namespaces"].append({"type": "user"})
        linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 65536}]
    assert bundle.args("sleep", "100").create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    return bundle


def change(bundle: Bundle, verb: str, document: Any) -> str:
    done = bundle.tare("mounts", verb, bundle.id, "-", stdin=json.dumps(document))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr
    return done.stderr


def inside(bundle: Bundle, script: str) -> str:
    return bundle.tare("exec", bundle.id, "sh", "-c", script).stdout


def bind(source: Path, destination: str, *options: str) -> dict[str, Any]:
    return {
        "destination": destination,
        "type": "bind",
        "source": str(source),
        "options": ["rbind", *options],
    }


@pytest.mark.flag("mounts")
def test_mounts_come_and_go_and_the_host_sees_none_of_it(running: Bundle) -> None:
    host = running.path / "data"
    host.mkdir()
    (host / "file").write_text("from outside\n")
    tmpfs = {"destination": "/fresh", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "nosuid"]}
    mounts = [bind(host, "/data", "ro"), bind(host / "file", "/one-file"), tmpfs]
    change(running, "add", {"mounts": mounts})
    script = "cat /data/file /one-file; touch /data/new || echo refused; grep -c ' /fresh ' /proc/mounts"
    assert inside(running, script) == "from outside\nfrom outside\nrefused\n1\n"
    assert str(running.path) not in Path("/proc/self/mountinfo").read_text()
    change(running, "remove", mounts)
    assert inside(running, "cat /proc/self/mountinfo | grep -cE ' /(data|fresh|one-file) '") == "0\n"
    assert (host / "file").exists()


def test_a_list_is_taken_too_and_what_lies_below_goes_first(running: Bundle) -> None:
    outer, inner = running.path / "outer", running.path / "inner"
    (outer / "sub").mkdir(parents=True)
    inner.mkdir()
    mounts = [bind(outer, "/x"), bind(inner, "/x/sub")]
    change(running, "add", mounts)
    assert inside(running, "grep -c ' /x' /proc/self/mountinfo") == "2\n"
    change(running, "remove", mounts)
    assert inside(running, "grep -c ' /x' /proc/self/mountinfo") == "0\n"


def test_when_one_fails_those_before_it_are_taken_back(running: Bundle) -> None:
    host = running.path / "data"
    host.mkdir()
    bad = {"destination": "/odd", "type": "no-such-fs", "source": "none"}
    done = running.tare("mounts", "add", running.id, "-", stdin=json.dumps([bind(host, "/data"), bad]))
    assert done.returncode == 1
    assert f"add mounts of container {running.id}: mount no-such-fs on /odd (/mounts/1)" in done.stderr
    assert inside(running, "grep -c ' /data ' /proc/self/mountinfo") == "0\n"


@pytest.mark.parametrize(
    ("args", "stdin", "words"),
    [
        (["grow", "@", "-"], "[]", "'grow' is neither add nor remove"),
        (["add", "@", "-"], "[]", "must be an array of mounts that is not empty"),
        (["add", "@", "-"], "{", "check standard input: /: is not JSON"),
        (["add", "@", "-"], '[{"destination": 5}]', "/mounts/0/destination: must be a string"),
        (["add", "@", "-"], '[{"type": "tmpfs"}]', "/mounts/0/destination: is missing"),
        (["add", "@", "-"], '[{"destination": "/x", "type": "bind"}]', "/mounts/0/source: is missing"),
        (["add", "@", "-"], '[{"destination": "/x", "type": "cgroup"}]', "cannot be mounted afterwards"),
        (["add", "@", "-"], '[{"destination": "/x", "type": "bind", "source": "/no/such"}]', "/no/such"),
        (["add", "@", "no-file"], "", "read the mounts from no-file: no such file"),
        (["remove", "@", "-"], '[{"destination": "/"}]', "is the container's root, which stays"),
        (["remove", "@", "-"], '[{"destination": "/tmp"}]', "unmount /tmp (/mounts/0/destination): invalid"),
        (["add", "no-such", "-"], '[{"destination": "/x", "type": "tmpfs"}]', "container does not exist"),
    ],
)
def test_what_cannot_be_done_is_explained(bundle: Bundle, args: list[str], stdin: str, words: str) -> None:
    assert bundle.args("sleep", "100").create().returncode == 0
    done = bundle.tare("mounts", *[bundle.id if word == "@" else word for word in args], stdin=stdin)
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr


def test_a_link_in_the_container_leads_nowhere_outside(bundle: Bundle) -> None:
    host, sentinel = bundle.path / "data", bundle.path / "sentinel"
    host.mkdir()
    sentinel.mkdir()
    (bundle.rootfs / "way-out").symlink_to(sentinel)
    assert bundle.args("sleep", "100").create().returncode == 0
    document = json.dumps([bind(host, "/way-out/in")])
    assert bundle.tare("mounts", "add", bundle.id, "-", stdin=document).returncode == 0
    assert list(sentinel.iterdir()) == [], "A PATH LED OUT OF THE CONTAINER"
    assert inside(bundle, f"grep -c ' {sentinel}/in ' /proc/self/mountinfo") == "1\n"
