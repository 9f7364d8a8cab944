"""Network devices of the host that a container gets: real ones, made for each test in its own namespace."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bundles import Bundle
from tests.support.peers import OURS, Outcome, run_by

pytestmark = [pytest.mark.root, pytest.mark.field("linux.netDevices")]

LOOK = (
    "for d in /sys/class/net/*; do echo ${d##*/} $(cat $d/flags); done;"
    " cat /proc/net/if_inet6 /proc/net/fib_trie"
)


class Host:
    """A network namespace that the runtime takes for the host's, with one end of a veth pair in it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: str) -> str:
        return subprocess.run(
            ["ip", "-n", self.name, *args], check=True, capture_output=True, text=True
        ).stdout

    def devices(self) -> set[str]:
        return {link["ifname"] for link in json.loads(self("-j", "link"))}

    def run(self, bundle: Bundle, script: str = LOOK) -> Outcome:
        return run_by(OURS, bundle.script(script), wrap=("ip", "netns", "exec", self.name))


@pytest.fixture
def host() -> Iterator[Host]:
    name = "tare-" + secrets.token_hex(4)
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        made = Host(name)
        made("link", "add", "dev0", "type", "veth", "peer", "name", "peer0")
        made("link", "set", "peer0", "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_a_device_moves_with_its_name_and_is_up(bundle: Bundle, host: Host) -> None:
    bundle.config["linux"]["netDevices"] = {"dev0": {}}
    done = host.run(bundle)
    assert done.code == 0, done.err
    flags = dict(line.split() for line in done.out.splitlines() if line.startswith(("dev0 ", "lo ")))
    assert int(flags["dev0"], 16) & 1  # IFF_UP


def test_a_device_gets_the_name_of_the_config(bundle: Bundle, host: Host) -> None:
    bundle.config["linux"]["netDevices"] = {"dev0": {"name": "inside0"}}
    done = host.run(bundle, "ls /sys/class/net")
    assert done.out.split() == ["inside0", "lo"], done.err


def test_a_template_is_filled_by_the_kernel(bundle: Bundle, host: Host) -> None:
    host("link", "add", "dev1", "type", "veth", "peer", "name", "peer1")
    bundle.config["linux"]["netDevices"] = {"dev0": {"name": "net%d"}, "dev1": {"name": "net%d"}}
    done = host.run(bundle, "ls /sys/class/net")
    assert done.out.split() == ["lo", "net0", "net1"], done.err


def test_permanent_global_addresses_move_along_and_others_do_not(bundle: Bundle, host: Host) -> None:
    host("addr", "add", "192.0.2.7/24", "dev", "dev0")
    host("addr", "add", "198.51.100.9/32", "dev", "dev0", "valid_lft", "900", "preferred_lft", "900")
    host("addr", "add", "169.254.1.1/16", "dev", "dev0", "scope", "link")
    host("addr", "add", "2001:db8::7/64", "dev", "dev0", "nodad")
    bundle.config["linux"]["netDevices"] = {"dev0": {"name": "eth0"}}
    done = host.run(bundle)
    assert done.code == 0, done.err
    assert "192.0.2.7" in done.out
    assert "20010db8000000000000000000000007" in done.out
    assert "198.51.100.9" not in done.out
    assert "169.254.1.1" not in done.out


def test_a_device_moves_into_a_user_namespace_too(bundle: Bundle, host: Host) -> None:
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 0, "size": 65536}]
    bundle.config["linux"]["uidMappings"] = bundle.config["linux"]["gidMappings"] = mapping
    bundle.config["linux"]["netDevices"] = {"dev0": {}}
    done = host.run(bundle, "ls /sys/class/net")
    assert done.out.split() == ["dev0", "lo"], done.err


def test_a_name_that_is_taken_is_seen_before_anything_moves(bundle: Bundle, host: Host) -> None:
    other = "tare-" + secrets.token_hex(4)
    subprocess.run(["ip", "netns", "add", other], check=True)
    try:
        subprocess.run(["ip", "-n", other, "link", "add", "eth0", "type", "veth"], check=True)
        bundle.config["linux"]["namespaces"][1]["path"] = f"/run/netns/{other}"
        bundle.config["linux"]["netDevices"] = {"dev0": {"name": "eth0"}}
        done = host.run(bundle)
        assert done.code == 1
        assert "move network device dev0 (/linux/netDevices/dev0): file exists" in done.err
        assert "dev0" in host.devices()
        assert bundle.leftovers() == []
    finally:
        subprocess.run(["ip", "netns", "delete", other], check=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [("none0", "no such device"), ("lo", "invalid argument")],
)
def test_what_cannot_be_moved_is_told_by_name(bundle: Bundle, host: Host, name: str, words: str) -> None:
    bundle.config["linux"]["netDevices"] = {name: {"name": "x0"}}
    done = host.run(bundle)
    assert done.code == 1
    assert f"move network device {name} (/linux/netDevices/{name}): {words}" in done.err
    assert bundle.leftovers() == []


@pytest.mark.parametrize(
    ("devices", "where", "words"),
    [
        ({"a" * 16: {}}, "/" + "a" * 16, "is no name of a network device"),
        ({"a/b": {}}, "/a~1b", "no slash"),
        ({"a%d": {}}, "/a%d", "of % signs"),
        ({"a": {"name": "%s"}}, "/a/name", "of % signs"),
        ({"a": {"name": "x"}, "b": {"name": "x"}}, "/b/name", "the name of another device, too"),
    ],
    ids=["long", "slash", "template", "format", "twice"],
)
def test_names_that_cannot_be_are_refused(
    bundle: Bundle, devices: dict[str, Any], where: str, words: str
) -> None:
    bundle.config["linux"]["netDevices"] = devices
    done = bundle.run()
    assert done.returncode == 1
    assert f"/linux/netDevices{where}: " in done.stderr
    assert words in done.stderr


@pytest.mark.parametrize("path", [None, "/proc/self/ns/net"], ids=["none", "the-hosts-own"])
def test_a_network_namespace_of_its_own_is_needed(bundle: Bundle, path: str | None) -> None:
    entries = bundle.config["linux"]["namespaces"]
    entries[1] = {"type": "network", "path": path} if path else {"type": "cgroup"}
    bundle.config["linux"]["netDevices"] = {"dev0": {}}
    done = bundle.run()
    assert done.returncode == 1
    assert "/linux/netDevices: " in done.stderr
    assert "would change the host" in done.stderr
