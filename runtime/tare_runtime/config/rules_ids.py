"""Ids that a user namespace does not map: nobody can be them in it. Pure; loaded where a config has mappings.

The kernel says "invalid argument" to each of them, long after the config was read.
"""

from __future__ import annotations

from tare_runtime.config.rules import at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.config.shape import Found

    Maps = list[dict[str, Any]]

_OPTIONS = {"uid": "uidMappings", "gid": "gidMappings"}


def check(config: dict[str, Any], found: Found) -> None:
    linux = config["linux"]
    for field in _OPTIONS.values():
        if not all(len(entry.keys() & {"containerID", "hostID", "size"}) == 3 for entry in linux[field]):
            return  # told already
    user = config.get("process", {}).get("user", {})
    for name, field in _OPTIONS.items():
        if not is_mapped(user.get(name, 0), linux[field]):
            found.append((at("process", "user", name), _problem(user.get(name, 0), field)))
    for index, group in enumerate(user.get("additionalGids", ())):
        if not is_mapped(group, linux["gidMappings"]):
            found.append((at("process", "user", "additionalGids", index), _problem(group, "gidMappings")))
    for index, mount in enumerate(config.get("mounts", ())):
        _check_mount(mount, index, linux, found)


def is_mapped(number: int, maps: Maps) -> bool:
    return any(0 <= number - entry["containerID"] < entry["size"] for entry in maps)


def _problem(number: int, field: str) -> str:
    return f"{number} is not mapped by linux.{field}"


def _check_mount(mount: dict[str, Any], index: int, linux: dict[str, Any], found: Found) -> None:
    for number, word in enumerate(mount.get("options", ())):
        name, _, text = word.partition("=")
        if name in _OPTIONS and text.isascii() and text.isdigit():
            field = _OPTIONS[name]
            if not is_mapped(int(text), linux[field]):
                found.append((at("mounts", index, "options", number), _problem(int(text), field)))
