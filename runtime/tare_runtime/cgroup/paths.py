"""Which cgroup hierarchies this host has, and where a container's cgroups go in them.

`discover` reads two files of /proc; everything else is pure, so plans can be made for other hosts.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cgroup.systemd import Unit
    from tare_runtime.plan.ops import Op


class Hierarchy:
    """What a host offers. `mounts` and `own` map a controller (or "name=systemd") to a directory.

    mounts: where its hierarchy is mounted; own: our own cgroup in it, below that mount. On v2 both have
    the one key "". Controllers that are mounted together map to the same directory.
    """

    __slots__ = ("devices", "mounts", "own", "unified", "version")

    def __init__(self, version: int, mounts: dict[str, str], own: dict[str, str]) -> None:
        self.version = version
        self.mounts = mounts
        self.own = own
        self.devices = True  # whether device rules can be made
        self.unified = ""  # where v2 is mounted beside v1 (a hybrid), without controllers


class CgroupPlan:
    """paths: controller → absolute path ("" on v2); created: the directories to remove, deepest last.

    more_tasks: files by which every process joins what is no cgroup (resctrl).
    late: how many of `host_ops`, at their end, wait until the container's first process is there. The limit
    on processes does: stage one of init counts too while it lives, and a limit of 1 would stop its clone.
    Where systemd makes the cgroups all of them do, and `open_ops` too, for `unit`, which wants the process.
    subgroup: "/NAME" of the cgroup below that the process joins (v2), or "".
    """

    __slots__ = (
        "created", "host_ops", "late", "more_tasks", "open_ops", "paths", "subgroup", "unit", "version",
    )  # fmt: skip

    def __init__(
        self, version: int, paths: dict[str, str], created: list[str], host_ops: list[Op], open_ops: list[Op]
    ) -> None:
        self.version = version
        self.paths = paths
        self.created = created
        self.host_ops = host_ops
        self.late = 0
        self.more_tasks: list[str] = []
        self.open_ops = open_ops
        self.unit: Unit | None = None
        self.subgroup = ""

    def as_state(self) -> dict[str, object]:
        """The part of state.json that later commands need."""
        state: dict[str, object] = {
            "version": self.version,
            "paths": self.paths,
            "created": self.created,
        }
        if self.more_tasks:
            state["moreTasks"] = self.more_tasks
        if self.unit:
            state["unit"] = self.unit.name
            state["userUnit"] = self.unit.user
        if self.subgroup:
            state["subgroup"] = self.subgroup
        return state


def is_first_user_namespace() -> bool:
    """Whether our user namespace is the host's: its number is PROC_USER_INIT_INO since kernel 3.8."""
    return posix.readlink("/proc/self/ns/user") == "user:[4026531837]"


def discover() -> Hierarchy:
    """The hierarchies that are mounted here. v1 wins on a host that has both: its controllers are there."""
    own_cgroups = read_text("/proc/self/cgroup")
    return usual_places(own_cgroups) or parse_hierarchy(read_text("/proc/self/mountinfo"), own_cgroups)


def usual_places(own_cgroups: str, top: str = "/sys/fs/cgroup") -> Hierarchy | None:
    """The hierarchies of v1 if all are where every distribution mounts them; else None.

    Much quicker than the mount table. A directory counts if it is the root of a file system of its own
    (inode 1), as a hierarchy is that is mounted whole.
    """
    mounts: dict[str, str] = {}
    own: dict[str, str] = {}
    try:
        outside = posix.stat(top).st_dev
        for line in own_cgroups.splitlines():
            _, names, path = line.split(":", 2)
            if not names:
                continue  # v2: no controllers of ours are there, or there is no other line
            point = f"{top}/{names.removeprefix('name=')}"
            found = posix.stat(point)
            if found.st_ino != 1 or found.st_dev == outside:
                return None
            for name in names.split(","):
                mounts[name] = point
                own[name] = point if path == "/" else point + path
    except OSError:
        return None
    return Hierarchy(1, mounts, own) if mounts.keys() - {"name=systemd"} else None


def parse_hierarchy(mountinfo: str, own_cgroups: str) -> Hierarchy:
    """Pure part of `discover`: texts of /proc/self/mountinfo and /proc/self/cgroup."""
    own_paths: dict[str, str] = {}
    for line in own_cgroups.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            own_paths[name] = path
    mounts: dict[str, str] = {}
    own: dict[str, str] = {}
    unified: tuple[str, str] | None = None
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - cgroup")
        if not dash:
            continue
        fields = left.split(" ")
        root, point = _unescape(fields[3]), _unescape(fields[4])
        if right[:1] == "2":
            if unified is None:
                unified = (point, _below(point, root, own_paths.get("", "/")))
            continue
        for name in right.split(" ")[-1].split(","):
            if name in own_paths and name not in mounts:
                mounts[name] = point
                own[name] = _below(point, root, own_paths[name])
    if mounts.keys() - {"name=systemd"} or unified is None:
        found = Hierarchy(1, mounts, own)
        found.unified = unified[0] if unified else ""
        return found
    return Hierarchy(2, {"": unified[0]}, {"": unified[1]})


def container_base(cgroups_path: str, id: str) -> tuple[bool, list[str]]:
    """Where `linux.cgroupsPath` leads: (from the mount's root?, the directories below).

    An absolute path counts from the root of each hierarchy; a relative one, and the id where the config
    has none, from our own cgroup. `..` cannot lead out.
    """
    return cgroups_path[:1] == "/", below_root(cgroups_path) or [id]


def below_root(path: str) -> list[str]:
    """The directories of a path, with `.` and `..` resolved as if "/" were above it."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts


def _below(point: str, root: str, path: str) -> str:
    """Our own cgroup as a directory: `path` counts from the hierarchy's root, the mount shows from `root`."""
    if root != "/":
        path = path[len(root) :] if path == root or path.startswith(root + "/") else "/"
    return point if path in ("/", "") else point + path


def _unescape(field: str) -> str:
    if "\\" not in field:
        return field
    head, *rest = field.split("\\")
    return head + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)


def read_text(path: str) -> str:
    """A whole file of /proc."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        data = b""
        while chunk := posix.read(fd, 8192):
            data += chunk
    finally:
        posix.close(fd)
    return data.decode("utf-8", "surrogateescape")
