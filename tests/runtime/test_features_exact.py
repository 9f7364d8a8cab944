"""`features` lists what the code takes, no more and no less; and the code knows every field there is."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from typing import Any

import pytest
from tare_runtime.config.read import check_config
from tare_runtime.config.shape import CONFIG
from tare_runtime.errors import ConfigError
from tare_runtime.plan.mounts import Options
from tare_runtime.verbs.features import document

from tests.support.bundles import default_config

NAMESPACES = ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")
# Every word of the table in runtime-spec 1.3, config.md "Linux mount options".
MOUNT_OPTIONS = """
async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev nodiratime noexec
noiversion nolazytime norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime
remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate
rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime
suid symfollow sync tmpcopyup unbindable idmap ridmap
""".split()


def problems(change: dict[str, Any], section: str = "linux") -> list[str]:
    config = copy.deepcopy(default_config())
    config[section] = {**config[section], **change}
    try:
        check_config(config)
    except ConfigError as error:
        return [problem for _, problem, _ in error.violations]
    return []


@pytest.fixture(scope="module")
def features() -> dict[str, Any]:
    return document()


def test_mount_options_are_those_of_the_specification_and_all_are_understood(
    features: dict[str, Any],
) -> None:
    listed = features["mountOptions"]
    assert set(MOUNT_OPTIONS) <= set(listed)
    for word in listed:
        assert Options([word]).data in ("", word)
    for word in ("size=1m", "nonsense", "ridmapx"):
        assert word not in listed
        assert Options([word]).data == word


def test_each_listed_option_is_more_than_text_for_a_file_system(features: dict[str, Any]) -> None:
    from tare_runtime.plan.mounts import SUPER_BLOCK

    as_data = {word for word in features["mountOptions"] if Options([word]).data}
    assert as_data == SUPER_BLOCK  # the kernel's own words for every file system


@pytest.mark.parametrize("name", NAMESPACES)
def test_a_namespace_is_listed_as_it_is_taken(features: dict[str, Any], name: str) -> None:
    maps = [{"containerID": 0, "hostID": 0, "size": 9}]
    more = {"uidMappings": maps, "gidMappings": maps} if name == "user" else {}
    kinds = {"mount", "uts", "network", "ipc", "pid", name}
    found = problems({"namespaces": [{"type": kind} for kind in kinds], **more})
    assert (name in features["linux"]["namespaces"]) == (not found), found


def test_no_other_namespace_is_listed(features: dict[str, Any]) -> None:
    assert set(features["linux"]["namespaces"]) == set(NAMESPACES)


def test_hooks_are_those_that_have_a_shape(features: dict[str, Any]) -> None:
    assert set(features["hooks"]) == set(CONFIG["hooks"])


def test_a_capability_is_listed_if_it_is_taken_without_a_warning(features: dict[str, Any]) -> None:
    for name in ("CAP_CHOWN", "CAP_BPF", "CAP_CHECKPOINT_RESTORE", "CAP_FLY"):
        config = copy.deepcopy(default_config())
        config["process"]["capabilities"]["bounding"] = [name]
        said: list[str] = []
        check_config(config, warn=said.append)
        assert (name in features["linux"]["capabilities"]) == (not said)


def schema(name: str) -> Any:
    return json.loads((files("tare_spec") / f"schemas/runtime/{name}.json").read_text())


def enums(node: Any) -> list[list[str]]:
    """Every list of words in a schema."""
    if isinstance(node, list):
        return [found for item in node for found in enums(item)]
    if not isinstance(node, dict):
        return []
    own = [node["enum"]] if isinstance(node.get("enum"), list) else []
    return own + [found for value in node.values() for found in enums(value)]


def words(start: str) -> list[str]:
    found = {word for group in enums(schema("seccomp")) for word in group if str(word).startswith(start)}
    assert found
    return sorted(found)


@pytest.mark.parametrize("action", words("SCMP_ACT_"))
def test_a_seccomp_action_is_listed_as_it_is_taken(features: dict[str, Any], action: str) -> None:
    rule = {"names": ["getpid"], "action": action}
    profile: dict[str, Any] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    if action == "SCMP_ACT_NOTIFY":
        profile["listenerPath"] = "/run/listener.sock"
    found = problems({"seccomp": profile})
    assert (action in features["linux"]["seccomp"]["actions"]) == (not found), found


@pytest.mark.parametrize("operator", words("SCMP_CMP_"))
def test_a_seccomp_operator_is_listed_as_it_is_taken(features: dict[str, Any], operator: str) -> None:
    argument = {"index": 0, "value": 1, "op": operator}
    rule = {"names": ["getpid"], "action": "SCMP_ACT_ERRNO", "args": [argument]}
    found = problems({"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}})
    assert (operator in features["linux"]["seccomp"]["operators"]) == (not found), found


SWITCHES: list[tuple[tuple[str, ...], str, dict[str, Any]]] = [
    (("apparmor",), "process", {"apparmorProfile": "p"}),
    (("selinux",), "process", {"selinuxLabel": "l"}),
    (("intelRdt",), "linux", {"intelRdt": {"closID": "a"}}),
    (("netDevices",), "linux", {"netDevices": {"eth0": {}}}),
]


@pytest.mark.parametrize(("path", "section", "change"), SWITCHES, ids=[row[0][0] for row in SWITCHES])
def test_what_is_switched_on_is_refused_for_the_host_s_sake_alone(
    features: dict[str, Any], path: tuple[str, ...], section: str, change: dict[str, Any]
) -> None:
    entry = features["linux"]
    for key in path:
        entry = entry[key]
    not_done = any("not supported by this runtime" in problem for problem in problems(change, section))
    assert entry["enabled"] == (not not_done)


def test_mapped_mounts_are_switched_on(features: dict[str, Any]) -> None:
    assert features["linux"]["mountExtensions"]["idmap"]["enabled"] is True
    maps = [{"containerID": 0, "hostID": 0, "size": 9}]
    config = copy.deepcopy(default_config())
    mount = {"destination": "/m", "source": "/etc", "options": ["bind", "idmap"]}
    config["mounts"].append({**mount, "uidMappings": maps, "gidMappings": maps})
    check_config(config)


def members(name: str, section: str = "") -> set[str]:
    """The properties of a schema, or of an object in it, references followed."""
    root = schema(name)
    node = root["properties"][section] if section else root
    while "$ref" in node:
        name, _, pointer = node["$ref"].partition("#")
        if name:
            root = schema(name.removesuffix(".json").rpartition("/")[2])
        node = root
        for part in filter(None, pointer.split("/")):
            node = node[part]
    return set(node["properties"])


# Other platforms, and what the specification itself has taken back.
ELSEWHERE = {"solaris", "windows", "vm", "zos", "freebsd", "commandLine", "apparmor"}


@pytest.mark.parametrize("section", ["", "process", "linux", "root", "hooks"])
def test_every_field_of_the_specification_has_a_shape(section: str) -> None:
    wanted = members("config", section) - ELSEWHERE
    shape: Any = CONFIG[section] if section else CONFIG
    assert wanted
    assert wanted <= set(shape), wanted - set(shape)
