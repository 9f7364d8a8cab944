"""config-linux.md, "Namespaces"."""

from __future__ import annotations

import os
from pathlib import Path

from tare_spec.runtime import Namespace

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put
from tare_conformance.verdict import equal, true

# type in config.json → name in /proc/PID/ns
FILES = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "cgroup": "cgroup"}


def own(name: str) -> str:
    """The lab's own namespace."""
    return os.readlink(f"/proc/self/ns/{name}")


def without(lab: Lab, kind: str) -> list[Namespace]:
    """The bundle's namespaces but one."""
    return [entry for entry in lab.linux["namespaces"] if entry["type"] != kind]


@case(
    "config-linux.md, Namespaces: type",
    drop("/linux/namespaces/1"),
    drop("/linux/namespaces/2"),
    drop("/linux/namespaces/5"),
)
def listed_namespaces_are_new(lab: Lab) -> None:
    """A type without a path gives the container a new namespace of it."""
    lab.linux["namespaces"].append({"type": "cgroup"})
    found = lab.observe("namespaces")["namespaces"]
    for entry in lab.linux["namespaces"]:
        name = FILES[entry["type"]]
        true(f"the {entry['type']} namespace is not the host's", found[name] != own(name))


@case(
    "config-linux.md, Namespaces",
    put("/linux/namespaces/-", {"type": "network"}),
    put("/linux/namespaces/-", {"type": "ipc"}),
)
def namespaces_that_are_not_listed_are_the_runtime_s(lab: Lab) -> None:
    """A type that is not listed is inherited from the runtime."""
    lab.config.pop("hostname")
    lab.linux["namespaces"] = [{"type": "pid"}, {"type": "mount"}]
    lab.config["mounts"] = lab.config["mounts"][:-1]
    found = lab.observe("namespaces")["namespaces"]
    for kind in ("network", "ipc", "uts", "cgroup"):
        name = FILES[kind]
        equal(f"{kind} namespace", found[name], own(name))


@case(
    "config-linux.md, Namespaces: path",
    drop("/linux/namespaces/2/path"),
    drop("/linux/namespaces/3/path"),
    drop("/linux/namespaces/4/path"),
)
def a_namespace_is_joined_by_path(lab: Lab) -> None:
    """A type with a path puts the container into that namespace: here another container's."""
    first = lab.run("namespaces", "hold")
    theirs = first.facts()["namespaces"]
    lab.config.pop("hostname")
    joined: list[Namespace] = [
        {"type": "network", "path": f"/proc/{first.pid}/ns/net"},
        {"type": "ipc", "path": f"/proc/{first.pid}/ns/ipc"},
        {"type": "uts", "path": f"/proc/{first.pid}/ns/uts"},
    ]
    lab.linux["namespaces"] = [{"type": "pid"}, {"type": "mount"}, *joined]
    ours = lab.observe("namespaces")["namespaces"]
    for name in ("net", "ipc", "uts"):
        equal(f"{name} namespace", ours[name], theirs[name])
    true("the pid namespace is another", ours["pid"] != theirs["pid"])


@case("config-linux.md, Namespaces: path", drop("/linux/namespaces/4/path"))
def a_pid_namespace_is_joined_by_path(lab: Lab) -> None:
    """A container that joins another's pid namespace is not the first process there."""
    first = lab.run("namespaces", "hold")
    theirs = first.facts()["namespaces"]
    lab.linux["namespaces"] = [*without(lab, "pid"), {"type": "pid", "path": f"/proc/{first.pid}/ns/pid"}]
    facts = lab.observe("namespaces", "pids")
    equal("pid namespace", facts["namespaces"]["pid"], theirs["pid"])
    true("the program's pid is not 1", facts["pids"]["pid"] > 1)


@case("config-linux.md, Namespaces: path", put("/linux/namespaces/4/path", "/proc/self/ns/net"))
def a_path_of_another_type_is_refused(lab: Lab) -> None:
    """A path must lead to a namespace of the given type."""
    lab.linux["namespaces"] = [
        *without(lab, "network"),
        {"type": "network", "path": "/proc/self/ns/ipc"},
    ]
    lab.refused("pids", why="the path of an ipc namespace for a network namespace")


@case("config-linux.md, Namespaces: path", put("/linux/namespaces/4/path", "/proc/self/ns/net"))
def a_path_that_is_missing_is_refused(lab: Lab) -> None:
    """A path must lead to a namespace."""
    lab.linux["namespaces"] = [
        *without(lab, "network"),
        {"type": "network", "path": str(lab.path / "none")},
    ]
    lab.refused("pids", why="a namespace path that does not exist")


@case("config-linux.md, Namespaces", drop("/linux/namespaces/5"))
def one_type_twice_is_refused(lab: Lab) -> None:
    """A type may be listed once only."""
    lab.linux["namespaces"].append({"type": "ipc"})
    lab.refused("pids", why="two ipc namespaces")


@case("config-linux.md, Namespaces: type", put("/linux/namespaces/5/type", "cgroup"))
def an_unknown_type_is_refused(lab: Lab) -> None:
    """A type that the specification does not know cannot be made."""
    text = '{"type": "flavour"}'
    lab.process["args"] = ["/probe"]
    lab.linux["namespaces"].append({"type": "cgroup"})
    lab.bundle.write()
    config = Path(lab.bundle.path / "config.json").read_text().replace('{"type": "cgroup"}', text)
    lab.refused(config_text=config, why="a namespace of type flavour")


@case(
    "config-linux.md, User namespace mappings",
    put("/linux/uidMappings/0/hostID", 200000),
    put("/linux/gidMappings/0/size", 1000),
)
def user_namespace_mappings_are_written(lab: Lab) -> None:
    """uidMappings and gidMappings are the maps of a new user namespace."""
    lab.linux["namespaces"].append({"type": "user"})
    lab.linux["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 2000}]
    lab.linux["gidMappings"] = [{"containerID": 0, "hostID": 300000, "size": 3000}]
    facts = lab.observe("ids", "namespaces", "read=/proc/self/uid_map", "read=/proc/self/gid_map")
    equal("uid_map", facts["read=/proc/self/uid_map"].split(), ["0", "100000", "2000"])
    equal("gid_map", facts["read=/proc/self/gid_map"].split(), ["0", "300000", "3000"])
    equal("uid inside", facts["ids"]["uid"], [0] * 3)
    true("the user namespace is new", facts["namespaces"]["user"] != own("user"))


@case(
    "config-linux.md, User namespace mappings",
    put("/linux/uidMappings", [{"containerID": 0, "hostID": 0, "size": 1000}]),
)
def container_root_is_nobody_special_outside(lab: Lab) -> None:
    """With a user namespace the container process belongs to the mapped user on the host."""
    lab.linux["namespaces"].append({"type": "user"})
    lab.linux["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    lab.linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    box = lab.run("ids", "hold")
    equal("uid inside", box.facts()["ids"]["uid"], [0] * 3)
    uids = next(
        line for line in Path(f"/proc/{box.pid}/status").read_text().splitlines() if line.startswith("Uid:")
    )
    equal("uids on the host", uids.split()[1:], ["100000"] * 4)
