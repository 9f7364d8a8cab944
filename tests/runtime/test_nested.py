"""The runtime in a container, of its own making or of Docker's kind, and where cgroups can only be read."""

from __future__ import annotations

import copy
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.plan.identity import CAPABILITIES

from tests.features.marks import ROOT
from tests.support.bundles import TARE_RUNTIME, Bundle, bundle_in, default_config, make_rootfs
from tests.support.peers import OURS, run_by

pytestmark = pytest.mark.root

ALL = ["CAP_" + name for name in CAPABILITIES]
# What a container needs of this machine to run the runtime in it.
BORROWED = [
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc",
    str(ROOT),
    str(Path(sys.prefix)),
    sys.base_prefix,
]
CGROUP = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}


@pytest.fixture
def outer() -> Iterator[Bundle]:
    """A privileged container with this machine's programs, and an inner bundle at /inner."""
    folder = Path(tempfile.mkdtemp(prefix="tare-nested-"))
    with bundle_in(folder) as made:
        shutil.rmtree(made.rootfs / "bin")
        config = made.config
        for path in dict.fromkeys(BORROWED):
            if Path(path).exists():
                mount = {
                    "destination": path,
                    "type": "bind",
                    "source": path,
                    "options": ["rbind", "ro", "rslave"],
                }
                config["mounts"].append(mount)
        inner = folder / "inner"
        inner.mkdir()
        make_rootfs(inner / "rootfs")
        config["mounts"].append(
            {"destination": "/inner", "type": "bind", "source": str(inner), "options": ["rbind"]}
        )
        config["mounts"].append({"destination": "/run", "type": "tmpfs", "source": "tmpfs"})
        for name in ("maskedPaths", "readonlyPaths"):
            del config["linux"][name]
        config["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), ALL)
        config["process"]["noNewPrivileges"] = False
        config["process"]["args"] = [TARE_RUNTIME, "--root", "/run/state", "run", "-b", "/inner", "in"]
        # Of the host's devices a privileged container may use all, and so may give rules to those in it.
        config["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}
        made.inner = inner  # type: ignore[attr-defined]
        yield made
    shutil.rmtree(folder)


def write_inner(outer: Bundle, config: dict[str, Any]) -> None:
    (outer.inner / "config.json").write_text(json.dumps(config))  # type: ignore[attr-defined]


def inner_config(*args: str) -> dict[str, Any]:
    config = copy.deepcopy(default_config())
    config["process"]["args"] = list(args)
    return config


@pytest.mark.parametrize("cgroup_namespace", [False, True], ids=["same-cgroups", "cgroup-namespace"])
def test_a_container_runs_in_a_container_with_cgroups_of_its_own(
    outer: Bundle, cgroup_namespace: bool
) -> None:
    outer.config["mounts"].append({**CGROUP, "options": ["rw"]})
    if cgroup_namespace:
        outer.config["linux"]["namespaces"].append({"type": "cgroup"})
    config = inner_config("sh", "-c", "echo $$; cat /proc/self/cgroup")
    config["linux"]["resources"] = {"pids": {"limit": 20}}
    write_inner(outer, config)
    done = outer.run()
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "1"
    (pids,) = [line for line in lines if ":pids:" in line or line.startswith("0::")][:1]
    assert pids.endswith("/in")
    assert outer.leftovers() == []


@pytest.mark.parametrize("mounted", [True, False], ids=["read-only", "none"])
def test_a_container_runs_in_a_container_whose_cgroups_it_may_not_change(
    outer: Bundle, mounted: bool
) -> None:
    if mounted:
        outer.config["mounts"].append({**CGROUP, "options": ["ro"]})
    write_inner(outer, inner_config("sh", "-c", "echo $$"))
    done = outer.run()
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_a_limit_where_cgroups_are_read_only_is_refused_by_name(outer: Bundle) -> None:
    outer.config["mounts"].append({**CGROUP, "options": ["ro"]})
    config = inner_config("true")
    config["linux"]["resources"] = {"pids": {"limit": 20}}
    write_inner(outer, config)
    done = outer.run()
    assert done.returncode == 1
    assert "/linux/resources/pids: cannot be applied: the cgroups here are read-only" in done.stderr


def test_a_container_runs_in_a_container_with_a_user_namespace(outer: Bundle) -> None:
    """Its root may not make devices: the outer container's own are bound."""
    outer.config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 0, "size": 65536}]
    outer.config["linux"]["uidMappings"] = outer.config["linux"]["gidMappings"] = mapping
    write_inner(outer, inner_config("sh", "-c", "id -u; echo x >/dev/null; ls -l /dev/null"))
    done = outer.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "0"
    assert " 1,   3 " in done.stdout


def test_a_third_level_works_as_well(outer: Bundle) -> None:
    """A user namespace in a user namespace."""
    mapping = [{"containerID": 0, "hostID": 0, "size": 65536}]
    inner = inner_config("cat", "/proc/self/uid_map")
    for config in (outer.config, inner):
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = mapping
    write_inner(outer, inner)
    done = outer.run()
    assert (done.returncode, done.stdout.split()) == (0, ["0", "0", "65536"]), done.stderr


READ_ONLY_CGROUPS = (
    "unshare", "-m", "sh", "-ec",
    "mount --make-rprivate /;"
    " for d in /sys/fs/cgroup /sys/fs/cgroup/*; do"
    "   if mountpoint -q $d; then mount -o remount,bind,ro $d; fi;"
    ' done; exec "$@"',
    "sh",
)  # fmt: skip


def test_root_of_the_host_is_warned_where_cgroups_are_read_only(bundle: Bundle) -> None:
    done = run_by(OURS, bundle.script("echo $$"), wrap=READ_ONLY_CGROUPS)
    assert (done.code, done.out) == (0, "1\n"), done.err
    assert "no cgroup can be made here" in done.err


def test_that_can_be_an_error_instead(bundle: Bundle) -> None:
    bundle.write()
    command = [*READ_ONLY_CGROUPS, *bundle.command("--rootless", "false", "run", bundle.id)]
    import subprocess

    done = subprocess.run(command, cwd=bundle.path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "read-only file system" in done.stderr.lower()
    assert bundle.leftovers() == []
