"""config.md, "Hostname" and "Domainname"."""

from __future__ import annotations

import os

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put
from tare_conformance.verdict import equal


@case("config.md, Hostname", drop("/hostname"), put("/hostname", "other"))
def hostname_is_set(lab: Lab) -> None:
    """hostname is what the program sees, and the host keeps its own."""
    before = os.uname().nodename
    lab.config["hostname"] = "some-name.example"
    equal("host name inside", lab.observe("uts")["uts"]["hostname"], "some-name.example")
    equal("host name outside", os.uname().nodename, before)


@case("config.md, Domainname", drop("/domainname"), put("/domainname", "other"))
def domainname_is_set(lab: Lab) -> None:
    """domainname is the NIS domain name that the program sees."""
    lab.config["ociVersion"] = "1.1.0"
    lab.config["domainname"] = "some.domain"
    equal("domain name inside", lab.observe("uts")["uts"]["domainname"], "some.domain")


@case("config.md, Hostname", drop("/hostname"))
def hostname_needs_a_uts_namespace(lab: Lab) -> None:
    """A hostname without a new UTS namespace would be the host's: create fails."""
    lab.linux["namespaces"] = [entry for entry in lab.linux["namespaces"] if entry["type"] != "uts"]
    lab.refused("pids", why="a hostname without a UTS namespace")
