"""config-linux.md, "Masked Paths" and "Readonly Paths"."""

from __future__ import annotations

import errno

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, idle
from tare_conformance.verdict import equal, true


@case("config-linux.md, Masked Paths", drop("/linux/maskedPaths"), drop("/linux/maskedPaths/0"))
def a_masked_file_shows_nothing(lab: Lab) -> None:
    """A masked file cannot be read by the program: of the root filesystem, and of proc."""
    lab.linux["maskedPaths"] = ["/file", "/proc/version"]
    facts = lab.observe("read=/file", "read=/proc/version")
    for word, content in facts.items():
        true(f"{word} gives nothing: {content!r}", content == "" or isinstance(content, dict))


@case("config-linux.md, Masked Paths", drop("/linux/maskedPaths"), drop("/linux/maskedPaths/1"))
def a_masked_directory_shows_nothing(lab: Lab) -> None:
    """What is in a masked directory cannot be seen, and nothing can be put there."""
    (lab.rootfs / "dir/secret").write_text("secret")
    lab.linux["maskedPaths"] = ["/dir", "/proc/sys"]
    facts = lab.observe("list=/dir", "read=/dir/secret", "create=/dir/new", "list=/proc/sys")
    true("the directory is empty or closed", facts["list=/dir"] == [] or isinstance(facts["list=/dir"], dict))
    true("the file in it cannot be read", isinstance(facts["read=/dir/secret"], dict))
    true("nothing can be made there", facts["create=/dir/new"] != 0)
    true(
        "/proc/sys shows nothing", facts["list=/proc/sys"] == [] or isinstance(facts["list=/proc/sys"], dict)
    )


@case("config-linux.md, Masked Paths", idle("create", 1))
def a_masked_path_that_is_missing_is_no_error(lab: Lab) -> None:
    """Masking what the container does not have changes nothing: kernels differ in what proc holds."""
    lab.linux["maskedPaths"] = ["/proc/not-in-this-kernel"]
    lab.linux["readonlyPaths"] = ["/proc/not-in-this-kernel-either"]
    equal("pid inside", lab.observe("pids")["pids"]["pid"], 1)


@case("config-linux.md, Readonly Paths", drop("/linux/readonlyPaths/0"), drop("/linux/readonlyPaths/2"))
def a_readonly_path_cannot_be_written(lab: Lab) -> None:
    """Below a readonly path everything can be read and nothing written."""
    (lab.rootfs / "dir/sub/f").write_text("text")
    lab.linux["readonlyPaths"] = ["/dir", "/proc/sys", "/file"]
    facts = lab.observe(
        "read=/dir/sub/f", "write=/dir/sub/f", "create=/dir/new", "write=/file", "create=/beside"
    )
    equal("reading", facts["read=/dir/sub/f"], "text")
    for word in ("write=/dir/sub/f", "create=/dir/new", "write=/file"):
        equal(word, facts[word], errno.EROFS)
    equal("what is beside stays writable", facts["create=/beside"], 0)


@case("config-linux.md, Readonly Paths", drop("/linux/readonlyPaths"))
def kernel_settings_can_be_made_readonly(lab: Lab) -> None:
    """/proc/sys as a readonly path closes the kernel's settings even to user 0."""
    lab.linux["readonlyPaths"] = ["/proc/sys"]
    word = "write=/proc/sys/net/ipv4/ip_forward"
    equal(word, lab.observe(word)[word], errno.EROFS)
