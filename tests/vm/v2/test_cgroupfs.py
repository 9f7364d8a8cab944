"""Cgroup v2 with all its controllers, used directly."""

from __future__ import annotations

from pathlib import Path

from tests.support.bundles import Bundle

TOP = Path("/sys/fs/cgroup")


def test_a_container_runs_in_a_cgroup_of_its_own(bundle: Bundle) -> None:
    bundle.config["linux"]["cgroupsPath"] = "/tare/" + bundle.id
    done = bundle.script("cat /proc/self/cgroup").run()
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"0::/tare/{bundle.id}\n"
    assert bundle.leftovers() == []
