"""The host as `doctor` looks at it: files of /proc, /sys and /etc, or a directory that has the like."""

from __future__ import annotations

import posix


class Fact:
    """One thing that containers may need. `status`: YES, NO or PARTLY; `need`: without it nothing runs."""

    __slots__ = ("advice", "detail", "name", "need", "status", "topic")

    def __init__(
        self, topic: str, name: str, status: str, detail: str, advice: str = "", *, need: bool = False
    ) -> None:
        self.topic = topic
        self.name = name
        self.status = status
        self.detail = detail
        self.advice = advice
        self.need = need

    def as_row(self) -> dict[str, object]:
        return {
            "topic": self.topic,
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "advice": self.advice,
            "essential": self.need,
        }


YES, NO, PARTLY = "yes", "no", "partly"


class Host:
    """`root`: "" for this host, or a directory that has its files; `uid` and `release`: who asks, on what."""

    __slots__ = ("capabilities", "release", "root", "uid")

    def __init__(
        self,
        root: str = "",
        *,
        uid: int | None = None,
        release: str = "",
        capabilities: int | None = None,
    ) -> None:
        self.root = root
        self.uid = posix.geteuid() if uid is None else uid
        self.release = release or posix.uname().release
        if capabilities is None:
            from tare_runtime._core import lib

            capabilities = lib.tare_bounding_set()
        self.capabilities = capabilities

    def read(self, path: str) -> str | None:
        """The text of a small file, without the newline at its end; None if it cannot be read."""
        try:
            fd = posix.open(self.root + path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        except OSError:
            return None
        try:
            data = b""
            while len(data) < 1 << 20 and (chunk := posix.read(fd, 65536)):
                data += chunk
            return data.decode("utf-8", "replace").rstrip("\n")
        except OSError:
            return None
        finally:
            posix.close(fd)

    def words(self, path: str) -> list[str]:
        return (self.read(path) or "").split()

    def number(self, path: str) -> int | None:
        text = self.read(path)
        return int(text) if text and text.lstrip("-").isdigit() else None

    def exists(self, path: str) -> bool:
        return posix.access(self.root + path, posix.F_OK)

    def is_writable(self, path: str) -> bool:
        return posix.access(self.root + path, posix.W_OK)

    def names(self, path: str) -> list[str]:
        try:
            return sorted(posix.listdir(self.root + path))
        except OSError:
            return []

    def kernel(self) -> tuple[int, int]:
        """Major and minor version."""
        numbers = self.release.replace("-", ".").split(".")
        return int(numbers[0]), int(numbers[1]) if len(numbers) > 1 and numbers[1].isdigit() else 0

    def has_capability(self, name: str) -> bool:
        from tare_runtime.plan.identity import CAPABILITIES

        return bool(self.capabilities >> CAPABILITIES.index(name) & 1)

    def mounts(self) -> list[tuple[str, str, str]]:
        """(mount point, file system, options of mount and file system) of each mount."""
        found = []
        for line in (self.read("/proc/self/mountinfo") or "").splitlines():
            left, _, right = line.partition(" - ")
            fields, ends = left.split(" "), right.split(" ")
            if len(fields) > 5 and len(ends) > 2:
                found.append((fields[4], ends[0], f"{fields[5]},{ends[2]}"))
        return found

    def find_program(self, name: str) -> str:
        """Its path, or ""."""
        for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"):
            if self.exists(f"{folder}/{name}"):
                return f"{folder}/{name}"
        return ""
