"""The id maps of a user namespace, written from outside it, and what they allow (user_namespaces(7)).

Cold: loaded for containers with a user namespace, and where we are not root of the host's.
"""

import posix

from tare_runtime.cgroup.paths import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Maps = list[dict[str, Any]]

# Where shadow's programs are: set-uid, they write what /etc/subuid and /etc/subgid give to their caller.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HELPERS = {"uid_map": "newuidmap", "gid_map": "newgidmap"}


def settle_maps(pid: int, linux: "dict[str, Any]") -> None:
    """Write the maps of process `pid`, in a new user namespace; in one that was joined, compare them.

    Raises: OSError with the map that was refused, or that is another one.
    """
    uids, gids = linux.get("uidMappings") or [], linux.get("gidMappings") or []
    for namespace in linux.get("namespaces") or ():
        if namespace["type"] == "user" and namespace.get("path"):
            _compare(pid, "uid_map", uids, "/linux/uidMappings", namespace["path"])
            _compare(pid, "gid_map", gids, "/linux/gidMappings", namespace["path"])
            return
    helped = needs_helper(uids, posix.geteuid()) or needs_helper(gids, posix.getegid())
    if posix.geteuid() != 0 and not helped:
        # Without privilege a gid map is taken only once setgroups(2) is given up.
        _write(pid, "setgroups", "deny", "/linux/gidMappings")
    for name, maps, pointer in (
        ("uid_map", uids, "/linux/uidMappings"),
        ("gid_map", gids, "/linux/gidMappings"),
    ):
        if helped:
            _write_by_helper(pid, name, maps, pointer)
        else:
            _write(pid, name, _lines(maps), pointer)


def needs_helper(maps: "Maps", own: int) -> bool:
    """Whether we may not write such a map ourselves: without root only the own id can be mapped."""
    if posix.geteuid() == 0:
        return False
    return len(maps) != 1 or maps[0]["size"] != 1 or maps[0]["hostID"] != own


def may_set_groups(linux: "dict[str, Any]") -> bool:
    """Whether setgroups(2) will be allowed to a container's first process."""
    if read_text("/proc/self/setgroups").strip() == "deny":
        return False
    if posix.geteuid() == 0:
        return True
    return needs_helper(linux.get("gidMappings") or [], posix.getegid()) and not _joins_user_namespace(linux)


def may_set_groups_in(pid: int) -> bool:
    """Whether setgroups(2) is allowed in the user namespace of process `pid`."""
    return read_text(f"/proc/{pid}/setgroups").strip() == "allow"


def _joins_user_namespace(linux: "dict[str, Any]") -> bool:
    return any(item["type"] == "user" and item.get("path") for item in linux.get("namespaces") or ())


def _lines(maps: "Maps") -> str:
    return "".join(f"{item['containerID']} {item['hostID']} {item['size']}\n" for item in maps)


def _compare(pid: int, name: str, maps: "Maps", pointer: str, path: str) -> None:
    """A namespace that is joined has its maps: those of the config can only say the same."""
    if not maps:
        return
    have = sorted(tuple(map(int, line.split())) for line in read_text(f"/proc/{pid}/{name}").splitlines())
    want = sorted((item["containerID"], item["hostID"], item["size"]) for item in maps)
    if have != want:
        from errno import EINVAL

        raise OSError(EINVAL, f"join user namespace {path}: its {name} is not what {pointer} says: {have}")


def _write(pid: int, name: str, text: str, pointer: str) -> None:
    path = f"/proc/{pid}/{name}"
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(fd, text.encode())
        finally:
            posix.close(fd)
    except OSError as error:
        what = " ".join(text.split("\n")).strip()
        reason = str(error.strerror).lower()
        raise OSError(error.errno, f"write {what!r} to {name} ({pointer}): {reason}") from None


def _write_by_helper(pid: int, name: str, maps: "Maps", pointer: str) -> None:
    helper = _HELPERS[name]
    words = [str(item[key]) for item in maps for key in ("containerID", "hostID", "size")]
    program = _find(helper)
    if not program:
        from errno import EPERM

        problem = f"map {' '.join(words)} ({pointer}): it takes root, or {helper}, which is not installed"
        raise OSError(EPERM, problem)
    complaint, code = _run([program, str(pid), *words])
    if code:
        from errno import EPERM

        raise OSError(EPERM, f"map {' '.join(words)} ({pointer}): {complaint or f'{helper} failed: {code}'}")


def _find(name: str) -> str:
    path = posix.environ.get(b"PATH", b"").decode("utf-8", "surrogateescape") or _PATH
    for folder in path.split(":"):
        if folder[:1] == "/" and posix.access(f"{folder}/{name}", posix.X_OK):
            return f"{folder}/{name}"
    return ""


def _run(argv: "list[str]") -> "tuple[str, int]":
    """Run a program; what it wrote to standard error, and its exit status."""
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    try:
        actions = [(posix.POSIX_SPAWN_DUP2, writer, 2)]
        pid = posix.posix_spawn(argv[0], argv, posix.environ, file_actions=actions)
    except BaseException:
        posix.close(reader)
        raise
    finally:
        posix.close(writer)
    said = b""
    while chunk := posix.read(reader, 4096):
        said += chunk
    posix.close(reader)
    _, status = posix.waitpid(pid, 0)
    return said.decode("utf-8", "replace").strip(), posix.waitstatus_to_exitcode(status)
