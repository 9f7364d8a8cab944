"""The modules a container's life may load: a committed list, checked on a real container."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.arch.hotpath import MAIN, imports_of_command, read_list, write_list

# Loading one of these costs from four to a hundred milliseconds: no list may ever hold them.
NEVER = {
    "argparse", "click", "collections", "contextlib", "dataclasses", "enum", "functools", "json", "logging",
    "os", "pathlib", "re", "socket", "subprocess", "tempfile", "typing", "threading",
}  # fmt: skip
# The one-file form makes a module of ours cheap (it is there), not free: it has its pages of memory.
OWN_MODULES_CAP = 34

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="runs containers: needs root"),
]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Debian's busybox, the runtime's own default config, and a process that waits to be killed."""
    programs = tmp_path / "rootfs/bin"
    programs.mkdir(parents=True)
    for folder in ("proc", "dev", "sys"):
        (tmp_path / "rootfs" / folder).mkdir()
    shutil.copy("/bin/busybox", programs / "busybox")
    for name in ("sh", "true", "sleep"):
        (programs / name).symlink_to("busybox")
    imports_of_command(["spec", "--bundle", str(tmp_path)])
    set_process(tmp_path, ["/bin/sleep", "1000"])
    return tmp_path


def set_process(bundle: Path, args: list[str]) -> None:
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    config["process"]["args"] = args
    config["process"]["terminal"] = False
    path.write_text(json.dumps(config))


@pytest.fixture
def measured(bundle: Path) -> Iterator[dict[str, set[str]]]:
    """Each hot verb once, in the order a manager calls them."""
    root = f"--root={bundle / 'state'}"
    name = f"hotpath-{uuid.uuid4().hex[:12]}"
    found: dict[str, set[str]] = {}
    try:
        found["create"] = imports_of_command([root, "create", "--bundle", str(bundle), name])
        found["state"] = imports_of_command([root, "state", name])
        found["start"] = imports_of_command([root, "start", name])
        found["exec"] = imports_of_command([root, "exec", name, "/bin/true"])
        found["kill"] = imports_of_command([root, "kill", name, "KILL"])
        found["delete"] = imports_of_command([root, "delete", "--force", name])
        set_process(bundle, ["/bin/true"])
        found["run"] = imports_of_command([root, "run", "--bundle", str(bundle), name])
        yield found
    finally:
        # A failing step must not leave its container behind; an unknown name is no error here.
        subprocess.run(
            ["python3", "-I", "-S", str(MAIN), root, "delete", "--force", name], capture_output=True
        )


def test_the_hot_path_loads_only_what_the_list_names(measured: dict[str, set[str]]) -> None:
    if os.environ.get("TARE_HOTPATH") == "write":
        write_list(measured)
    allowed = read_list()
    more = {verb: extra for verb, found in measured.items() if (extra := found - allowed.get(verb, set()))}
    assert not more, f"newly loaded: {more}: find out why, or list them with TARE_HOTPATH=write"
    own = {name for name in measured["create"] if name.startswith("tare_runtime.")}
    assert len(own) <= OWN_MODULES_CAP, f"create loads {len(own)} modules of ours: {sorted(own)}"


def test_the_list_never_allows_a_slow_module() -> None:
    slow = {verb: bad for verb, names in read_list().items() if (bad := names & NEVER)}
    assert not slow
