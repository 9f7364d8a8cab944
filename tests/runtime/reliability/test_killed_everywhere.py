"""kill -9 of the runtime at the entry of each system call by which a command changes anything.

Whatever was done by then: `delete --force` leaves nothing, and the same id can be created again.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import Bundle, bundle_in
from tests.support.faults import everything_left, faulty
from tests.support.thorough import some

pytestmark = [pytest.mark.root, pytest.mark.slow]

# Calls that change the host or speak with init; what comes between two of them only reads.
CHANGING = (
    "mkdir mkdirat rmdir rename renameat renameat2 link linkat unlink unlinkat symlinkat write pwrite64"
    " ftruncate flock socketpair bind listen connect sendmsg recvmsg vfork clone3 kill pidfd_open"
    " pidfd_send_signal wait4 setsockopt memfd_create execveat chmod fchmod chown fchown poll signalfd4 mount"
    " bpf keyctl exit_group"
).split()
VERBS: dict[str, tuple[str, ...]] = {
    "create": (),
    "start": (),
    "exec": ("true",),
    "update": ("--pids-limit", "50"),
    "pause": (),
    "resume": (),
    "kill": ("TERM",),
    "delete": ("--force",),
}
USUAL = 5  # points of each command, in a usual run


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Bundle]:
    with bundle_in(tmp_path) as made:
        made.root.mkdir()
        made.args("sleep", "60")
        yield made


def prepare(bundle: Bundle, verb: str) -> None:
    if verb == "create":
        return
    assert bundle.create().returncode == 0
    if verb != "start":
        assert bundle.tare("start", bundle.id).returncode == 0
    if verb == "resume":
        assert bundle.tare("pause", bundle.id).returncode == 0


def words_of(bundle: Bundle, verb: str) -> list[str]:
    more = VERBS[verb]
    if verb == "delete":
        return [verb, *more, bundle.id]
    return [verb, *(more if verb == "update" else ()), bundle.id, *(() if verb == "update" else more)]


def points_of(bundle: Bundle, verb: str) -> list[tuple[str, int]]:
    """(call, which one of that name), in the order that they come in."""
    prepare(bundle, verb)
    trace = bundle.path.parent / f"{bundle.path.name}.trace"
    bundle.write()
    command = ["strace", "-qq", "-o", str(trace), "-e", "trace=" + ",".join(f"?{name}" for name in CHANGING)]
    quiet = subprocess.DEVNULL
    subprocess.run(
        [*command, *bundle.command(*words_of(bundle, verb))],
        cwd=bundle.path, stdin=quiet, stdout=quiet, stderr=quiet, timeout=60,
    )  # fmt: skip
    seen: dict[str, int] = {}
    found = []
    for line in trace.read_text().splitlines():
        match = re.match(r"(\w+)\(", line)
        if match:
            seen[match[1]] = seen.get(match[1], 0) + 1
            found.append((match[1], seen[match[1]]))
    trace.unlink()
    bundle.tare("delete", "--force", bundle.id)
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_that_is_killed_anywhere_leaves_what_delete_removes(fresh: Bundle, verb: str) -> None:
    points_of(fresh, verb)  # caches are full from here on
    points = points_of(fresh, verb)
    assert len(points) >= 3, points
    for call, nth in some(points, USUAL):
        prepare(fresh, verb)
        killed = faulty(fresh, call, "signal=KILL", *words_of(fresh, verb), nth=nth)
        where = f"{verb} killed at {call} #{nth} of {points}"
        # A call that did not come this time (a wait that was not needed) kills nobody.
        assert killed.returncode in (-9, 0), (where, killed.stderr)
        deleted = fresh.tare("delete", "--force", fresh.id)
        assert (deleted.returncode, deleted.stderr) == (0, ""), where
        assert everything_left(fresh) == [], where
        again = fresh.create()
        assert again.returncode == 0, (where, again.stderr)
        assert fresh.tare("start", fresh.id).returncode == 0, where
        deleted = fresh.tare("delete", "--force", fresh.id)
        assert (deleted.returncode, deleted.stderr) == (0, ""), where
        assert everything_left(fresh) == [], where
