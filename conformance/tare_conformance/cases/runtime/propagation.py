"""config-linux.md, "Rootfs Mount Propagation"."""

from __future__ import annotations

from tare_conformance import kernel
from tare_conformance.case import case
from tare_conformance.cases.runtime.mounts import TABLE, propagation_of
from tare_conformance.lab import Lab
from tare_conformance.mutants import litters, put
from tare_conformance.verdict import equal


def root_with(lab: Lab, word: str) -> list[str]:
    """The propagation of / inside, with the root filesystem on a shared mount of the host."""
    lab.host_mount(str(lab.rootfs), lab.rootfs, "", kernel.MS_BIND, kernel.MS_SHARED)
    lab.linux["rootfsPropagation"] = word
    return propagation_of(lab.observe(TABLE), "/")


@case("config-linux.md, Rootfs Mount Propagation", put("/linux/rootfsPropagation", "shared"))
def private_cuts_the_root_off(lab: Lab) -> None:
    """rootfsPropagation private: the root filesystem's mounts propagate nowhere."""
    equal("propagation of /", root_with(lab, "private"), [])


@case("config-linux.md, Rootfs Mount Propagation", put("/linux/rootfsPropagation", "private"))
def shared_lets_mounts_out(lab: Lab) -> None:
    """rootfsPropagation shared: mounts propagate both ways."""
    equal("propagation of /", "shared" in root_with(lab, "shared"), True)


@case("config-linux.md, Rootfs Mount Propagation", put("/linux/rootfsPropagation", "private"))
def unbindable_is_set(lab: Lab) -> None:
    """rootfsPropagation unbindable: the root filesystem cannot be bound elsewhere."""
    equal("propagation of /", root_with(lab, "unbindable"), ["unbindable"])


@case("config-linux.md, Rootfs Mount Propagation", litters("create", "mount"))
def a_host_with_shared_mounts_keeps_them_as_they_are(lab: Lab) -> None:
    """On a host whose mounts are all shared, a container of any propagation adds and removes none."""
    lab.share_mounts()
    for word in ("", "private", "slave", "shared"):
        if word:
            lab.linux["rootfsPropagation"] = word
        equal(f"process id, with {word or 'no word'}", lab.observe("pids")["pids"]["pid"], 1)
        equal(f"changes on the host, with {word or 'no word'}", lab.changed_mounts(), [])
