"""config-linux.md, "Devices" and "Default Devices"."""

from __future__ import annotations

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put, unlinks
from tare_conformance.verdict import equal

DEFAULT = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}


@case("config-linux.md, Default Devices", unlinks("/dev/zero"), unlinks("/dev/tty"))
def default_devices_are_there(lab: Lab) -> None:
    """null, zero, full, random, urandom and tty exist in every container, unasked."""
    facts = lab.observe(*(f"stat=/dev/{name}" for name in DEFAULT))
    for name, numbers in DEFAULT.items():
        found = facts[f"stat=/dev/{name}"]
        equal(f"/dev/{name}", (found.get("type"), found.get("major"), found.get("minor")), ("char", *numbers))


@case("config-linux.md, Default Devices", put("/mounts/1/options", ["nodev", "mode=755"]))
def default_devices_work_for_everybody(lab: Lab) -> None:
    """The default devices can be opened by a user other than 0, within the control group's rules."""
    lab.process["user"] = {"uid": 1000, "gid": 1000}
    lab.linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    facts = lab.observe("write=/dev/null", "open=/dev/zero", "write=/dev/full", "open=/dev/urandom")
    for word, outcome in facts.items():
        equal(word, outcome, 0)


@case("config-linux.md, Default Devices", unlinks("/dev/ptmx"))
def ptmx_leads_to_the_container_s_own(lab: Lab) -> None:
    """/dev/ptmx is the multiplexer of the container's own devpts."""
    facts = lab.observe("open=/dev/ptmx", "open=/dev/pts/ptmx", "readlink=/dev/ptmx")
    equal("opening /dev/ptmx", facts["open=/dev/ptmx"], 0)
    target = facts["readlink=/dev/ptmx"]
    if isinstance(target, str):
        equal("where /dev/ptmx leads", target.removeprefix("/dev/"), "pts/ptmx")


@case("runtime-linux.md, Dev symbolic links", *(unlinks(f"/dev/{name}") for name in LINKS))
def links_to_the_standard_descriptors_are_there(lab: Lab) -> None:
    """/dev/fd, stdin, stdout and stderr lead into /proc/self/fd."""
    facts = lab.observe(*(f"readlink=/dev/{name}" for name in LINKS))
    for name, target in LINKS.items():
        equal(f"/dev/{name}", facts[f"readlink=/dev/{name}"], target)


@case(
    "config-linux.md, Devices",
    drop("/linux/devices"),
    put("/linux/devices/0/minor", 4),
    put("/linux/devices/1/type", "c"),
    put("/linux/devices/2/path", "/dev/elsewhere"),
)
def listed_devices_are_made(lab: Lab) -> None:
    """Each entry of devices is a device node of that type, with those numbers, at that path."""
    lab.linux["devices"] = [
        {"path": "/dev/mychar", "type": "c", "major": 60, "minor": 3},
        {"path": "/dev/myblock", "type": "b", "major": 61, "minor": 4},
        {"path": "/dev/deep/er/fifo", "type": "p"},
    ]
    facts = lab.observe("stat=/dev/mychar", "stat=/dev/myblock", "stat=/dev/deep/er/fifo")
    char, block, fifo = facts.values()
    equal("the character device", [char.get(key) for key in ("type", "major", "minor")], ["char", 60, 3])
    equal("the block device", [block.get(key) for key in ("type", "major", "minor")], ["block", 61, 4])
    equal("the pipe", fifo.get("type"), "fifo")


@case(
    "config-linux.md, Devices: fileMode, uid, gid",
    put("/linux/devices/0/fileMode", 0o666),
    put("/linux/devices/0/uid", 0),
    put("/linux/devices/0/gid", 0),
)
def devices_have_their_mode_and_owner(lab: Lab) -> None:
    """fileMode, uid and gid are those of the node, whatever the umask is."""
    lab.linux["devices"] = [
        {"path": "/dev/mine", "type": "c", "major": 60, "minor": 1, "fileMode": 0o622, "uid": 11, "gid": 22}
    ]
    found = lab.observe("stat=/dev/mine")["stat=/dev/mine"]
    equal("mode, uid, gid", [found.get(key) for key in ("mode", "uid", "gid")], [0o622, 11, 22])
