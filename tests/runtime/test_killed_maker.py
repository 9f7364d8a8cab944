"""A runtime that is killed while it makes a container: nothing lives on, and the same command works after."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.runtime import Runtime, make_bundle, unique_id

pytestmark = pytest.mark.root


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(tmp_path / "root") as made:
        yield made


@pytest.mark.parametrize("verb", ["create", "run"])
@pytest.mark.parametrize("kind", ["prestart", "createRuntime"])
def test_a_maker_killed_by_its_own_hook_leaves_no_trouble(
    runtime: Runtime, tmp_path: Path, verb: str, kind: str
) -> None:
    id = unique_id("killed")
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $PPID"]}
    bundle = make_bundle(tmp_path / "b", "true", hooks={kind: [hook]})
    done = runtime(verb, "--bundle", str(bundle), id)
    assert done.returncode == -9
    config = json.loads((bundle / "config.json").read_text())
    del config["hooks"]
    (bundle / "config.json").write_text(json.dumps(config))
    runtime.good("run", "--bundle", str(bundle), id)
    assert runtime.good("list", "-q") == ""
    assert not list(Path("/sys/fs/cgroup").glob(f"*{config['linux']['cgroupsPath']}"))
    assert str(bundle) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int]]:
    """The system calls of one `create` in their order, each with its number among those of its name."""
    tmp_path = tmp_path_factory.mktemp("count")
    id = unique_id("count")
    trace = tmp_path / "trace"
    with Runtime(tmp_path / "root") as runtime:
        for number in range(3):  # the first ones may fill caches
            make(runtime, make_bundle(tmp_path / "b"), f"{id}-{number}", ["strace", "-o", str(trace)])
    seen: dict[str, int] = {}
    found = []
    for line in trace.read_text().splitlines():
        name, bracket, _ = line.partition("(")
        if bracket and name.isidentifier():
            seen[name] = seen.get(name, 0) + 1
            found.append((name, seen[name]))
    return found


def make(runtime: Runtime, bundle: Path, id: str, prefix: list[str]) -> int:
    command = [*prefix, runtime.program, "--root", str(runtime.root), "create", "--bundle", str(bundle), id]
    quiet = subprocess.DEVNULL
    done = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=60, check=False)
    return done.returncode


@pytest.mark.parametrize("tenth", range(1, 11))
def test_a_maker_killed_anywhere_leaves_no_trouble(
    runtime: Runtime, tmp_path: Path, points: list[tuple[str, int]], tenth: int
) -> None:
    id = unique_id("killed")
    bundle = make_bundle(tmp_path / "b")
    name, number = points[len(points) * (50 + 5 * tenth) // 100 - 2]  # the first half is the interpreter's
    killer = ["strace", "-o", "/dev/null", "-e", f"inject={name}:signal=KILL:when={number}"]
    assert make(runtime, bundle, id, killer) == -9, f"it lived on after {name} #{number}"
    again = make(runtime, bundle, id, [])
    assert again == 0 or runtime.state(id)["status"] == "created", f"killed at {name} #{number}"
    assert runtime.good("list", "-q").split() == [id]
    runtime.good("start", id)
    runtime.good("delete", "--force", id)
    assert runtime.good("list", "-q") == ""
    path = json.loads((bundle / "config.json").read_text())["linux"]["cgroupsPath"]
    assert not list(Path("/sys/fs/cgroup").glob(f"*{path}"))
    assert str(bundle) not in Path("/proc/self/mountinfo").read_text()
    assert not [entry.name for entry in runtime.root.iterdir() if "~" not in entry.name]
