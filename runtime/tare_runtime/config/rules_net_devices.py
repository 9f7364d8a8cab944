"""Rules of linux.netDevices; loaded where a config has some."""

from __future__ import annotations

from posix import geteuid

from tare_runtime.config.rules import at
from tare_runtime.plan.net_devices import name_problem, new_name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.config.shape import Found


def check(devices: dict[str, dict[str, Any]], why_not: str, found: Found) -> None:
    """`why_not`: what is wrong with the container's network namespace, or ""."""
    here = ("linux", "netDevices")
    if why_not:
        found.append((at(*here), why_not))
    elif geteuid() != 0:
        found.append((at(*here), "needs root: a device of the host cannot be moved without"))
    seen = set()
    for name, device in devices.items():
        problem = name_problem(name, template=False)
        if problem:
            found.append((at(*here, name), problem))
        new_name = new_name_of(name, device or {})
        problem = name_problem(new_name, template=True)
        if problem and new_name != name:
            found.append((at(*here, name, "name"), problem))
        if new_name in seen and "%d" not in new_name:
            found.append((at(*here, name, "name"), f"{new_name!r} is the name of another device, too"))
        seen.add(new_name)
