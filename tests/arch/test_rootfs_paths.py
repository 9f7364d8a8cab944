"""Nothing in a root filesystem is opened by a path: what of that a search of the text can tell.

The real proof is the runtime's own tests with hostile trees. This one keeps the easy mistake out: a libc call
that takes a path string, in code that runs where paths may belong to the container.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.arch.source_tree import ROOT, files_under

INIT = "runtime/csrc/init"
# Calls that resolve a path string from the working directory or the root, symlinks and all.
BY_PATH = re.compile(
    r"(?<![\w.>])(open|fopen|opendir|creat|stat|lstat|access|mkdir|mknod|symlink|link|unlink|rmdir|rename|chmod|"
    r"chown|lchown|truncate|utimes|setxattr|lsetxattr|getxattr|readlink|mount|umount|umount2|chroot|chdir|"
    r"realpath|execv|execve|execvp|execvpe|statfs|statvfs|inotify_add_watch|bind|connect)\s*\("
)
AFTER_PIVOT = "the container's own root is / by then: its paths resolve inside it"
# file → call → why it may take a path string there. Whatever is not here takes a descriptor.
ALLOWED: dict[str, dict[str, str]] = {
    "bind.c": {"umount2": "the path is self/fd/N, in the host's procfs"},
    "enter.c": {"open": "stage one: still in the host's namespaces, paths from the config and /proc"},
    "hook.c": {"execve": "the hook's own path, after the pivot or on the host, as the specification says"},
    "mounts.c": dict.fromkeys(
        ("mount", "umount2"), "options too long for fsconfig; the path is /proc/self/fd/N"
    ),
    "nodes.c": {"open": "the host's /dev/null, before the pivot"},
    "process.c": dict.fromkeys(("chdir", "stat", "execve", "open"), AFTER_PIVOT),
    "root.c": dict.fromkeys(
        ("mount", "umount2", "open", "chroot", "chdir"),
        "the root itself: /, . and the rootfs as the host names it",
    ),
}


def code_lines(path: Path) -> list[tuple[int, str]]:
    """Lines without comments and without the text of string literals."""
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match.group().count("\n"), path.read_text(), flags=re.S)
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        lines.append((number, line.partition("//")[0]))
    return lines


@pytest.mark.parametrize("path", files_under(INIT, ".c"), ids=lambda path: path.name)
def test_init_opens_nothing_by_a_path_string(path: Path) -> None:
    allowed = ALLOWED.get(path.name, {})
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for number, line in code_lines(path)
        for match in BY_PATH.finditer(line)
        if match.group(1) not in allowed and not line.startswith(("extern", "static int", "int "))
    ]
    assert not found, "resolve these with open_in_root and friends:\n" + "\n".join(found)


def test_every_exception_is_still_needed() -> None:
    idle = [
        f"{name}: {call}"
        for name, calls in ALLOWED.items()
        for call in calls
        if not any(
            match.group(1) == call
            for _, line in code_lines(ROOT / INIT / name)
            for match in BY_PATH.finditer(line)
        )
    ]
    assert not idle, f"strike these: {idle}"
