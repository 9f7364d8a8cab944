"""Containers of a user that is not root: no cgroups but delegated ones, and one user mapped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.verbs.spec import rootless_spec

from tests.support.runtime import TARE_RUNTIME, Runtime, make_bundle, unique_id

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all"]


def nobody_can_start_it() -> bool:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return False
    done = subprocess.run([*AS_NOBODY, TARE_RUNTIME, "--version"], capture_output=True, check=False)
    return done.returncode == 0


pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not nobody_can_start_it(), reason="another user cannot reach this checkout"),
]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that nobody owns, where nobody can reach it (pytest's own are for root only)."""
    path = Path(tempfile.mkdtemp(prefix="tare-rootless-"))
    os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def runtime(place: Path) -> Iterator[Runtime]:
    script = place / "tare-runtime"
    script.write_text(f'#!/bin/sh\nexec {" ".join(AS_NOBODY)} {TARE_RUNTIME} "$@"\n')
    script.chmod(0o755)
    with Runtime(place / "state", str(script)) as made:
        yield made


def bundle_of_nobody(place: Path, *args: str, resources: dict[str, Any] | None = None) -> Path:
    bundle = make_bundle(place / "b", *args)
    config = rootless_spec(NOBODY, NOBODY)
    config["process"]["args"] = list(args)
    config["process"]["terminal"] = False
    if resources:
        config["linux"]["resources"] = resources
    (bundle / "config.json").write_text(json.dumps(config))
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(bundle)], check=True)
    return bundle


def test_a_program_runs_as_root_of_its_own_namespace(runtime: Runtime, place: Path) -> None:
    bundle = bundle_of_nobody(
        place, "sh", "-c", "id -u; cat /proc/self/uid_map; cat /proc/1/cmdline | head -c 2"
    )
    out = runtime.good("run", "--bundle", str(bundle), unique_id("rootless"))
    first, uid_map, name = out.splitlines()
    assert (first, uid_map.split(), name) == ("0", ["0", str(NOBODY), "1"], "sh")
    assert runtime.good("list", "-q") == ""


@pytest.mark.flag("--rootless")
def test_a_whole_life_without_root(runtime: Runtime, place: Path) -> None:
    id = unique_id("rootless")
    runtime.create(bundle_of_nobody(place, "sleep", "100"), id)
    assert runtime.state(id)["status"] == "created"
    runtime.good("start", id)
    assert runtime.good("exec", id, "id", "-u").strip() == "0"
    pid = runtime.state(id)["pid"]
    assert json.loads(runtime.good("ps", "--format", "json", id)) == [pid]
    assert Path(f"/proc/{pid}").stat().st_uid == NOBODY
    done = runtime("pause", id)
    assert done.returncode == 1
    assert "no freezer" in done.stderr
    runtime.good("kill", id, "KILL")
    runtime.good("delete", "--force", id)
    assert runtime.good("list", "-q") == ""


def test_a_limit_that_needs_root_is_refused_by_name(runtime: Runtime, place: Path) -> None:
    bundle = bundle_of_nobody(place, "true", resources={"memory": {"limit": 1 << 26}})
    done = runtime("run", "--bundle", str(bundle), unique_id("rootless"))
    assert done.returncode == 1
    assert "/linux/resources/memory: cannot be applied" in done.stderr


def test_cgroup_errors_are_not_ignored_where_that_is_asked_for(runtime: Runtime, place: Path) -> None:
    bundle = bundle_of_nobody(place, "true")
    done = runtime("--rootless", "false", "run", "--bundle", str(bundle), unique_id("rootless"))
    assert done.returncode == 1
    assert "permission denied" in done.stderr


def test_a_delegated_cgroup_is_used(runtime: Runtime, place: Path) -> None:
    from tare_runtime.cgroup.paths import discover

    found = discover()
    if found.version != 1 or "pids" not in found.mounts:
        pytest.skip("this host has no pids controller on v1")
    name = unique_id("delegated")
    parent = Path(found.mounts["pids"]) / name
    parent.mkdir()
    try:
        os.chown(parent, NOBODY, NOBODY)
        bundle = bundle_of_nobody(place, "cat", "/proc/self/cgroup", resources={"pids": {"limit": 9}})
        config = json.loads((bundle / "config.json").read_text())
        config["linux"]["cgroupsPath"] = f"/{name}/inner"
        (bundle / "config.json").write_text(json.dumps(config))
        # Joining takes the right to write where we come from too: so the runtime itself starts in there.
        command = f'echo 0 >{parent}/tasks; exec "$@"'
        (parent / "tasks").chmod(0o666)
        os.chown(parent / "tasks", NOBODY, NOBODY)
        done = subprocess.run(
            [
                "sh",
                "-c",
                command,
                "sh",
                runtime.program,
                "--root",
                str(runtime.root),
                "run",
                "-b",
                str(bundle),
                name,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert f"pids:/{name}/inner" in done.stdout
        assert not (parent / "inner").exists()
    finally:
        parent.rmdir()
