"""Containers on disk: who may make one, what a ruin is, and what status a state stands for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.errors import ContainerExists, ContainerNotFound, HostError, UsageError
from tare_runtime.state.store import GATE, StateStore, oci_state, process_start, status


def state_of(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "pid": 0, "pidStart": 0, "bundle": "/b", **more}


def test_a_container_is_written_read_and_removed(tmp_path: Path) -> None:
    store = StateStore(str(tmp_path / "deep" / "root"))
    assert store.ids() == []
    with store.create("c1") as made:
        assert made.path == str(tmp_path / "deep" / "root" / "c1")
        made.write(state_of("c1", annotations={"ü": "\udc80\u2028"}))
        assert store.ids() == ["c1"]
    with store.open("c1") as opened:
        assert opened.read() == state_of("c1", annotations={"ü": "\udc80\u2028"})
        assert Path(opened.path).stat().st_mode & 0o777 == 0o700
        opened.remove()
        opened.remove()  # a second time is no error
    assert store.ids() == []
    with pytest.raises(ContainerNotFound, match="container does not exist"):
        store.open("c1")


def test_an_id_is_taken_once(tmp_path: Path) -> None:
    store = StateStore(str(tmp_path))
    with store.create("c1") as made:
        with pytest.raises(ContainerExists, match="container with given ID already exists"):
            store.create("c1")
        made.write(state_of("c1"))
    with pytest.raises(ContainerExists):
        store.create("c1")


def test_of_many_that_want_an_id_one_gets_it(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from tare_runtime.state.store import StateStore
from tare_runtime.errors import ContainerExists
sys.stdin.readline()
won = 0
for number in range(40):
    try:
        with StateStore({str(tmp_path)!r}).create(f"c{{number}}") as made:
            made.write({{"id": f"c{{number}}", "pid": 0}})
        won += 1
    except ContainerExists:
        pass
print(won)
"""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    wins = [int(racer.communicate("go\n")[0]) for racer in racers]
    assert sum(wins) == 40


@pytest.mark.parametrize(
    "left", ["nothing", "a-temporary-file", "a-state-that-says-creating"], ids=lambda left: str(left)
)
def test_a_ruin_gives_way(tmp_path: Path, left: str) -> None:
    store = StateStore(str(tmp_path))
    ruin = tmp_path / "c1"
    ruin.mkdir()
    if left == "a-temporary-file":
        (ruin / ".state.json.77").write_text("{")
    elif left == "a-state-that-says-creating":
        (ruin / "state.json").write_text(json.dumps(state_of("c1", creating=True)))
    with store.create("c1") as made:
        made.write(state_of("c1"))
        assert made.read() == state_of("c1")
    with pytest.raises(ContainerExists):
        store.create("c1")


def test_a_container_that_is_being_made_does_not_give_way(tmp_path: Path) -> None:
    store = StateStore(str(tmp_path))
    with store.create("c1") as made:
        made.write(state_of("c1", creating=True))
        with pytest.raises(ContainerExists):
            store.create("c1")


@pytest.mark.root
def test_a_ruin_gives_its_cgroups_back(tmp_path: Path) -> None:
    from tare_runtime.cgroup.paths import discover

    base = Path(next(iter(discover().mounts.values()))) / f"tare-ruin-{os.getpid()}"
    base.mkdir()
    cgroup = {"version": 1, "paths": {"pids": str(base)}, "created": [str(base)]}
    (tmp_path / "c1").mkdir()
    (tmp_path / "c1" / "state.json").write_text(json.dumps(state_of("c1", creating=True, cgroup=cgroup)))
    StateStore(str(tmp_path)).create("c1").close()
    assert not base.exists()


@pytest.mark.root
def test_a_ruin_takes_no_process_of_another_container_along(tmp_path: Path) -> None:
    from tare_runtime.cgroup.paths import discover

    base = Path(discover().mounts.get("pids", "/sys/fs/cgroup")) / f"tare-ruin-shared-{os.getpid()}"
    base.mkdir()
    stranger = subprocess.Popen(["sleep", "100"])
    try:
        (base / "cgroup.procs").write_text(str(stranger.pid))
        cgroup = {"version": 1, "paths": {"pids": str(base)}, "created": [str(base)]}
        (tmp_path / "c1").mkdir()
        (tmp_path / "c1" / "state.json").write_text(json.dumps(state_of("c1", creating=True, cgroup=cgroup)))
        StateStore(str(tmp_path)).create("c1").close()
        assert base.exists()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        base.rmdir()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no value"),
        ("{", "expecting property name"),
        ("[]", "not the state of this container"),
        ('{"id": "c2"}', "not the state of this container"),
        ("\x00\xff", "damaged"),
    ],
)
def test_a_damaged_state_is_named_with_what_to_do(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "c1").mkdir()
    (tmp_path / "c1" / "state.json").write_text(text)
    with StateStore(str(tmp_path)).open("c1") as found:
        with pytest.raises(HostError, match=words) as caught:
            found.read()
        assert caught.value.hint == "remove it by: tare-runtime delete --force c1"
        with pytest.raises(ContainerExists):  # it may be a container's: nothing is cleared away unasked
            StateStore(str(tmp_path)).create("c1")


def test_a_write_that_fails_leaves_the_old_state(tmp_path: Path) -> None:
    with StateStore(str(tmp_path)).create("c1") as made:
        made.write(state_of("c1"))
        with pytest.raises(TypeError):
            made.write(state_of("c1", bad=object()))
        assert made.read() == state_of("c1")


@pytest.mark.root
def test_a_full_disk_is_an_error_and_leaves_the_old_state(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(root)], check=True)
    try:
        with StateStore(str(root)).create("c1") as made:
            made.write(state_of("c1"))
            with pytest.raises(HostError, match="no space left on device"):
                made.write(state_of("c1", large="x" * 200_000))
            assert made.read() == state_of("c1")
            made.remove()
        assert StateStore(str(root)).ids() == []
    finally:
        subprocess.run(["umount", str(root)], check=True)


def test_an_emptied_directory_serves_the_next_container(tmp_path: Path) -> None:
    store = StateStore(str(tmp_path))
    with store.create("c1") as first, store.create("c2") as second:
        first.write(state_of("c1"))
        second.write(state_of("c2"))
        inode = Path(first.path).stat().st_ino
        first.remove()
        second.remove()
        assert [path.name for path in tmp_path.iterdir()] == ["~spare"], "one is kept, the other removed"
        with store.create("c3") as third:
            assert Path(third.path).stat().st_ino == inode
            third.write(state_of("c3"))
            assert list(tmp_path.iterdir()) == [Path(third.path)]
            with pytest.raises(ContainerNotFound):  # what is open still does not show another's state
                first.read()


def test_a_state_that_is_replaced_leaves_no_other_file(tmp_path: Path) -> None:
    with StateStore(str(tmp_path)).create("c1") as made:
        for number in range(4):
            made.write(state_of("c1", pid=number))
            assert os.listdir(made.path) == ["state.json"]
            assert made.read()["pid"] == number


def test_a_symlink_is_no_container(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "c1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ContainerNotFound):
        StateStore(str(root)).open("c1")
    with pytest.raises(ContainerExists):
        StateStore(str(root)).create("c1")


def test_removal_does_not_follow_symlinks(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "sentinel").write_text("x")
    with StateStore(str(tmp_path / "root")).create("c1") as made:
        (Path(made.path) / "link").symlink_to(outside)
        (Path(made.path) / "folder").mkdir()
        (Path(made.path) / "folder" / "link").symlink_to(outside / "sentinel")
        made.remove()
    assert (outside / "sentinel").read_text() == "x", "REMOVED SOMETHING OUTSIDE"


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    store = StateStore(str(tmp_path))
    with store.create("c1") as made:
        made.write(state_of("c1"))
    order: list[str] = []
    entered = threading.Event()

    def other() -> None:
        with store.open("c1") as second:
            entered.set()
            with second.lock():
                order.append("second")

    with store.open("c1") as first:
        with first.lock():
            thread = threading.Thread(target=other)
            thread.start()
            entered.wait(20)
            order.append("first")
        thread.join(20)
    assert order == ["first", "second"]


def test_a_root_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")
    with pytest.raises(HostError, match="not a directory"):
        StateStore(str(tmp_path / "root")).create("c1")
    with pytest.raises(HostError, match="not a directory"):
        StateStore(str(tmp_path / "root")).ids()


@pytest.mark.parametrize("id", ["", ".", "..", "a/b", "a\0b", "a\n", "~", "ä", "x" * 256])
def test_a_bad_id_is_refused(tmp_path: Path, id: str) -> None:
    with pytest.raises(UsageError, match="invalid container ID"):
        StateStore(str(tmp_path)).create(id)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("id", ["a", "A-z_0+9.", ".hidden", "-x", "x" * 255])
def test_an_unusual_id_is_taken(tmp_path: Path, id: str) -> None:
    with StateStore(str(tmp_path)).create(id) as made:
        made.write(state_of(id))
    assert StateStore(str(tmp_path)).ids() == [id]


def test_status_follows_the_process_and_the_gate(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "100"])
    try:
        alive = state_of("c1", pid=process.pid, pidStart=process_start(process.pid))
        assert status(alive, str(tmp_path)) == "running"
        assert status({**alive, "creating": True}, str(tmp_path)) == "creating"
        assert status(state_of("c1", creating=True), str(tmp_path)) == "creating"
        assert status({**alive, "pidStart": alive["pidStart"] + 1}, str(tmp_path)) == "stopped", (
            "recycled pid"
        )
        (tmp_path / GATE).write_text("")
        assert status(alive, str(tmp_path)) == "created"
    finally:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert status(alive, str(tmp_path)) == "stopped", "a zombie does not run"
        process.wait()
    assert status(alive, str(tmp_path)) == "stopped"
    assert status(state_of("c1"), str(tmp_path)) == "stopped"


def test_a_process_name_cannot_forge_its_start_time(tmp_path: Path) -> None:
    program = tmp_path / "x) R 1 1 1"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "100"])
    try:
        plain = subprocess.Popen(["sleep", "100"])
        try:
            assert abs(process_start(process.pid) - process_start(plain.pid)) < 1000
        finally:
            plain.kill()
            plain.wait()
    finally:
        process.kill()
        process.wait()


def test_a_stopped_container_has_pid_0_in_its_document() -> None:
    document = oci_state(state_of("c1", pid=7, created="t"), "stopped")
    assert document["pid"] == 0
    assert "annotations" not in document
