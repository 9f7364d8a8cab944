"""Containers from create to delete, as a manager drives them; and nothing is left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


def wait_for(path: Path, timeout_s: float = 10) -> str:
    """The text of a file, as soon as there is some."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.01)
    raise AssertionError(f"{path} stays empty")


def wait_status(bundle: Bundle, want: str, timeout_s: float = 10) -> None:
    end = time.monotonic() + timeout_s
    while bundle.state()["status"] != want:
        assert time.monotonic() < end, f"still {bundle.state()['status']}, not {want}"
        time.sleep(0.01)


@pytest.mark.flag("run", "run --bundle")
def test_run_gives_the_output_and_the_exit_code(bundle: Bundle) -> None:
    done = bundle.script("echo out; echo err >&2; read line; echo $line; exit 7").run(stdin="in\n")
    assert (done.stdout, done.stderr, done.returncode) == ("out\nin\n", "err\n", 7)
    assert bundle.leftovers() == []


@pytest.mark.parametrize(
    ("args", "code", "phrase"),
    [
        pytest.param(["no-such-program"], 1, "executable file not found in $PATH", id="not in PATH"),
        pytest.param(["/no/such/file"], 1, "no such file or directory", id="missing path"),
        pytest.param(["/etc"], 1, "is a directory", id="a directory"),
        pytest.param(["/etc/data"], 1, "permission denied", id="not executable"),
        pytest.param(["/etc/junk"], 1, "exec format error", id="no format"),
    ],
)
def test_a_program_that_cannot_run_is_named_with_the_reason(
    bundle: Bundle, args: list[str], code: int, phrase: str
) -> None:
    (bundle.rootfs / "etc/data").write_text("x")
    (bundle.rootfs / "etc/junk").write_text("no format")
    (bundle.rootfs / "etc/junk").chmod(0o755)
    done = bundle.args(*args).run()
    assert done.returncode == code
    assert phrase in done.stderr
    assert args[0] in done.stderr
    assert bundle.leftovers() == []


@pytest.mark.flag("create", "start", "state", "kill", "delete", "pause", "resume")
def test_the_states_of_a_life_follow_one_another(bundle: Bundle) -> None:
    bundle.args("sleep", "60")
    assert bundle.create("--pid-file", str(bundle.path / "pid")).returncode == 0
    created = bundle.state()
    assert created["status"] == "created"
    assert (bundle.path / "pid").read_text() == str(created["pid"])
    assert bundle.tare("start", bundle.id).returncode == 0
    assert bundle.state()["status"] == "running"
    assert bundle.tare("start", bundle.id).returncode == 1
    assert bundle.tare("pause", bundle.id).returncode == 0
    assert bundle.state()["status"] == "paused"
    refused = bundle.tare("exec", bundle.id, "true")
    assert "cannot exec in a paused container" in refused.stderr
    assert bundle.tare("resume", bundle.id).returncode == 0
    refused = bundle.tare("delete", bundle.id)
    assert (refused.returncode, "that is not stopped" in refused.stderr) == (1, True)
    assert bundle.tare("kill", bundle.id, "KILL").returncode == 0
    wait_status(bundle, "stopped")
    assert bundle.state()["pid"] == 0
    assert "container not running" in bundle.tare("kill", bundle.id).stderr
    assert bundle.tare("delete", bundle.id).returncode == 0
    assert "container does not exist" in bundle.tare("state", bundle.id).stderr
    assert bundle.leftovers() == []


def test_a_created_container_can_be_deleted_without_force(bundle: Bundle) -> None:
    assert bundle.args("sleep", "60").create().returncode == 0
    pid = bundle.state()["pid"]
    assert bundle.tare("delete", bundle.id).returncode == 0
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]
    assert bundle.leftovers() == []


@pytest.mark.flag("delete --force")
def test_force_deletes_a_paused_container_and_a_missing_one(bundle: Bundle) -> None:
    bundle.args("sleep", "60").create()
    bundle.tare("start", bundle.id)
    bundle.tare("pause", bundle.id)
    assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert "does not exist" in bundle.tare("delete", bundle.id).stderr
    assert bundle.leftovers() == []


def test_a_container_is_paused_at_the_gate_and_deleted_so(bundle: Bundle) -> None:
    """Frozen, it would not even end by SIGKILL: its state must say so."""
    bundle.args("sleep", "60").create()
    assert bundle.tare("pause", bundle.id).returncode == 0
    assert bundle.state()["status"] == "paused"
    assert bundle.tare("resume", bundle.id).returncode == 0
    assert bundle.state()["status"] == "created"
    assert bundle.tare("pause", bundle.id).returncode == 0
    done = bundle.tare("delete", "--force", bundle.id)
    assert (done.returncode, done.stderr) == (0, "")
    assert bundle.leftovers() == []


def test_an_id_that_is_taken_stays_who_it_is(bundle: Bundle) -> None:
    bundle.args("sleep", "60").create()
    pid = bundle.state()["pid"]
    second = bundle.create()
    assert "container with given ID already exists" in second.stderr
    assert bundle.state()["pid"] == pid


def test_of_many_creates_of_one_id_one_wins(bundle: Bundle) -> None:
    bundle.args("sleep", "60").write()
    started = [
        subprocess.Popen(
            bundle.command("create", bundle.id),
            cwd=bundle.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(8)
    ]
    codes = [process.wait(timeout=60) for process in started]
    assert sorted(codes) == [0] + [1] * 7
    assert bundle.state()["status"] == "created"


@pytest.mark.flag("exec")
def test_exec_joins_everything_and_leaves_the_container_as_it_is(bundle: Bundle) -> None:
    bundle.args("sleep", "60").create()
    bundle.tare("start", bundle.id)
    pid = bundle.state()["pid"]
    script = "for n in mnt pid net ipc uts; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup"
    done = bundle.tare("exec", "-e", "X=1", bundle.id, "sh", "-c", script)
    lines = done.stdout.splitlines()
    assert lines[:5] == [os.readlink(f"/proc/{pid}/ns/{n}") for n in ("mnt", "pid", "net", "ipc", "uts")]
    assert lines[5:] == Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    assert bundle.tare("exec", bundle.id, "sh", "-c", "exit 9").returncode == 9
    assert bundle.tare("exec", bundle.id, "nothing").returncode == 255
    assert bundle.state()["status"] == "running"


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        pytest.param("1", "1 0", id="uid alone keeps the gid"),
        pytest.param("1:2", "1 2", id="both"),
        pytest.param("0:3", "0 3", id="root with a group"),
    ],
)
@pytest.mark.flag("exec --user")
def test_exec_takes_the_user_it_is_given(bundle: Bundle, user: str, ids: str) -> None:
    bundle.args("sleep", "60").create()
    bundle.tare("start", bundle.id)
    done = bundle.tare("exec", "--user", user, bundle.id, "sh", "-c", "echo $(id -u) $(id -g)")
    assert done.stdout.strip() == ids


@pytest.mark.parametrize("user", [":", ":1", "1:", "-1", "01x", "4294967295", "1:4294967296", "root"])
def test_exec_refuses_a_user_that_it_would_have_to_guess(bundle: Bundle, user: str) -> None:
    bundle.args("sleep", "60").create()
    bundle.tare("start", bundle.id)
    done = bundle.tare("exec", "--user", user, bundle.id, "id")
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert user in done.stderr


@pytest.mark.flag("exec --cap")
def test_exec_with_a_capability_gives_it_to_nobody_else(bundle: Bundle) -> None:
    bundle.args("sleep", "60").create()
    bundle.tare("start", bundle.id)
    done = bundle.tare("exec", "--cap", "CAP_NET_RAW", bundle.id, "cat", "/proc/self/status")
    caps = dict(line.split(":\t") for line in done.stdout.splitlines() if line.startswith("Cap"))
    assert int(caps["CapInh"], 16) == 0
    assert int(caps["CapEff"], 16) >> 13 & 1


@pytest.mark.flag("exec --process")
def test_a_process_document_is_run_as_it_stands(bundle: Bundle) -> None:
    bundle.args("sleep", "60").create()
    bundle.tare("start", bundle.id)
    document = {"args": ["sh", "-c", "echo $A; pwd; id -u"], "env": ["A=B", "PATH=/bin"], "cwd": "/tmp"}
    (bundle.path / "p.json").write_text(json.dumps({**document, "user": {"uid": 5, "gid": 6}}))
    done = bundle.tare("exec", "--process", str(bundle.path / "p.json"), bundle.id)
    assert done.stdout.split() == ["B", "/tmp", "5"]


def test_signals_in_the_foreground_reach_the_program(bundle: Bundle) -> None:
    bundle.script("trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.05; done").write()
    process = subprocess.Popen(
        bundle.command("run", bundle.id), cwd=bundle.path, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "got\n"
    process.stdout.close()
    assert process.wait(timeout=10) == 3
    assert bundle.leftovers() == []


def test_a_program_killed_by_a_signal_gives_128_and_the_signal(bundle: Bundle) -> None:
    bundle.args("sleep", "60").write()
    process = subprocess.Popen(bundle.command("run", bundle.id), cwd=bundle.path)
    end = time.monotonic() + 10
    while bundle.tare("kill", bundle.id, "KILL").returncode:
        assert time.monotonic() < end
    assert process.wait(timeout=10) == 137
    assert bundle.leftovers() == []


@pytest.mark.flag("run --detach")
def test_detached_run_goes_on_without_us(bundle: Bundle) -> None:
    bundle.script("echo up > /tmp/up; sleep 60").write()
    done = subprocess.run(
        bundle.command("run", "--detach", bundle.id),
        cwd=bundle.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=30,
    )
    assert done.returncode == 0
    assert wait_for(bundle.rootfs / "tmp/up") == "up\n"
    assert bundle.state()["status"] == "running"


def test_start_reports_a_program_that_was_replaced_by_junk(bundle: Bundle) -> None:
    (bundle.rootfs / "bin/prog").write_text("#!/bin/sh\n")
    (bundle.rootfs / "bin/prog").chmod(0o755)
    bundle.args("prog").create()
    (bundle.rootfs / "bin/prog").write_text("junk")
    done = bundle.tare("start", bundle.id)
    assert done.returncode == 1
    assert "exec format error" in done.stderr
    assert "prog" in done.stderr
    wait_status(bundle, "stopped")


@pytest.mark.parametrize("flags", [[], ["--cgroup-manager", "disabled"]], ids=["cgroups", "none"])
def test_start_names_what_failed_whatever_create_was_told(bundle: Bundle, flags: list[str]) -> None:
    """The config is not the bundle's, and the plan's beginning depends on global flags of `create`."""
    (bundle.rootfs / "bin/prog").write_text("#!/bin/sh\n")
    (bundle.rootfs / "bin/prog").chmod(0o755)
    bundle.config["process"]["args"] = ["prog"]
    other = bundle.path / "other.json"
    other.write_text(json.dumps(bundle.config))
    bundle.args("true").write()
    words = bundle.command(*flags, "create", "--config", "other.json", bundle.id)
    null = subprocess.DEVNULL
    assert subprocess.run(words, cwd=bundle.path, stdin=null, stdout=null, stderr=null).returncode == 0
    (bundle.rootfs / "bin/prog").write_text("junk")
    done = bundle.tare("start", bundle.id)
    assert 'exec: "prog": exec format error' in done.stderr
    wait_status(bundle, "stopped")


def test_what_shares_a_pid_namespace_ends_with_its_container(bundle: Bundle) -> None:
    """The namespace's first process is another container's: the kernel does not end the others with ours."""
    bundle.args("sleep", "60").create()
    bundle.tare("start", bundle.id)
    pid = bundle.state()["pid"]
    first, bundle.id = bundle.id, bundle.id + "-b"
    namespaces = bundle.config["linux"]["namespaces"]
    try:
        next(item for item in namespaces if item["type"] == "pid")["path"] = f"/proc/{pid}/ns/pid"
        words = f"sleep 9{os.getpid()}"  # nobody else's
        bundle.script(f"(exec {words}) & exec sleep 60").create()
        assert bundle.tare("start", bundle.id).returncode == 0
        end = time.monotonic() + 10
        while not running(words):
            assert time.monotonic() < end, f"{words} does not begin"
            time.sleep(0.01)
        assert bundle.tare("delete", "--force", bundle.id).returncode == 0
        assert not running(words)
        assert bundle.leftovers() == [str(bundle.root / first)]
    finally:
        bundle.tare("delete", "--force", bundle.id)
        bundle.id = first


def running(words: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip().endswith(words):
                found.append(folder.name)
        except OSError:
            continue
    return found


def test_several_containers_at_a_time_from_one_bundle(bundle: Bundle) -> None:
    bundle.script("cat /proc/self/cgroup > /dev/null; exit 5").write()
    codes: list[int] = []

    def one(number: int) -> None:
        command = bundle.command("run", f"{bundle.id}-{number}")
        codes.append(subprocess.run(command, cwd=bundle.path, timeout=60).returncode)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [5] * 6
    assert bundle.leftovers() == []
