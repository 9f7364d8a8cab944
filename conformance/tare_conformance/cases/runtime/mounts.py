"""config.md, "Mounts"."""

from __future__ import annotations

import errno

from tare_conformance import kernel
from tare_conformance.bundle import mount
from tare_conformance.case import case
from tare_conformance.container import Facts
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put, reverse
from tare_conformance.verdict import Failure, equal, true

TABLE = "lines=/proc/self/mountinfo"
TMPFS_MAGIC = 0x01021994


def line_of(facts: Facts, destination: str) -> list[str]:
    """The last line of the mount table for a mount point, as fields."""
    if not isinstance(facts[TABLE], list):
        raise Failure("there is no mount table to read: /proc is missing")
    found: list[list[str]] = [line.split() for line in facts[TABLE] if line.split()[4] == destination]
    if not found:
        raise Failure(f"nothing is mounted on {destination}")
    return found[-1]


def propagation_of(facts: Facts, destination: str) -> list[str]:
    """The optional fields, without their numbers: shared, master, unbindable."""
    line = line_of(facts, destination)
    return sorted(field.split(":")[0] for field in line[6 : line.index("-")])


@case("config.md, Mounts", reverse("/mounts"), drop("/mounts/6"))
def mounts_are_made_in_the_order_of_the_list(lab: Lab) -> None:
    """A later mount lies on an earlier one: a directory bound below a tmpfs is seen."""
    source = lab.path / "source"
    source.mkdir()
    (source / "inside").write_text("x")
    lab.config["mounts"] += [
        mount("/dir", "tmpfs", "tmpfs"),
        mount("/dir/deep", "bind", str(source), "bind"),
        mount("/dir/deep/deeper", "proc", "proc"),
    ]
    (source / "deeper").mkdir()
    facts = lab.observe("list=/dir", "list=/dir/deep", "stat=/dir/deep/deeper/uptime")
    equal("/dir", facts["list=/dir"], ["deep"])
    equal("/dir/deep", sorted(facts["list=/dir/deep"]), ["deeper", "inside"])
    equal("a file of the last", facts["stat=/dir/deep/deeper/uptime"].get("type"), "file")


@case("config.md, Mounts: destination", drop("/mounts/5"))
def a_missing_destination_is_made(lab: Lab) -> None:
    """The runtime makes a mount point that is not there, for directories and for files."""
    (lab.path / "single").write_text("a file\n")
    lab.config["mounts"] += [
        mount("/made/by/runtime", "tmpfs", "tmpfs"),
        mount("/made/file", "bind", str(lab.path / "single"), "bind"),
    ]
    facts = lab.observe("statfs=/made/by/runtime", "read=/made/file")
    equal("type of the file system", facts["statfs=/made/by/runtime"].get("type"), TMPFS_MAGIC)
    equal("the file", facts["read=/made/file"], "a file\n")


@case("config.md, Mounts: source", drop("/mounts/5"), put("/mounts/5/source", "rootfs/etc"))
def a_bind_mount_shows_its_source(lab: Lab) -> None:
    """A bind mount shows the source, and writing goes through."""
    source = lab.path / "source"
    source.mkdir()
    lab.config["mounts"].append(mount("/dir", "bind", str(source), "bind"))
    lab.observe("create=/dir/from-inside")
    true("what was made inside is in the source", (source / "from-inside").exists())


@case("config.md, Mounts: options", put("/mounts/5/options", ["bind"]), drop("/mounts/5"))
def a_read_only_bind_mount_cannot_be_written(lab: Lab) -> None:
    """`ro` on a bind mount: reading works, writing is refused, and the source itself stays writable."""
    source = lab.path / "source"
    source.mkdir()
    (source / "f").write_text("text")
    lab.config["mounts"].append(mount("/dir", "bind", str(source), "bind", "ro"))
    facts = lab.observe("read=/dir/f", "write=/dir/f", "create=/dir/new")
    equal("reading", facts["read=/dir/f"], "text")
    equal("writing", facts["write=/dir/f"], errno.EROFS)
    equal("making a file", facts["create=/dir/new"], errno.EROFS)
    (source / "still-writable").write_text("")


@case("config.md, Mounts: options", put("/mounts/5/options", ["bind"]))
def rbind_brings_the_mounts_below(lab: Lab) -> None:
    """`rbind` brings what is mounted below the source along."""
    lab.host_mount("none", lab.path / "tree", "tmpfs", 0)
    lab.host_mount("none", lab.path / "tree/below", "tmpfs", 0)
    (lab.path / "tree/below/f").write_text("deep")
    lab.config["mounts"].append(mount("/dir", "bind", str(lab.path / "tree"), "rbind"))
    equal("a file of the mount below", lab.observe("read=/dir/below/f")["read=/dir/below/f"], "deep")


@case("config.md, Mounts: options", put("/mounts/5/options", ["rbind"]))
def bind_leaves_the_mounts_below(lab: Lab) -> None:
    """`bind` leaves what is mounted below the source behind."""
    lab.host_mount("none", lab.path / "tree", "tmpfs", 0)
    lab.host_mount("none", lab.path / "tree/below", "tmpfs", 0)
    (lab.path / "tree/below/f").write_text("deep")
    lab.config["mounts"].append(mount("/dir", "bind", str(lab.path / "tree"), "bind"))
    equal("the directory below", lab.observe("list=/dir/below")["list=/dir/below"], [])


@case(
    "config.md, Mounts: options",
    put("/mounts/5/options", ["size=1m"]),
    put("/mounts/5/options", ["nosuid", "nodev", "noatime", "size=1m"]),
    put("/mounts/5/options", ["nosuid", "nodev", "noexec", "noatime"]),
)
def flags_and_data_of_a_mount_are_applied(lab: Lab) -> None:
    """Generic options become flags of the mount; the others go to the file system."""
    options = ("nosuid", "nodev", "noexec", "noatime", "size=1m")
    lab.config["mounts"].append(mount("/dir", "tmpfs", "tmpfs", *options))
    facts = lab.observe("statfs=/dir", TABLE)
    flags = set(line_of(facts, "/dir")[5].split(","))
    equal("flags", sorted(flags & {"nosuid", "nodev", "noexec", "noatime"}), sorted(options[:4]))
    equal("size", facts["statfs=/dir"]["bytes"], 1 << 20)


@case("config.md, Mounts: options", put("/mounts/5/options", []))
def the_mode_of_a_tmpfs_is_as_asked(lab: Lab) -> None:
    """`mode` of a tmpfs is that of its root, also where a directory of another mode was."""
    lab.config["mounts"].append(mount("/dir", "tmpfs", "tmpfs", "mode=0710"))
    equal("mode of the root", lab.observe("stat=/dir")["stat=/dir"]["mode"], 0o710)


@case("config.md, Mounts: options", put("/mounts/5/options", ["nosuid"]))
def a_later_option_wins(lab: Lab) -> None:
    """Of options that contradict each other the later one holds, as mount(8) has it."""
    lab.config["mounts"].append(mount("/dir", "tmpfs", "tmpfs", "nosuid", "noexec", "suid", "exec", "nodev"))
    flags = set(line_of(lab.observe(TABLE), "/dir")[5].split(","))
    equal("flags", sorted(flags & {"nosuid", "noexec", "nodev"}), ["nodev"])


@case("config.md, Mounts: options", put("/mounts/5/options", ["ro"]))
def tmpcopyup_keeps_what_was_there(lab: Lab) -> None:
    """`tmpcopyup` on a tmpfs copies what the root filesystem has at that place."""
    (lab.rootfs / "dir/sub/kept").write_text("kept\n")
    lab.config["mounts"].append(mount("/dir", "tmpfs", "tmpfs", "tmpcopyup"))
    facts = lab.observe("read=/dir/sub/kept", "statfs=/dir", "create=/dir/new")
    equal("type of the file system", facts["statfs=/dir"]["type"], TMPFS_MAGIC)
    equal("the file that was there", facts["read=/dir/sub/kept"], "kept\n")
    equal("making a file", facts["create=/dir/new"], 0)
    true("the root filesystem is untouched", not (lab.rootfs / "dir/new").exists())


def with_propagation(lab: Lab, word: str) -> list[str]:
    """The propagation of a bind mount whose source is a shared mount of the host."""
    lab.host_mount("none", lab.path / "tree", "tmpfs", 0, kernel.MS_SHARED)
    lab.config["mounts"].append(mount("/dir", "bind", str(lab.path / "tree"), "rbind", word))
    return propagation_of(lab.observe(TABLE), "/dir")


@case("config.md, Mounts: options", put("/mounts/5/options", ["rbind", "rshared"]))
def a_private_mount_is_private(lab: Lab) -> None:
    """`rprivate`: nothing propagates, though the source's mount on the host is shared."""
    equal("propagation", with_propagation(lab, "rprivate"), [])


@case("config.md, Mounts: options", put("/mounts/5/options", ["rbind", "rprivate"]))
def a_slave_mount_follows_the_host(lab: Lab) -> None:
    """`rslave`: what is mounted on the host below a shared source appears inside."""
    lab.linux["rootfsPropagation"] = "slave"
    equal("propagation", with_propagation(lab, "rslave"), ["master"])


@case("config.md, Mounts: options", put("/mounts/5/options", ["rbind", "rprivate"]))
def a_shared_mount_is_shared(lab: Lab) -> None:
    """`rshared`: mounts propagate from here."""
    lab.linux["rootfsPropagation"] = "shared"
    true("the mount is shared", "shared" in with_propagation(lab, "rshared"))


@case("config.md, Mounts: options", put("/mounts/5/options", ["rbind", "rprivate"]))
def an_unbindable_mount_is_unbindable(lab: Lab) -> None:
    """`unbindable`: the mount cannot be bound elsewhere."""
    equal("propagation", with_propagation(lab, "unbindable"), ["unbindable"])


@case("config.md, Mounts: destination", drop("/mounts/5"))
def a_link_in_the_root_cannot_lead_a_mount_outside(lab: Lab) -> None:
    """A destination is resolved inside the root filesystem: an absolute link there points inside."""
    outside = lab.path / "outside"
    (outside / "in").mkdir(parents=True)
    (lab.rootfs / "way").symlink_to(outside)
    (lab.rootfs / str(outside)[1:] / "in").mkdir(parents=True)
    lab.config["mounts"].append(mount("/way/in", "tmpfs", "tmpfs"))
    facts = lab.observe(TABLE)
    equal("type of what is mounted inside", line_of(facts, f"{outside}/in")[-3], "tmpfs")


@case("config.md, Mounts: type", put("/mounts/5/type", "tmpfs"))
def an_unknown_file_system_is_refused(lab: Lab) -> None:
    """A type that the kernel does not have makes create fail."""
    lab.config["mounts"].append(mount("/dir", "nosuchfs", "none"))
    lab.refused("pids", why="a mount of type nosuchfs")


@case(
    "config-linux.md, Default Filesystems",
    drop("/mounts/0"),
    drop("/mounts/2"),
    drop("/mounts/3"),
    drop("/mounts/4"),
)
def the_usual_file_systems_are_mounted(lab: Lab) -> None:
    """/proc, /sys, /dev/pts and /dev/shm are of the types that config.json says."""
    facts = lab.observe(TABLE)
    for entry in lab.config["mounts"]:
        fields = line_of(facts, entry["destination"])
        equal(f"type on {entry['destination']}", fields[fields.index("-") + 1], entry["type"])
