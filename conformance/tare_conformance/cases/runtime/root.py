"""config.md, "Root"."""

from __future__ import annotations

import errno
import shutil

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import idle, put
from tare_conformance.verdict import equal, true


@case("config.md, Root: readonly", put("/root/readonly", False))
def a_readonly_root_cannot_be_written(lab: Lab) -> None:
    """root.readonly true: nothing can be made or written in the root filesystem."""
    lab.config["root"]["readonly"] = True
    facts = lab.observe("create=/new", "write=/file", "mkdir=/dir/new", "create=/dev/shm/new")
    equal("making a file in /", facts["create=/new"], errno.EROFS)
    equal("writing a file", facts["write=/file"], errno.EROFS)
    equal("making a directory", facts["mkdir=/dir/new"], errno.EROFS)
    equal("making a file in a mount of its own", facts["create=/dev/shm/new"], 0)


@case("config.md, Root: readonly", put("/root/readonly", True))
def a_root_is_writable_unasked(lab: Lab) -> None:
    """root.readonly false or absent: the root filesystem can be written, and it is the bundle's."""
    lab.config["root"].pop("readonly")
    equal("making a file in /", lab.observe("create=/new")["create=/new"], 0)
    true("the file is in the bundle", (lab.rootfs / "new").exists())


@case("config.md, Root: path", put("/root/path", "rootfs"))
def an_absolute_path_is_taken_as_it_is(lab: Lab) -> None:
    """root.path may be absolute, and anywhere."""
    elsewhere = lab.path / "elsewhere"
    shutil.copytree(lab.rootfs, elsewhere)
    (elsewhere / "file").write_text("elsewhere\n")
    lab.config["root"]["path"] = str(elsewhere)
    equal("/file", lab.observe("read=/file")["read=/file"], "elsewhere\n")


@case("config.md, Root: path", put("/root/path", "other"))
def a_relative_path_starts_at_the_bundle(lab: Lab) -> None:
    """A relative root.path is below the bundle, whatever the caller's working directory."""
    other = lab.bundle.path / "other"
    shutil.copytree(lab.rootfs, other)
    (other / "file").write_text("wrong\n")
    equal("/file", lab.observe("read=/file")["read=/file"], "from the bundle\n")


@case("config.md, Root: path", put("/root/path", "rootfs"), idle("create", 0))
def a_missing_root_is_refused(lab: Lab) -> None:
    """root.path must exist."""
    lab.config["root"]["path"] = "no-such-directory"
    lab.refused("pids", why="a root filesystem that is not there")


@case(
    "config.md, Root",
    put("/mounts/-", {"destination": "/dir", "type": "bind", "source": "/", "options": ["rbind"]}),
)
def the_host_s_tree_is_out_of_reach(lab: Lab) -> None:
    """Inside, / is the root filesystem: the host's directories cannot be reached through .. or mounts."""
    facts = lab.observe("list=/", "list=/..", "lines=/proc/self/mountinfo")
    equal("/..", sorted(facts["list=/.."]), sorted(facts["list=/"]))
    true("the bundle's file is there", "file" in facts["list=/"])
    points = {line.split()[4] for line in facts["lines=/proc/self/mountinfo"]}
    known = {"/", *(mount["destination"] for mount in lab.config["mounts"])}
    equal("mounts that config.json does not name", sorted(points - known), [])
