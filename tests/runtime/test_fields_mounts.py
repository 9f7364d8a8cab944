"""Mounts: attributes, mapped ids, symlinks, and what is refused; each seen from inside."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import Bundle, bundle_in
from tests.support.peers import OURS, run_by

pytestmark = [pytest.mark.root, pytest.mark.field("mounts")]


def bind(bundle: Bundle, source: Path | str, *options: str, **more: Any) -> None:
    mount = {"destination": "/m", "type": "bind", "source": str(source), "options": ["rbind", *options]}
    bundle.config["mounts"].append({**mount, **more})


def mount_options(text: str, target: str) -> set[str]:
    """The options of the mount at `target`, of /proc/mounts."""
    for line in text.splitlines():
        fields = line.split(" ")
        if fields[1] == target:
            return set(fields[3].split(","))
    raise AssertionError(f"{target} is no mount in\n{text}")


@pytest.fixture
def tree(tmp_path: Path) -> Any:
    """A directory with a mount on a directory in it."""
    top = tmp_path / "tree"
    (top / "sub").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(top / "sub")], check=True)
    yield top
    subprocess.run(["umount", str(top / "sub")], check=True)


# --- attributes -------------------------------------------------------------------------------------------

RECURSIVE = [
    ("rro", "ro"),
    ("rnosuid", "nosuid"),
    ("rnodev", "nodev"),
    ("rnoexec", "noexec"),
    ("rnoatime", "noatime"),
    ("rnodiratime", "nodiratime"),
    ("rnosymfollow", "nosymfollow"),
]


@pytest.mark.peer
@pytest.mark.field("mounts.options.recursive")
@pytest.mark.parametrize(
    ("program", "option", "seen"),
    [
        *[(OURS, *row) for row in RECURSIVE],
        *[("crun", *row) for row in RECURSIVE[:4]],  # what Debian's knows of them
    ],
)
def test_a_recursive_attribute_reaches_the_mounts_below(
    bundle: Bundle, tree: Path, program: str, option: str, seen: str
) -> None:
    bind(bundle, tree, option)
    done = run_by(program, bundle.args("cat", "/proc/self/mounts"))
    assert done.code == 0, done.err
    assert seen in mount_options(done.out, "/m")
    assert seen in mount_options(done.out, "/m/sub")


@pytest.mark.field("mounts.options.recursive")
@pytest.mark.parametrize(
    ("first", "then", "seen"),
    [("rro", "rrw", "rw"), ("rnoatime", "rrelatime", "relatime"), ("rnosuid", "rsuid", "")],
)
def test_the_last_of_two_recursive_attributes_counts(
    bundle: Bundle, tree: Path, first: str, then: str, seen: str
) -> None:
    bind(bundle, tree, first, then)
    done = bundle.args("cat", "/proc/self/mounts").run()
    options = mount_options(done.stdout, "/m/sub")
    assert not seen or seen in options
    assert first[1:] not in options


@pytest.mark.field("mounts.options.plain")
def test_a_plain_attribute_is_of_the_top_alone(bundle: Bundle, tree: Path) -> None:
    bind(bundle, tree, "ro", "noexec")
    done = bundle.args("cat", "/proc/self/mounts").run()
    assert {"ro", "noexec"} <= mount_options(done.stdout, "/m")
    assert not {"ro", "noexec"} & mount_options(done.stdout, "/m/sub")


@pytest.mark.field("mounts.options.plain")
@pytest.mark.parametrize(
    "option", ["sync", "dirsync", "lazytime", "ro", "nosuid", "nodev", "noexec", "nosymfollow"]
)
def test_a_new_file_system_has_the_attribute(bundle: Bundle, option: str) -> None:
    bundle.config["mounts"].append({"destination": "/m", "type": "tmpfs", "options": [option]})
    done = bundle.args("cat", "/proc/self/mounts").run()
    assert option in mount_options(done.stdout, "/m"), done.stderr


@pytest.mark.field("mounts.options.plain")
def test_a_remount_changes_the_mount_that_is_there(bundle: Bundle, tmp_path: Path) -> None:
    bind(bundle, tmp_path)
    bundle.config["mounts"].append({"destination": "/m", "options": ["bind", "remount", "ro"], "source": "/"})
    done = bundle.args("cat", "/proc/self/mounts").run()
    assert "ro" in mount_options(done.stdout, "/m"), done.stderr


@pytest.mark.peer
@pytest.mark.parametrize("program", [OURS, "runc", "crun"])
def test_an_option_of_a_file_system_is_refused_for_a_bind_mount_by_us(
    bundle: Bundle, tmp_path: Path, program: str
) -> None:
    bind(bundle, tmp_path, "size=1m")
    done = run_by(program, bundle)
    if program == OURS:
        assert done.code == 1
        assert "/mounts/4/options/1: 'size=1m' is no option of a bind mount" in done.err
    # The others, in Debian's versions, pass over it: nothing to hold them to.


# --- mapped ids -------------------------------------------------------------------------------------------

MAPS = [{"containerID": 0, "hostID": 1000, "size": 100}]


@pytest.fixture
def reachable() -> Any:
    """A bundle where the root of a user namespace can get; pytest's own directories are for root alone."""
    folder = Path(tempfile.mkdtemp(prefix="tare-mounts-"))
    with bundle_in(folder) as made:
        os.chown(made.rootfs, 100000, 100000)
        yield made
    shutil.rmtree(folder)


def owned_tree(tmp_path: Path) -> Path:
    """Files of users 0, 5 and 70000; the last two names are mounts of their own."""
    top = tmp_path / "owned"
    (top / "sub").mkdir(parents=True)
    for name, owner in (("a", 0), ("b", 5), ("sub/c", 7)):
        (top / name).touch()
        os.chown(top / name, owner, owner)
    return top


def owners(bundle: Bundle, *paths: str) -> list[str]:
    done = bundle.args("stat", "-c", "%u:%g", *paths).run()
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.field("mounts.uidMappings", "mounts.options.idmap")
@pytest.mark.parametrize("word", [[], ["idmap"], ["ridmap"]], ids=["no-word", "idmap", "ridmap"])
def test_mappings_of_a_mount_change_whose_its_files_are(
    bundle: Bundle, tmp_path: Path, word: list[str]
) -> None:
    bind(bundle, owned_tree(tmp_path), *word, uidMappings=MAPS, gidMappings=MAPS)
    assert owners(bundle, "/m/a", "/m/b", "/m/sub/c") == ["1000:1000", "1005:1005", "1007:1007"]


@pytest.mark.field("mounts.options.idmap")
@pytest.mark.parametrize(("word", "below"), [("idmap", "5:5"), ("ridmap", "1005:1005")])
def test_only_ridmap_reaches_the_mounts_below(bundle: Bundle, tree: Path, word: str, below: str) -> None:
    for name in ("a", "sub/b"):
        (tree / name).touch()
        os.chown(tree / name, 5, 5)
    bind(bundle, tree, word, uidMappings=MAPS, gidMappings=MAPS)
    assert owners(bundle, "/m/a", "/m/sub/b") == ["1005:1005", below]


def in_user_namespace(bundle: Bundle) -> None:
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    bundle.config["linux"]["uidMappings"] = bundle.config["linux"]["gidMappings"] = mapping


@pytest.mark.field("mounts.options.idmap")
def test_a_mount_takes_the_mappings_of_the_container_where_it_has_none(
    reachable: Bundle, tmp_path: Path
) -> None:
    in_user_namespace(reachable)
    bind(reachable, owned_tree(tmp_path), "idmap")
    assert owners(reachable, "/m/a", "/m/b") == ["0:0", "5:5"]


@pytest.mark.field("mounts.options.idmap")
def test_what_is_written_through_a_mapped_mount_belongs_to_the_unmapped_user(
    reachable: Bundle, tmp_path: Path
) -> None:
    in_user_namespace(reachable)
    source = owned_tree(tmp_path)
    source.chmod(0o777)
    bind(reachable, source, "idmap")
    done = reachable.script("touch /m/new").run()
    assert done.returncode == 0, done.stderr
    assert (source / "new").stat().st_uid == 0


@pytest.mark.field("mounts.options.idmap")
def test_a_joined_user_namespace_maps_by_itself(reachable: Bundle, tmp_path: Path) -> None:
    bundle = reachable
    holder = subprocess.Popen(
        ["unshare", "-U", "sh", "-c", "echo; exec sleep 100"], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{name}").write_text("0 100000 65536")
        path = f"/proc/{holder.pid}/ns/user"
        bundle.config["linux"]["namespaces"].append({"type": "user", "path": path})
        bind(bundle, owned_tree(tmp_path), "idmap")
        assert owners(bundle, "/m/a", "/m/b") == ["0:0", "5:5"]
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.field("mounts.options.idmap")
def test_mappings_can_be_given_as_text(bundle: Bundle, tmp_path: Path) -> None:
    bind(bundle, owned_tree(tmp_path), "idmap=uids=0-7-1#5-9-1;gids=0-8-10")
    assert owners(bundle, "/m/a", "/m/b") == ["7:8", "9:13"]


def test_many_mapped_mounts_are_prepared_in_one_go(bundle: Bundle, tmp_path: Path) -> None:
    source = owned_tree(tmp_path)
    for number in range(60):
        bind(bundle, source, uidMappings=MAPS, gidMappings=MAPS, destination=f"/m{number}")
    assert owners(bundle, "/m0/b", "/m59/b") == ["1005:1005", "1005:1005"]
    assert bundle.leftovers() == []


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("one-sided", {"uidMappings": MAPS}, "/gidMappings", "is missing: both are given"),
    (
        "new-fs",
        {"type": "tmpfs", "options": ["idmap"], "uidMappings": MAPS, "gidMappings": MAPS},
        "",
        "bind mounts only",
    ),
    ("none", {"options": ["bind", "idmap"]}, "", "has no mappings to use"),
    (
        "empty",
        {"uidMappings": [{"containerID": 0, "hostID": 0, "size": 0}], "gidMappings": MAPS},
        "/uidMappings/0/size",
        "greater than zero",
    ),
    (
        "half",
        {"uidMappings": [{"containerID": 0}], "gidMappings": MAPS},
        "/uidMappings/0/hostID",
        "is missing",
    ),
    ("text", {"options": ["bind", "idmap=@uids=1"]}, "/options", "must be uids="),
    ("text-short", {"options": ["bind", "idmap=uids=1-2;gids=0-0-1"]}, "/options", "ID-HOSTID-SIZE"),
]


@pytest.mark.field("mounts.options.idmap")
@pytest.mark.parametrize(("more", "where", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_mappings_that_make_no_sense_are_refused(
    bundle: Bundle, more: dict[str, Any], where: str, words: str
) -> None:
    bind(bundle, "/etc", **more)
    done = bundle.run()
    assert done.returncode == 1
    assert f"/mounts/4{where}: " in done.stderr
    assert words in done.stderr


@pytest.mark.field("linux.namespaces")
def test_sources_that_only_the_hosts_root_reaches_are_bound_into_a_user_namespace(
    reachable: Bundle, tmp_path: Path, tree: Path
) -> None:
    in_user_namespace(reachable)
    tmp_path.chmod(0o700)  # and pytest's directory above it is so anyway
    (tree / "sub/here").touch()
    bind(reachable, tree, "rro", "nosuid")
    done = reachable.script("ls /m/sub; touch /m/sub/x; cat /proc/self/mountinfo").run()
    assert done.stdout.startswith("here\n"), done.stderr
    assert "Read-only file system" in done.stderr
    line = next(line for line in done.stdout.splitlines() if " /m " in line)
    assert "shared:" not in line


def test_a_file_system_that_cannot_be_mapped_is_told_so(bundle: Bundle) -> None:
    bind(bundle, "/proc/sys", uidMappings=MAPS, gidMappings=MAPS)
    done = bundle.run()
    assert done.returncode == 1
    assert "copy the mount tree at /proc/sys (/mounts/4): invalid argument" in done.stderr
    assert "hint: its file system cannot be id-mapped" in done.stderr
    assert bundle.leftovers() == []


# --- symlinks ---------------------------------------------------------------------------------------------


@pytest.mark.field("mounts.options.copy-symlink")
def test_copy_symlink_makes_the_same_link(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/nowhere/at/all")
    bind(bundle, tmp_path / "link", "copy-symlink")
    done = bundle.args("readlink", "/m").run()
    assert (done.returncode, done.stdout) == (0, "/nowhere/at/all\n"), done.stderr
    again = bundle.run()  # the link is there now
    assert again.returncode == 0, again.stderr


@pytest.mark.field("mounts.options.copy-symlink")
def test_copy_symlink_binds_what_is_no_link(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here\n")
    bind(bundle, tmp_path / "file", "copy-symlink")
    assert bundle.args("cat", "/m").run().stdout == "here\n"


@pytest.mark.field("mounts.options.copy-symlink")
def test_copy_symlink_replaces_nothing(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/nowhere")
    (bundle.rootfs / "m").write_text("mine")
    bind(bundle, tmp_path / "link", "copy-symlink")
    done = bundle.run()
    assert done.returncode == 1
    assert "/m is there already, and is not this symlink" in done.stderr
    assert (bundle.rootfs / "m").read_text() == "mine"


@pytest.mark.field("mounts.options.src-nofollow")
def test_src_nofollow_binds_the_link_itself(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/there")
    (bundle.rootfs / "etc/there").write_text("by the link\n")
    bind(bundle, tmp_path / "link", "src-nofollow")
    done = bundle.script("readlink /m; cat /m").run()
    assert (done.returncode, done.stdout) == (0, "/etc/there\nby the link\n"), done.stderr


@pytest.mark.field("mounts.options.dest-nofollow")
@pytest.mark.parametrize(("options", "seen"), [((), "old new"), (("dest-nofollow",), "new old")])
def test_dest_nofollow_mounts_on_the_link_itself(
    bundle: Bundle, tmp_path: Path, options: tuple[str, ...], seen: str
) -> None:
    for name, text in (("source", "new"), ("rootfs/etc/there", "old")):
        (tmp_path / name).write_text(text)
    (bundle.rootfs / "m").symlink_to("etc/there")
    bind(bundle, tmp_path / "source", *options)
    done = bundle.script("cat /m; echo; cat /etc/there").run()
    first, second = done.stdout.split("\n")
    assert done.returncode == 0, done.stderr
    assert f"{first} {second}" == ("new old" if options else "new new")


@pytest.mark.field("mounts.options.dest-nofollow")
def test_dest_nofollow_makes_what_is_missing(bundle: Bundle, tmp_path: Path) -> None:
    bind(bundle, tmp_path, "dest-nofollow", destination="/a/b")
    assert bundle.args("ls", "/a/b").run().returncode == 0


# --- what a parent has locked -----------------------------------------------------------------------------

# A user namespace whose mount table has /locked from above: its attributes cannot be cleared in it.
LOCKED = (
    "unshare", "-m", "sh", "-ec",
    "mount -t tmpfs -o ro,nosuid,nodev,noexec,noatime tmpfs \"$0\";"
    ' exec unshare -Urmn --propagation unchanged "$@"',
)  # fmt: skip


def nested(bundle: Bundle) -> None:
    """A config that root of a user namespace can have: what is mounted anew is tmpfs."""
    bundle.config["mounts"] = [mount for mount in bundle.config["mounts"] if mount["type"] == "tmpfs"]
    for name in ("maskedPaths", "readonlyPaths"):
        del bundle.config["linux"][name]
    bundle.config["mounts"].append(
        {"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]}
    )


@pytest.mark.field("mounts.locked-flags")
@pytest.mark.parametrize("options", [(), ("ro",), ("nosuid",)], ids=["none", "ro", "nosuid"])
def test_attributes_locked_from_above_are_kept(
    bundle: Bundle, tmp_path: Path, options: tuple[str, ...]
) -> None:
    nested(bundle)
    (tmp_path / "locked").mkdir()
    bind(bundle, tmp_path / "locked", *options)
    wrap = (*LOCKED, str(tmp_path / "locked"))
    done = run_by(OURS, bundle.args("cat", "/proc/self/mounts"), wrap=wrap)
    assert done.code == 0, done.err
    assert {"ro", "nosuid", "nodev", "noexec", "noatime"} <= mount_options(done.out, "/m")


@pytest.mark.field("mounts.locked-flags")
@pytest.mark.parametrize("option", ["rw", "suid", "dev", "exec", "relatime"])
def test_an_attribute_locked_from_above_is_not_cleared_in_silence(
    bundle: Bundle, tmp_path: Path, option: str
) -> None:
    nested(bundle)
    (tmp_path / "locked").mkdir()
    bind(bundle, tmp_path / "locked", option)
    done = run_by(OURS, bundle, wrap=(*LOCKED, str(tmp_path / "locked")))
    assert done.code == 1
    assert "an attribute is locked by the user namespace above" in done.err


# --- a shared mount namespace -----------------------------------------------------------------------------


@pytest.mark.field("linux.namespaces")
def test_without_a_mount_namespace_nothing_is_mounted_and_the_root_is_the_containers(bundle: Bundle) -> None:
    config = bundle.config
    config["mounts"] = []
    for name in ("maskedPaths", "readonlyPaths"):
        del config["linux"][name]
    config["linux"]["namespaces"] = [{"type": "pid"}, {"type": "uts"}]
    before = Path("/proc/self/mountinfo").read_text()
    done = bundle.script("ls /; ls /dev").run()
    assert done.returncode == 0, done.stderr
    assert {"bin", "dev", "null"} <= set(done.stdout.split())
    assert Path("/proc/self/mountinfo").read_text() == before


@pytest.mark.field("linux.namespaces")
@pytest.mark.parametrize(
    ("section", "member", "value"),
    [
        ("", "mounts", [{"destination": "/x", "type": "tmpfs"}]),
        ("root", "readonly", True),
        ("linux", "rootfsPropagation", "private"),
    ],
    ids=["mounts", "readonly", "propagation"],
)
def test_what_would_change_the_hosts_mounts_is_refused(
    bundle: Bundle, section: str, member: str, value: Any
) -> None:
    config = bundle.config
    config["mounts"] = []
    for name in ("maskedPaths", "readonlyPaths"):
        del config["linux"][name]
    config["linux"]["namespaces"] = [{"type": "pid"}, {"type": "uts"}]
    (config[section] if section else config)[member] = value
    done = bundle.run()
    assert done.returncode == 1
    assert f"/{section}/{member}: ".replace("//", "/") in done.stderr
    assert "without a mount namespace" in done.stderr
