"""The id maps of a new user namespace, written from outside it (user_namespaces(7))."""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def write_maps(pid: int, uids: "list[dict[str, Any]]", gids: "list[dict[str, Any]]") -> None:
    """Write the maps of process `pid`. Raises: OSError with the map that the kernel refused."""
    if posix.geteuid() != 0:
        # Without privilege a gid map is taken only once setgroups(2) is given up.
        _write(pid, "setgroups", "deny", "/linux/gidMappings")
    _write(pid, "uid_map", _lines(uids), "/linux/uidMappings")
    _write(pid, "gid_map", _lines(gids), "/linux/gidMappings")


def _lines(maps: "list[dict[str, Any]]") -> str:
    return "".join(f"{item['containerID']} {item['hostID']} {item['size']}\n" for item in maps)


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
