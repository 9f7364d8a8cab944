"""Checkpoint and restore through CRIU: a program goes on where it was."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.bundles import Bundle
from tests.vm.units import cgroup_of

COUNT = "n=0; while true; do n=$((n+1)); echo $n >/tmp/new; mv /tmp/new /tmp/count; sleep 0.1; done"


def count(bundle: Bundle) -> int:
    return int((bundle.rootfs / "tmp/count").read_text())


def wait_beyond(bundle: Bundle, number: int) -> int:
    end = time.monotonic() + 60
    file = bundle.rootfs / "tmp/count"
    while not file.exists() or count(bundle) <= number:
        assert time.monotonic() < end, "the program does not go on"
    return count(bundle)


@pytest.fixture
def counting(bundle: Bundle) -> Bundle:
    (bundle.rootfs / "bin/mv").symlink_to("busybox")
    bundle.config["root"]["readonly"] = False
    assert bundle.script(COUNT).create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    wait_beyond(bundle, 3)
    return bundle


def checkpoint(bundle: Bundle, *flags: str) -> Path:
    images = bundle.path / "images"
    done = bundle.tare("checkpoint", "--image-path", str(images), *flags, bundle.id, timeout_s=120)
    log = images / "dump.log"
    assert done.returncode == 0, done.stderr + (log.read_text()[-2000:] if log.exists() else "")
    return images


def test_a_program_goes_on_where_it_was(counting: Bundle) -> None:
    images = checkpoint(counting)
    assert counting.tare("state", counting.id).returncode == 1, "it has ended, and is forgotten"
    stood = count(counting)
    flags = ["--detach", "--image-path", str(images), "--bundle", str(counting.path)]
    done = counting.tare("restore", *flags, counting.id, timeout_s=120)
    log = counting.path / "restore.log"
    assert done.returncode == 0, done.stderr + (log.read_text()[-2000:] if log.exists() else "")
    assert wait_beyond(counting, stood) <= stood + 50, "it has not begun anew"
    assert counting.state()["status"] == "running"
    assert cgroup_of(counting.state()["pid"]).endswith(counting.id)
    assert counting.tare("exec", counting.id, "true").returncode == 0
    assert counting.tare("delete", "--force", counting.id).returncode == 0
    assert counting.leftovers() == []


@pytest.mark.slow
def test_a_program_that_is_left_running_is_not_disturbed(counting: Bundle) -> None:
    checkpoint(counting, "--leave-running")
    assert counting.state()["status"] == "running"
    wait_beyond(counting, count(counting))
