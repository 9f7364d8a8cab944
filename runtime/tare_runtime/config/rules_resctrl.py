"""Rules of linux.intelRdt; loaded where a config has it.

Spec: runtime-spec 1.3, config-linux.md "IntelRdt".
"""

from __future__ import annotations

from tare_runtime.config.rules import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.config.shape import Found


def check(given: dict[str, Any], found: Found) -> None:
    from tare_runtime.cgroup.resctrl import find_mount

    here = ("linux", "intelRdt")
    group = given.get("closID")
    if group is not None and group != "/" and ("/" in group or group in ("", ".", "..")):
        found.append((at(*here, "closID"), f"must be / or the name of one directory, is {group!r}"))
    for field, start in (("l3CacheSchema", ""), ("memBwSchema", "MB:")):
        text = given.get(field, "")
        if "\n" in text:
            found.append((at(*here, field), "must be one line"))
        elif text and not text.startswith(start):
            found.append((at(*here, field), f"must begin with {start}, is {text!r}"))
    for index, line in enumerate(given.get("schemata", ())):
        if "\n" in line:
            found.append((at(*here, "schemata", index), "must be one line"))
    if not find_mount():
        problem = "cannot be applied: no resctrl file system is mounted on this host"
        found.append((at(*here), problem))
