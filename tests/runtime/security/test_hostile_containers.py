"""`exec` into a container whose processes and files are an attacker's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.attacks import Target

pytestmark = pytest.mark.root


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    made = Target(tmp_path, "tare-runtime")
    try:
        yield made
    finally:
        made.delete()


def test_exec_works_and_believes_nothing_where_proc_was_replaced(target: Target) -> None:
    """A false /proc/self/attr, /proc/self/fd and status must not be read or written."""
    process = target.config["process"]
    for kind in ("bounding", "effective", "permitted"):
        process["capabilities"][kind] = [*process["capabilities"][kind], "CAP_SYS_ADMIN"]
    false = target.rootfs / "false"
    for name in ("self/attr", "self/fd", "thread-self/attr", "1"):
        (false / name).mkdir(parents=True)
    for name in ("self/attr/exec", "self/attr/current", "self/status", "self/cgroup", "1/status"):
        (false / name).write_text("victim")
    target.start("sh", "-c", "mount -o bind /false /proc && touch /mounted && exec sleep 60")
    wait_for(target.rootfs / "mounted")
    done = target.tare("exec", target.id, "sh", "-c", "cat /proc/1/status; echo; id -u")
    assert (done.returncode, done.stdout) == (0, "victim\n0\n")
    assert {path.read_text() for path in false.rglob("*") if path.is_file()} == {"victim"}


def test_exec_runs_no_library_or_program_of_the_container_before_its_own(target: Target) -> None:
    """LD_PRELOAD in the environment, /etc/ld.so.preload, and shells and loaders swapped: init is static."""
    (target.rootfs / "etc/ld.so.preload").write_text("/evil.so\n")
    for name in (
        "lib64/ld-linux-x86-64.so.2",
        "lib/ld-musl-x86_64.so.1",
        "usr/bin/python3",
        "bin/bash",
        "evil.so",
    ):
        path = target.rootfs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\ntouch /taken\n")
        path.chmod(0o755)
    environment = {**os.environ, "LD_PRELOAD": "/evil.so", "LD_LIBRARY_PATH": "/", "PYTHONPATH": "/evil"}
    target.config["process"]["env"] += ["LD_PRELOAD=/evil.so", "LD_AUDIT=/evil.so", "PYTHONSTARTUP=/evil"]
    target.start("sleep", "60")
    done = subprocess.run(
        target.command("exec", target.id, "sh", "-c", "echo $LD_PRELOAD"),
        env=environment, capture_output=True, text=True, timeout=30, cwd=target.path,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "/evil.so\n"), done.stderr
    assert not (target.rootfs / "taken").exists()


def test_a_container_can_neither_trace_nor_look_into_what_joins_it(target: Target) -> None:
    """Even with CAP_SYS_PTRACE: all that can be opened of a joining process is the sealed init."""
    process = target.config["process"]
    for kind in ("bounding", "effective", "permitted"):
        process["capabilities"][kind] = [*process["capabilities"][kind], "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]
    watcher = """
      while [ ! -e /stop ]; do
        for p in /proc/[0-9]*; do
          [ $p = /proc/1 ] && continue
          for l in $p/exe $p/cwd $p/root $p/fd/*; do readlink $l; done
          cat $p/environ | head -c 4000
          cat $p/maps
        done
      done > /seen 2>/dev/null"""
    target.start("sh", "-c", watcher)
    environment = {**os.environ, "HOST_SECRET": "the environment of the host"}
    for _ in range(12):
        done = subprocess.run(
            target.command("exec", target.id, "true"), env=environment, capture_output=True, cwd=target.path
        )
        assert done.returncode == 0
    (target.rootfs / "stop").touch()
    seen = (target.rootfs / "seen").read_text(errors="replace")
    assert seen
    for word in ("HOST_SECRET", "python", ".so", str(target.root), str(target.path / "config.json")):
        assert word not in seen, word


def test_a_swapped_program_is_what_the_container_sees_and_the_host_keeps_its_own(target: Target) -> None:
    before = target.hashes()
    target.start("sleep", "60")
    for name in ("true", "sh"):
        (target.rootfs / "bin" / name).unlink()
    (target.rootfs / "bin/sh").symlink_to("/proc/self/exe")
    (target.rootfs / "bin/true").write_text("#!/proc/self/exe\n")
    (target.rootfs / "bin/true").chmod(0o755)
    for name in ("sh", "true", "/proc/self/exe", "/proc/1/exe"):
        target.tare("exec", target.id, name)
    assert target.hashes() == before


def test_a_stopped_and_a_frozen_first_process_do_not_hold_exec_up(target: Target) -> None:
    target.start("sh", "-c", "kill -STOP $$; sleep 60")
    done = target.tare("exec", target.id, "echo", "ran", timeout_s=20)
    assert done.stdout == "ran\n"
    target.tare("pause", target.id)
    done = target.tare("exec", target.id, "echo", "ran", timeout_s=20)
    assert done.returncode == 255
    assert "paused" in done.stderr


def wait_for(path: Path) -> None:
    import time

    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.01)


HOSTILE = (
    "\n", "\x1b[2J\x1b[31mred", "a\x00b", "\r", "\x9b31m", "\u202egnp.exe", "x" * 5000, "\udcff", "%s%n",
    "../../..",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{number}" for number in range(len(HOSTILE))])
def test_a_hostile_name_in_any_field_reaches_no_terminal_and_no_log_as_it_is(
    target: Target, text: str
) -> None:
    places = {
        "hostname": ("hostname",),
        "cwd": ("process", "cwd"),
        "args": ("process", "args", 0),
        "env": ("process", "env", 0),
        "destination": ("mounts", 0, "destination"),
        "source": ("mounts", 0, "source"),
        "type": ("mounts", 0, "type"),
        "option": ("mounts", 1, "options", 0),
        "namespace": ("linux", "namespaces", 0, "path"),
        "masked": ("linux", "maskedPaths", 0),
        "root": ("root", "path"),
        "cgroup": ("linux", "cgroupsPath"),
    }
    base = json.dumps(target.config)
    log = target.path / "log"
    for where, place in places.items():
        target.config = json.loads(base)
        node = target.config
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = "/" + text if where in ("cwd", "namespace", "masked", "root") else text
        done = subprocess.run(
            [*target.command("--log", str(log), "--log-format", "json", "run", target.id)],
            cwd=written(target), capture_output=True, timeout=30,
        )  # fmt: skip
        shown = done.stderr.decode("utf-8", "surrogateescape")
        assert "Traceback" not in shown, (where, shown)
        bad = [
            letter for letter in shown if (ord(letter) < 32 and letter != "\n") or 127 <= ord(letter) < 160
        ]
        assert not bad, (where, shown)
        if done.returncode:
            assert shown.startswith("tare-runtime: "), (where, shown)
        for line in log.read_text().splitlines() if log.exists() else ():
            json.loads(line)
        log.unlink(missing_ok=True)
        assert target.leftovers() == [], where


def written(target: Target) -> Path:
    (target.path / "config.json").write_text(json.dumps(target.config))
    return target.path


@pytest.mark.parametrize("id", ["a\nb", "\x1b[31m", "a b", "ä", "..", "a/b", "x" * 2000, "\udcff", ""])
def test_a_hostile_id_is_refused_and_quoted(target: Target, id: str) -> None:
    target.write()
    for verb in ("create", "state", "delete"):
        done = subprocess.run(
            [os.fsencode(word) for word in target.command(verb, "--", id)],
            cwd=target.path, capture_output=True, stdin=subprocess.DEVNULL, timeout=30,
        )  # fmt: skip
        assert done.returncode != 0
        shown = done.stderr.decode("utf-8", "surrogateescape")
        assert "\x1b" not in shown
        assert "Traceback" not in shown
    assert target.leftovers() == []
