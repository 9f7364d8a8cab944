"""Bind mounts that the host copies, with mapped ids or without → operations. Pure.

Loaded where a config maps ids, or where it has a user namespace, whose root may not reach every source.

Spec: runtime-spec 1.3, config.md "Mounts", uidMappings; config-linux.md, the mount options idmap and ridmap.
"""

from tare_runtime.plan import ops
from tare_runtime.plan.mounts import source_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.plan.mounts import Options
    from tare_runtime.plan.ops import Op

    Maps = list[dict[str, int]]


def plan_tree(
    pointer: str,
    mount: "dict[str, Any]",
    bundle: str,
    target: str,
    options: "Options",
    config: "dict[str, Any]",
    trees: "list[Op]",
) -> "Op":
    """The operation that attaches the mount; the one that makes it, on the host, is added to `trees`."""
    namespace = ""
    uids: Maps = []
    gids: Maps = []
    if options.idmap or mount.get("uidMappings"):
        namespace, uids, gids = mappings(mount, options.idmap, config.get("linux") or {})
    how = options.flags & ops.SOURCE_NOFOLLOW | (ops.RECURSIVE if options.recursive else 0)
    if options.idmap[:1] == "r":
        how |= ops.IDMAP_RECURSIVE
    source = source_of(mount, bundle)
    trees.append(ops.host_tree(pointer, source, namespace, lines_of(uids), lines_of(gids), how))
    return ops.bind_tree(
        pointer,
        len(trees) - 1,
        target,
        (options.set, options.clear),
        (options.rset, options.rclear),
        options.propagation,
        options.flags & ops.TARGET_NOFOLLOW,
    )


def mappings(mount: "dict[str, Any]", word: str, linux: "dict[str, Any]") -> "tuple[str, Maps, Maps]":
    """(a user namespace's path, uid maps, gid maps): the mount's own, or those of the container.

    A path only where the container joins a user namespace and says nothing of its maps. Both empty: there
    is nothing to map by. Raises: ValueError where the text behind "idmap=" has another form.
    """
    _, equals, text = word.partition("=")
    if equals:
        uids, gids = parse_text(text)
        return "", uids, gids
    if mount.get("uidMappings"):
        return "", mount["uidMappings"], mount["gidMappings"]
    if linux.get("uidMappings"):
        return "", linux["uidMappings"], linux.get("gidMappings") or []
    for namespace in linux.get("namespaces") or ():
        if namespace.get("type") == "user" and namespace.get("path"):
            return namespace["path"], [], []
    return "", [], []


def parse_text(text: str) -> "tuple[Maps, Maps]":
    """The maps in "uids=0-1000-1#1-2000-10;gids=0-1000-1", as crun takes them behind "idmap="."""
    found: dict[str, Maps] = {"uids": [], "gids": []}
    for part in text.split(";"):
        kind, _, triples = part.partition("=")
        if kind not in found or found[kind]:
            raise ValueError(f"must be uids=…;gids=…, is {text!r}")
        for triple in triples.split("#"):
            numbers = triple.split("-")
            if len(numbers) != 3 or not all(number.isascii() and number.isdigit() for number in numbers):
                raise ValueError(f"must be made of ID-HOSTID-SIZE, is {triple!r}")
            inside, outside, size = map(int, numbers)
            found[kind].append({"containerID": inside, "hostID": outside, "size": size})
    if not (found["uids"] and found["gids"]):
        raise ValueError(f"must map both uids and gids, is {text!r}")
    return found["uids"], found["gids"]


def lines_of(maps: "Maps") -> str:
    return "".join(f"{item['containerID']} {item['hostID']} {item['size']}\n" for item in maps)
