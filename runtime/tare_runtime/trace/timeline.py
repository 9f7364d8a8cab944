"""What a trace holds: spans of time on lanes, and marks. Pure; the writers beside it make files of it."""

from __future__ import annotations

# Lanes, from top to bottom.
RUNTIME, ENTER, SETUP = (
    "tare-runtime",
    "init, in the host's namespaces",
    "init, in the container's namespaces",
)
LANES = (RUNTIME, ENTER, SETUP)

# category → what it is called in a picture
CATEGORIES = {
    "load": "start and imports",
    "parse": "config.json",
    "plan": "plan",
    "state": "state on disk",
    "spawn": "start of init",
    "wait": "waiting",
    "hooks": "hooks",
    "cgroup": "cgroups",
    "namespaces": "namespaces",
    "mounts": "file system",
    "identity": "identity and security",
    "program": "the program",
    "other": "other",
}

_OF_KIND = {
    "clone": "namespaces",
    "setns_path": "namespaces",
    "setns_process": "namespaces",
    "cgroup_namespace": "namespaces",
    "time_namespace": "namespaces",
    "become_root": "namespaces",
    "setsid": "namespaces",
    "loopback_up": "namespaces",
    "sethostname": "namespaces",
    "setdomainname": "namespaces",
    "sysctl": "namespaces",
    "join_cgroups": "cgroup",
    "sync": "wait",
    "recorded": "wait",
    "gate": "wait",
    "ready": "wait",
    "run_hook": "hooks",
    "find_executable": "program",
    "home": "program",
    "close_fds": "program",
    "exec": "program",
    "chdir": "program",
    "console": "program",
    "root_propagation": "mounts",
    "rootfs": "mounts",
    "mount": "mounts",
    "bind": "mounts",
    "remount": "mounts",
    "mkdir": "mounts",
    "mknod": "mounts",
    "symlink": "mounts",
    "mask": "mounts",
    "readonly": "mounts",
    "pivot_root": "mounts",
    "root_attr": "mounts",
}


def category_of(kind: str) -> str:
    """The category of an operation of the plan; what is not listed sets up who the process is."""
    return "cgroup" if kind.startswith("host_") else _OF_KIND.get(kind, "identity")


class Span:
    """Something that took time. Times are nanoseconds of CLOCK_REALTIME; `index`: of an operation, or -1."""

    __slots__ = ("begin", "category", "detail", "end", "index", "lane", "name", "pointer")

    def __init__(
        self,
        lane: str,
        category: str,
        name: str,
        begin: int,
        end: int,
        *,
        index: int = -1,
        pointer: str = "",
        detail: str = "",
    ) -> None:
        self.lane = lane
        self.category = category
        self.name = name
        self.begin = begin
        self.end = end
        self.index = index
        self.pointer = pointer
        self.detail = detail


class Mark:
    """A moment: `bad` if it is a failure."""

    __slots__ = ("at", "bad", "lane", "name")

    def __init__(self, lane: str, name: str, at: int, *, bad: bool = False) -> None:
        self.lane = lane
        self.name = name
        self.at = at
        self.bad = bad


class Timeline:
    """`title`: the command; spans in the order in which they ended."""

    __slots__ = ("marks", "spans", "title")

    def __init__(self, title: str) -> None:
        self.title = title
        self.spans: list[Span] = []
        self.marks: list[Mark] = []

    def bounds(self) -> tuple[int, int]:
        """The first and the last moment."""
        begins = [span.begin for span in self.spans] + [mark.at for mark in self.marks]
        ends = [span.end for span in self.spans] + [mark.at for mark in self.marks]
        return min(begins), max(ends)

    def operations(self) -> list[Span]:
        """Spans of the plan's operations, in its order: those of the host run beside init's first ones."""
        return sorted((span for span in self.spans if span.index >= 0), key=lambda span: span.index)
