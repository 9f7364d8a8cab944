"""Rules of mounts that not every config needs: mapped ids, and options that a bind mount cannot have. Pure.

Spec: runtime-spec 1.3, config.md "Mounts".
"""

from __future__ import annotations

from tare_runtime.config.rules import at
from tare_runtime.plan.mounts import SUPER_BLOCK, Options
from tare_runtime.plan.trees import mappings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.config.shape import Found


def is_bind(mount: dict[str, Any], options: Options) -> bool:
    fstype = mount.get("type")
    return options.bind or fstype in ("bind", "none") or (not fstype and bool(mount.get("source")))


def check_bind_options(mount: dict[str, Any], index: int, found: Found) -> None:
    """A file system that is there already takes no options of its own."""
    options = Options(mount.get("options", ()))
    extra = [word for word in options.data.split(",") if word and word not in SUPER_BLOCK]
    for word in extra:
        where = at("mounts", index, "options")
        if word in mount["options"]:
            where = at("mounts", index, "options", mount["options"].index(word))
        found.append((where, f"{word!r} is no option of a bind mount: its file system is mounted already"))


def check_idmap(mount: dict[str, Any], index: int, config: dict[str, Any], found: Found) -> None:
    for field in ("uidMappings", "gidMappings"):
        for number, entry in enumerate(mount.get(field, ())):
            _check_map(entry, ("mounts", index, field, number), found)
    if bool(mount.get("uidMappings")) != bool(mount.get("gidMappings")):
        missing = "gidMappings" if mount.get("uidMappings") else "uidMappings"
        found.append((at("mounts", index, missing), "is missing: both are given, or none"))
        return
    options = Options(mount.get("options", ()))
    if not is_bind(mount, options):
        problem = "ids can be mapped for bind mounts only: this one is a new file system"
        found.append((at("mounts", index), problem))
    try:
        namespace, uids, _ = mappings(mount, options.idmap, config.get("linux", {}))
    except ValueError as error:
        found.append((at("mounts", index, "options"), f"{options.idmap!r}: {error}"))
        return
    if not (namespace or uids):
        problem = "has no mappings to use: give uidMappings and gidMappings, here or for a user namespace"
        found.append((at("mounts", index), problem))


def _check_map(entry: dict[str, Any], here: tuple[str | int, ...], found: Found) -> None:
    for key in ("containerID", "hostID", "size"):
        if key not in entry:
            found.append((at(*here, key), "is missing"))
    if entry.get("size") == 0:
        found.append((at(*here, "size"), "must be greater than zero"))
