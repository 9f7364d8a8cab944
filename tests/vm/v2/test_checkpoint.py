"""checkpoint and restore through CRIU: Debian's can do it on Debian's own kernel, and not on newer ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import Bundle

COUNTER = "i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.2; done"


@pytest.fixture
def counting(bundle: Bundle) -> Bundle:
    """A container that counts in a file of its root; what it counts to is seen from outside."""
    bundle.script(COUNTER)
    assert bundle.create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    wait_for_more(bundle, 3)
    return bundle


def count(bundle: Bundle) -> int:
    try:
        return int((bundle.rootfs / "count").read_text() or 0)
    except FileNotFoundError:
        return 0


def wait_for_more(bundle: Bundle, least: int) -> None:
    while count(bundle) < least:
        pass


def quietly(bundle: Bundle, *words: str) -> subprocess.CompletedProcess[str]:
    """A command whose container outlives it, so that its streams can be no pipes."""
    errors = bundle.path / "errors"
    null = subprocess.DEVNULL
    with errors.open("w") as err:
        done = subprocess.run(
            bundle.command(*words), cwd=bundle.path, stdin=null, stdout=null, stderr=err, timeout=120
        )
    return subprocess.CompletedProcess(words, done.returncode, "", errors.read_text())


@pytest.mark.flag("checkpoint", "checkpoint --image-path", "checkpoint --work-path")
@pytest.mark.flag("restore", "restore --image-path", "restore --work-path", "restore --detach")
@pytest.mark.flag("restore --pid-file", "restore --bundle")
def test_a_container_goes_on_where_it_was(counting: Bundle) -> None:
    images, work = counting.path / "images", counting.path / "work"
    flags = ("--image-path", str(images), "--work-path", str(work))
    done = counting.tare("checkpoint", *flags, counting.id)
    assert done.returncode == 0, done.stderr + (work / "dump.log").read_text()[-3000:]
    assert counting.tare("state", counting.id).returncode == 1, "it is gone once it is written"
    assert counting.leftovers() == []
    stood = count(counting)
    pid_file = counting.path / "pid"
    done = quietly(
        counting, "restore", "-d", "-b", str(counting.path), *flags, "--pid-file", str(pid_file), counting.id
    )
    assert done.returncode == 0, done.stderr + (work / "restore.log").read_text()[-3000:]
    wait_for_more(counting, stood + 3)
    state = counting.state()
    assert (state["status"], str(state["pid"])) == ("running", pid_file.read_text())
    assert json.loads(counting.tare("ps", "-f", "json", counting.id).stdout)
    inside = counting.tare("exec", counting.id, "cat", "/proc/1/comm")
    assert inside.stdout == "sh\n", inside.stderr
    counting.tare("kill", counting.id, "KILL")
    while counting.state()["status"] != "stopped":
        pass
    assert counting.tare("delete", counting.id).returncode == 0
    assert counting.leftovers() == []


@pytest.mark.flag("checkpoint --leave-running", "checkpoint --pre-dump", "checkpoint --parent-path")
def test_memory_is_written_ahead_and_the_container_left_running(counting: Bundle) -> None:
    first, second = str(counting.path / "first"), str(counting.path / "second")
    done = counting.tare("checkpoint", "--pre-dump", "--image-path", first, counting.id)
    if "CRIU" in done.stderr and "track" in done.stderr.lower():
        pytest.skip("this kernel does not track changed memory")
    assert done.returncode == 0, done.stderr
    wait_for_more(counting, count(counting) + 2)
    done = counting.tare(
        "checkpoint", "--leave-running", "--parent-path", "../first", "--image-path", second, counting.id
    )
    assert done.returncode == 0, done.stderr
    wait_for_more(counting, count(counting) + 2)
    assert counting.state()["status"] == "running"


@pytest.mark.flag("restore --tcp-close", "restore --manage-cgroups-mode", "restore --shell-job")
def test_restore_in_the_foreground_gives_the_exit_code(bundle: Bundle) -> None:
    bundle.script("while [ ! -e /end ]; do sleep 0.1; done; exit 7")
    assert bundle.create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    assert bundle.tare("checkpoint", "--image-path", "images", bundle.id).returncode == 0
    (bundle.rootfs / "end").touch()
    done = bundle.tare("restore", "--manage-cgroups-mode=soft", "--image-path", "images", bundle.id)
    assert done.returncode == 7, done.stderr
    assert bundle.leftovers() == []


def test_images_that_are_none_are_told_and_leave_nothing(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.path / "empty").mkdir()
    bundle.write()
    done = bundle.tare("restore", "--image-path", "empty", bundle.id)
    assert (done.returncode, "descriptors.json" in done.stderr) == (1, True)
    (bundle.path / "empty" / "descriptors.json").write_text("[]")
    done = bundle.tare("restore", "--image-path", "empty", bundle.id)
    assert (done.returncode, "criu failed" in done.stderr) == (1, True)
    assert bundle.leftovers() == []
