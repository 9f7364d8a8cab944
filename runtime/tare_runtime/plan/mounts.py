"""config.json's mounts → operations. Pure.

Spec: runtime-spec 1.3, config.md "Mounts"; the options are those of mount(8) that the kernel's mount
attributes know, each also with a leading `r` for the whole tree (mount_setattr(2), AT_RECURSIVE).
"""

from tare_runtime._core import lib
from tare_runtime.plan import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tare_runtime.cgroup.paths import CgroupPlan
    from tare_runtime.plan.ops import Op

_ATIME = lib.MOUNT_ATTR__ATIME

# option → (attributes set, attributes cleared)
ATTRIBUTES: dict[str, tuple[int, int]] = {
    "ro": (lib.MOUNT_ATTR_RDONLY, 0),
    "rw": (0, lib.MOUNT_ATTR_RDONLY),
    "nosuid": (lib.MOUNT_ATTR_NOSUID, 0),
    "suid": (0, lib.MOUNT_ATTR_NOSUID),
    "nodev": (lib.MOUNT_ATTR_NODEV, 0),
    "dev": (0, lib.MOUNT_ATTR_NODEV),
    "noexec": (lib.MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, lib.MOUNT_ATTR_NOEXEC),
    "noatime": (lib.MOUNT_ATTR_NOATIME, _ATIME),
    "atime": (0, _ATIME),
    "relatime": (0, _ATIME),
    "norelatime": (0, _ATIME),
    "strictatime": (lib.MOUNT_ATTR_STRICTATIME, _ATIME),
    "nostrictatime": (0, _ATIME),
    "nodiratime": (lib.MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, lib.MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (lib.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, lib.MOUNT_ATTR_NOSYMFOLLOW),
}

PROPAGATION: dict[str, int] = {
    "shared": lib.MS_SHARED,
    "slave": lib.MS_SLAVE,
    "private": lib.MS_PRIVATE,
    "unbindable": lib.MS_UNBINDABLE,
    "rshared": lib.MS_SHARED | lib.MS_REC,
    "rslave": lib.MS_SLAVE | lib.MS_REC,
    "rprivate": lib.MS_PRIVATE | lib.MS_REC,
    "runbindable": lib.MS_UNBINDABLE | lib.MS_REC,
}

# Words of mount(8) that ask for what is so anyway, or that only say something about the mounting itself.
IGNORED = frozenset(("defaults", "silent", "loud", "iversion", "noiversion", "nofail", "auto", "noauto"))


# Words that say how a bind mount's source or target is found.
FLAGS: dict[str, int] = {
    "src-nofollow": ops.SOURCE_NOFOLLOW,
    "dest-nofollow": ops.TARGET_NOFOLLOW,
    "copy-symlink": ops.COPY_SYMLINK,
}
IDMAPS = ("idmap", "ridmap")
# Attributes of a file system, not of a mount of it: a bind mount has them already, or not.
SUPER_BLOCK = frozenset(("async", "sync", "dirsync", "lazytime", "nolazytime", "mand", "nomand"))


class Options:
    """What the options of one mount say: attributes of its top and of its tree, propagation, data.

    idmap: the word that asks for mapped ids, with what is behind its "=", or "".
    """

    __slots__ = (
        "bind", "clear", "copy_up", "data", "flags", "idmap", "propagation", "rclear", "recursive", "remount",
        "rset", "set",
    )  # fmt: skip

    def __init__(self, words: "Iterable[str]") -> None:
        self.set = self.clear = self.rset = self.rclear = self.propagation = self.flags = 0
        self.bind = self.recursive = self.copy_up = self.remount = False
        self.idmap = ""
        data: list[str] = []
        for word in words:
            if word in ATTRIBUTES:
                add, drop = ATTRIBUTES[word]
                self.set = self.set & ~drop | add
                self.clear = self.clear & ~add | drop
            elif word in PROPAGATION:
                self.propagation = PROPAGATION[word]
            elif word in ("bind", "rbind"):
                self.bind = True
                self.recursive = word == "rbind"
            elif word[:1] == "r" and word[1:] in ATTRIBUTES:
                add, drop = ATTRIBUTES[word[1:]]
                self.rset = self.rset & ~drop | add
                self.rclear = self.rclear & ~add | drop
            elif word == "tmpcopyup":
                self.copy_up = True
            elif word == "remount":
                self.remount = True
            elif word in FLAGS:
                self.flags |= FLAGS[word]
            elif word.partition("=")[0] in IDMAPS:
                self.idmap = word
            elif word not in IGNORED:
                data.append(word)
        self.data = ",".join(data)


def plan_mounts(
    config: "dict[str, Any]", bundle: str, cgroup: "CgroupPlan", trees: "list[Op]", *, from_host: bool
) -> "list[Op]":
    """All mounts of the config, in its order.

    What the host has to copy for them is added to `trees`; `from_host`: all that is bound is.
    """
    plan: list[Op] = []
    label = (config.get("linux") or {}).get("mountLabel")
    for index, mount in enumerate(config.get("mounts", ())):
        pointer = f"/mounts/{index}"
        target = "/" + mount["destination"].lstrip("/")
        options = Options(mount.get("options") or ())
        fstype = mount.get("type") or ""
        if options.remount:
            plan.append(ops.remount(pointer, target, (options.set, options.clear)))
        elif options.bind or fstype in ("bind", "none") or (not fstype and mount.get("source")):
            mapped = options.idmap or mount.get("uidMappings")
            if mapped or (from_host and not options.flags & ops.COPY_SYMLINK):
                from tare_runtime.plan.trees import plan_tree

                plan.append(plan_tree(pointer, mount, bundle, target, options, config, trees))
            else:
                plan.append(_bind(pointer, mount, bundle, target, options))
        elif fstype in ("cgroup", "cgroup2"):
            plan += _cgroup(pointer, target, options, cgroup)
        else:
            if label:
                from tare_runtime.plan.labels import labelled

                options.data = labelled(options.data, fstype, config)
            plan.append(_new(pointer, fstype, mount.get("source") or fstype, target, options))
    return plan


def _bind(pointer: str, mount: "dict[str, Any]", bundle: str, target: str, options: Options) -> "Op":
    return ops.bind(
        pointer,
        source_of(mount, bundle),
        target,
        (options.set, options.clear),
        (options.rset, options.rclear),
        options.propagation,
        options.flags | (ops.RECURSIVE if options.recursive else 0),
    )


def source_of(mount: "dict[str, Any]", bundle: str) -> str:
    source: str = mount["source"]
    return source if source[:1] == "/" else f"{bundle}/{source}"


def _new(pointer: str, fstype: str, source: str, target: str, options: Options) -> "Op":
    flags = options.flags & ops.TARGET_NOFOLLOW | (ops.COPY_UP if options.copy_up else 0)
    if fstype in ("proc", "sysfs"):
        # Mounted through a symlink, /proc would lead our later checks elsewhere (CVE-2019-19921).
        flags |= ops.PLAIN_DIRECTORY
    attr = options.set | options.rset
    return ops.mount(pointer, fstype, source, target, attr, options.data, options.propagation, flags)


def _cgroup(pointer: str, target: str, options: Options, cgroup: "CgroupPlan") -> "list[Op]":
    """The container's own cgroups, bound from the host's tree.

    In a cgroup namespace a bind of the container's cgroup shows as the root of its hierarchy, exactly as a
    mount of its own would.
    """
    attr = (options.set, options.clear)
    if cgroup.version == 2:
        source = cgroup.paths[""] + cgroup.subgroup
        return [ops.bind(pointer, source, target, attr, (0, 0), options.propagation, 0)]
    top = options.set & ~lib.MOUNT_ATTR_RDONLY
    plan = [ops.mount(pointer, "tmpfs", "tmpfs", target, top, "mode=755", options.propagation, 0)]
    for name, path, links in _v1_hierarchies(cgroup):
        plan.append(ops.bind(pointer, path, f"{target}/{name}", attr, (0, 0), 0, 0))
        plan += [ops.symlink(pointer, name, f"{target}/{link}") for link in links]
    if options.set & lib.MOUNT_ATTR_RDONLY:
        plan.append(ops.remount(pointer, target, (lib.MOUNT_ATTR_RDONLY, 0)))
    return plan


def _v1_hierarchies(cgroup: "CgroupPlan") -> "list[tuple[str, str, list[str]]]":
    """(name, the container's directory, other names): controllers that are mounted together share one."""
    together: dict[str, list[str]] = {}
    for controller, path in cgroup.paths.items():
        together.setdefault(path, []).append(controller.removeprefix("name="))
    return [(",".join(names), path, names if len(names) > 1 else []) for path, names in together.items()]
