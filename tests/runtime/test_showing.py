"""state, list, ps, spec and features: what managers parse, beside runc where it is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.runtime import Runtime, make_bundle, unique_id

RFC3339_NANO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(tmp_path / "root") as made:
        yield made


@pytest.mark.root
def test_state_shows_each_status_of_a_life(runtime: Runtime, tmp_path: Path) -> None:
    id = unique_id("state")
    bundle = make_bundle(tmp_path / "b", "sleep", "100", annotations={"k": "v"})
    runtime.create(bundle, id)
    created = runtime.state(id)
    assert list(created) == [
        "ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner",
    ]  # fmt: skip
    assert created["status"] == "created"
    assert created["bundle"] == str(bundle)
    assert created["rootfs"] == str(bundle / "rootfs")
    assert created["annotations"] == {"k": "v"}
    assert RFC3339_NANO.fullmatch(created["created"])
    assert (Path("/proc") / str(created["pid"])).exists()
    runtime.good("start", id)
    assert runtime.state(id)["status"] == "running"
    runtime.good("pause", id)
    assert runtime.state(id)["status"] == "paused"
    runtime.good("resume", id)
    assert runtime.state(id)["status"] == "running"
    pidfd = os.pidfd_open(created["pid"])
    runtime.good("kill", id, "KILL")
    import select

    assert select.select([pidfd], [], [], 20)[0], "the killed process lives on"
    os.close(pidfd)
    stopped = runtime.state(id)
    assert (stopped["status"], stopped["pid"]) == ("stopped", 0)
    runtime.good("delete", id)
    assert "container does not exist" in runtime("state", id).stderr


@pytest.mark.root
@pytest.mark.flag("list", "list --format", "list --quiet")
def test_list_shows_a_table_json_and_ids(runtime: Runtime, tmp_path: Path) -> None:
    id = unique_id("list")
    assert runtime.good("list") == "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
    assert runtime.good("list", "--format", "json") == "null\n"
    assert runtime.good("list", "-q") == ""
    bundle = make_bundle(tmp_path / "b", "sleep", "100")
    runtime.create(bundle, id)
    pid = runtime.state(id)["pid"]
    header, row = runtime.good("list").splitlines()
    assert row.split()[:4] == [id, str(pid), "created", str(bundle)]
    assert row.split()[-1] == "root"
    assert row.index(str(pid)) == header.index("PID")
    ((entry),) = json.loads(runtime.good("list", "--format=json"))
    assert entry == {**runtime.state(id), "owner": "root"}
    assert runtime.good("list", "-q") == id + "\n"


def test_list_goes_on_beside_a_damaged_state(runtime: Runtime) -> None:
    (runtime.root / "bad").mkdir(parents=True)
    (runtime.root / "bad" / "state.json").write_text("{")
    (runtime.root / "unmade").mkdir()
    done = runtime("list", "--format", "json")
    assert (done.returncode, done.stdout) == (0, "null\n")
    assert "bad/state.json is damaged" in done.stderr
    assert "unmade" not in done.stderr


def test_a_damaged_state_is_named_and_can_be_deleted(runtime: Runtime) -> None:
    (runtime.root / "bad").mkdir(parents=True)
    (runtime.root / "bad" / "state.json").write_text('{"id": "other"}')
    done = runtime("state", "bad")
    assert done.returncode == 1
    assert "is damaged: it is not the state of this container" in done.stderr
    assert "hint: remove it by: tare-runtime delete --force bad" in done.stderr
    runtime.good("delete", "--force", "bad")
    assert not (runtime.root / "bad").exists()


@pytest.mark.root
@pytest.mark.flag("ps", "ps --format")
def test_ps_shows_the_container_s_processes_only(runtime: Runtime, tmp_path: Path) -> None:
    id = unique_id("ps")
    runtime.create(make_bundle(tmp_path / "b", "sh", "-c", "sleep 100 & wait"), id)
    pid = runtime.state(id)["pid"]
    assert json.loads(runtime.good("ps", "--format", "json", id)) == [pid]
    header, row = runtime.good("ps", id).splitlines()
    assert "PID" in header.split()
    assert row.split()[1] == str(pid)
    header, row = runtime.good("ps", id, "-e", "-o", "pid,comm").splitlines()
    assert header.split() == ["PID", "COMMAND"]
    assert row.split()[0] == str(pid)
    assert "no column PID" in runtime("ps", id, "-o", "comm").stderr
    runtime.good("kill", id, "KILL")
    while runs(pid):
        pass
    assert runtime.good("ps", id).splitlines() == [runtime.good("ps", id).strip()], "more than a header"
    assert runtime.good("ps", "--format", "json", id) == "null\n"


def runs(pid: int) -> bool:
    """Whether there is the process, and not only a zombie of it, which may be reaped at any time."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def config_of(program: list[str], directory: Path, *args: str) -> dict[str, Any]:
    directory.mkdir(exist_ok=True)
    subprocess.run([*program, "spec", *args], cwd=directory, check=True, capture_output=True)
    config: dict[str, Any] = json.loads((directory / "config.json").read_text())
    return config


@pytest.mark.peer
@pytest.mark.parametrize("args", [[], ["--rootless"]], ids=["default", "rootless"])
@pytest.mark.flag("spec --rootless")
def test_spec_is_runc_s_in_all_but_name_and_version(
    runtime: Runtime, tmp_path: Path, args: list[str]
) -> None:
    ours = config_of([runtime.program], tmp_path / "ours", *args)
    theirs = config_of(["runc"], tmp_path / "theirs", *args)
    assert ours.pop("hostname") == "tare"
    assert theirs.pop("hostname") == "runc"
    assert ours.pop("ociVersion") == "1.3.0"
    theirs.pop("ociVersion")
    assert ours == theirs


@pytest.mark.flag("spec --bundle")
def test_spec_does_not_overwrite(runtime: Runtime, tmp_path: Path) -> None:
    runtime.good("spec", "--bundle", str(tmp_path))
    before = (tmp_path / "config.json").read_bytes()
    done = runtime("spec", "--bundle", str(tmp_path), "--rootless")
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert (tmp_path / "config.json").read_bytes() == before
    missing = runtime("spec", "--bundle", str(tmp_path / "none"))
    assert (missing.returncode, "no such file" in missing.stderr) == (1, True)


@pytest.mark.parametrize("args", [[], ["--rootless"]], ids=["default", "rootless"])
def test_spec_passes_our_own_check(runtime: Runtime, tmp_path: Path, args: list[str]) -> None:
    from tare_runtime.config.read import load_config

    config = config_of([runtime.program], tmp_path / "b", *args)
    assert load_config(str(tmp_path / "b")) == config


def features(program: str) -> dict[str, Any]:
    done = subprocess.run([program, "features"], capture_output=True, text=True, check=True)
    assert done.stderr == "", "a word on stderr breaks CRI-O's parser"
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.flag("features")
def test_features_lists_only_what_is_done(runtime: Runtime) -> None:
    document = features(runtime.program)
    assert (document["ociVersionMin"], document["ociVersionMax"]) == ("1.0.0", "1.3.0")
    assert len(document["hooks"]) == 6
    linux = document["linux"]
    assert "SCMP_ACT_NOTIFY" in linux["seccomp"]["actions"]
    assert linux["cgroup"]["v1"] is True
    assert linux["cgroup"]["systemd"] is True
    assert linux["mountExtensions"]["idmap"]["enabled"] is True
    assert {"rro", "rbind", "ro", "rprivate", "tmpcopyup"} <= set(document["mountOptions"])
    assert document["annotations"]["org.opencontainers.runc.checkpoint.enabled"] == "true"


@pytest.mark.peer
def test_features_knows_the_words_that_runc_knows(runtime: Runtime) -> None:
    ours, theirs = features(runtime.program), features("runc")
    assert set(theirs["linux"]["namespaces"]) <= set(ours["linux"]["namespaces"])
    assert set(theirs["linux"]["capabilities"]) <= set(ours["linux"]["capabilities"])
    assert theirs["linux"]["seccomp"]["operators"] == ours["linux"]["seccomp"]["operators"]
    assert set(theirs["linux"]["seccomp"]["archs"]) <= set(ours["linux"]["seccomp"]["archs"])
    assert theirs["hooks"] == ours["hooks"]
