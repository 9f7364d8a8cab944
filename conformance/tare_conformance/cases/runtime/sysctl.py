"""config-linux.md, "Sysctl"."""

from __future__ import annotations

from pathlib import Path

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put
from tare_conformance.verdict import equal


@case(
    "config-linux.md, Sysctl",
    drop("/linux/sysctl"),
    put("/linux/sysctl/kernel.msgmax", "8192"),
)
def sysctls_are_set_inside(lab: Lab) -> None:
    """Each key of sysctl is set in the container's namespaces, and the host keeps its value."""
    host = Path("/proc/sys/kernel/msgmax").read_text()
    lab.linux["sysctl"] = {"kernel.msgmax": "12345", "net.ipv4.ip_forward": "1"}
    facts = lab.observe("read=/proc/sys/kernel/msgmax", "read=/proc/sys/net/ipv4/ip_forward")
    equal("kernel.msgmax", facts["read=/proc/sys/kernel/msgmax"], "12345\n")
    equal("net.ipv4.ip_forward", facts["read=/proc/sys/net/ipv4/ip_forward"], "1\n")
    equal("the host's kernel.msgmax", Path("/proc/sys/kernel/msgmax").read_text(), host)


@case("config-linux.md, Sysctl", drop("/linux/sysctl"))
def a_sysctl_that_is_missing_is_refused(lab: Lab) -> None:
    """A key that the kernel does not have makes create fail."""
    lab.linux["sysctl"] = {"net.ipv4.no_such_setting": "1"}
    lab.refused("pids", why="the sysctl net.ipv4.no_such_setting")
