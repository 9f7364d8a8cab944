"""Options of create, run and exec, each with what it changes inside or outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root


@pytest.fixture
def running(bundle: Bundle) -> Bundle:
    bundle.args("sleep", "100")
    assert bundle.create().returncode == 0
    return bundle


def inside(bundle: Bundle, *words: str, flags: tuple[str, ...] = ()) -> list[str]:
    done = bundle.tare("exec", *flags, bundle.id, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.flag("exec --env", "exec --cwd", "exec --additional-gids", "exec --no-new-privs")
def test_exec_changes_what_its_options_say(running: Bundle) -> None:
    script = "echo $A $B; pwd; id -G; grep NoNewPrivs /proc/self/status"
    flags = ("-e", "A=1", "--env", "B=2", "--cwd", "/tmp", "-g", "7", "--additional-gids", "8")
    running.tare("delete", "-f", running.id)
    del running.config["process"]["noNewPrivileges"]
    assert running.create().returncode == 0
    assert inside(running, "sh", "-c", script, flags=flags) == ["1 2", "/tmp", "0 7 8", "NoNewPrivs:\t0"]
    assert inside(running, "sh", "-c", script, flags=("--no-new-privs",))[-1] == "NoNewPrivs:\t1"


@pytest.mark.flag("exec --detach", "exec --pid-file")
def test_exec_leaves_a_process_and_its_number_behind(running: Bundle) -> None:
    pid_file = running.path / "pid"
    quiet = subprocess.DEVNULL
    command = running.command("exec", "-d", "--pid-file", str(pid_file), running.id, "sleep", "77")
    subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=True)
    pid = int(pid_file.read_text())
    assert not pid_file.read_text().endswith("\n"), "managers read the digits as they are"
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x0077\0"
    pids = json.loads(running.tare("ps", "-f", "json", running.id).stdout)
    assert sorted(pids) == sorted([pid, running.state()["pid"]])


@pytest.mark.flag("exec --cgroup")
def test_exec_joins_a_cgroup_below_the_container_s(running: Bundle) -> None:
    below = [path / "below" for path in running.cgroups()]
    for path in below:
        path.mkdir()
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (path / name).exists():
                (path / name).write_text((path.parent / name).read_text())
    try:
        lines = inside(running, "cat", "/proc/self/cgroup", flags=("--cgroup", "below"))
        controllers = [line.split(":")[1] for line in lines if line.endswith(f"{running.id}/below")]
        assert len(controllers) >= len({path.parents[1] for path in below})
        (one,) = [
            line for line in inside(running, "cat", "/proc/self/cgroup", flags=("--cgroup", "pids:below"))
            if line.endswith("/below")
        ]  # fmt: skip
        assert ":pids:" in one
        done = running.tare("exec", "--cgroup", "../..", running.id, "true")
        assert (done.returncode, "leads out of the container's cgroup" in done.stderr) == (255, True)
    finally:
        for path in below:
            path.rmdir()


@pytest.mark.flag("exec --ignore-paused")
def test_exec_into_a_paused_container_waits_for_it_where_that_is_wanted(running: Bundle) -> None:
    running.tare("start", running.id)
    assert running.tare("pause", running.id).returncode == 0
    done = running.tare("exec", running.id, "true")
    assert (done.returncode, "use --ignore-paused" in done.stderr) == (255, True)
    command = running.command("exec", "--ignore-paused", running.id, "echo", "late")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as late:
        with pytest.raises(subprocess.TimeoutExpired):
            late.wait(0.3)
        assert running.tare("resume", running.id).returncode == 0
        out, words = late.communicate(timeout=20)
    assert (late.returncode, out) == (0, "late\n"), words


@pytest.mark.flag("run --keep")
def test_a_kept_container_is_there_after_its_end(bundle: Bundle) -> None:
    assert bundle.script("exit 3").run("--keep").returncode == 3
    assert bundle.state()["status"] == "stopped"
    assert bundle.tare("delete", bundle.id).returncode == 0
    assert bundle.script("exit 3").run().returncode == 3
    assert bundle.tare("state", bundle.id).returncode == 1


@pytest.mark.flag("run --pid-file")
def test_a_pid_file_of_run_names_the_first_process(bundle: Bundle) -> None:
    pid_file = bundle.path / "pid"
    bundle.args("sleep", "100").write()
    with subprocess.Popen(
        bundle.command("run", "--pid-file", str(pid_file), bundle.id), cwd=bundle.path
    ) as ours:
        while not pid_file.exists():
            assert ours.poll() is None
        assert int(pid_file.read_text()) == bundle.state()["pid"]
        bundle.tare("kill", bundle.id, "KILL")
    assert ours.returncode == 128 + signal.SIGKILL


@pytest.mark.flag("create --no-pivot", "run --no-pivot")
def test_without_pivot_the_root_is_moved_and_nothing_of_the_host_is_seen(bundle: Bundle) -> None:
    done = bundle.script("ls /; cd /..; ls -d usr home; cat /proc/self/mountinfo").run("--no-pivot")
    top, *_ = done.stdout.split("\n", 1)
    assert "rootfs" not in os.listdir(bundle.rootfs)
    assert set(done.stdout.split()[: len(os.listdir(bundle.rootfs))]) == set(os.listdir(bundle.rootfs))
    assert "usr" not in os.listdir(bundle.rootfs)
    assert "No such file" in done.stderr, top
    bundle.args("sleep", "100")
    assert bundle.create("--no-pivot").returncode == 0
    assert bundle.tare("exec", bundle.id, "ls", "/bin/busybox").stdout == "/bin/busybox\n"


@pytest.mark.flag("create --no-new-keyring", "run --no-new-keyring")
@pytest.mark.parametrize("flags", [(), ("--no-new-keyring",)], ids=["new", "the caller's"])
def test_the_session_keyring_is_new_unless_the_caller_s_is_wanted(
    bundle: Bundle, flags: tuple[str, ...]
) -> None:
    bundle.config["linux"]["maskedPaths"] = []
    done = bundle.script("cat /proc/keys").run(*flags)
    assert done.returncode == 0
    assert (f"_ses.{bundle.id}" in done.stdout) == (not flags)


@pytest.mark.flag("run --no-subreaper")
@pytest.mark.parametrize("flags", [(), ("--no-subreaper",)], ids=["subreaper", "none"])
def test_run_adopts_the_orphans_of_its_container_unless_told_not_to(
    bundle: Bundle, flags: tuple[str, ...]
) -> None:
    namespaces = bundle.config["linux"]["namespaces"]
    namespaces[:] = [item for item in namespaces if item["type"] != "pid"]  # else its process 1 adopts them
    bundle.script("(sleep 55 &); echo ready; exec sleep 100").write()
    command = bundle.command("run", *flags, bundle.id)
    with subprocess.Popen(command, cwd=bundle.path, stdout=subprocess.PIPE, text=True) as ours:
        assert ours.stdout
        assert ours.stdout.readline() == "ready\n"
        orphans: list[int] = []
        while not orphans:  # it may be a shell still
            pids = json.loads(bundle.tare("ps", "-f", "json", bundle.id).stdout)
            orphans = [pid for pid in pids if b"55\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        (orphan,) = orphans
        status = Path(f"/proc/{orphan}/status").read_text()
        assert (f"PPid:\t{ours.pid}\n" in status) == (not flags)
        bundle.tare("kill", "--all", bundle.id, "KILL")
    assert ours.returncode == 137


@pytest.mark.flag("kill --all")
def test_kill_all_reaches_every_process_of_the_container(bundle: Bundle) -> None:
    bundle.script("trap 'exit 5' TERM; sleep 100 & wait")
    assert bundle.create().returncode == 0
    assert bundle.tare("start", bundle.id).returncode == 0
    while len(json.loads(bundle.tare("ps", "-f", "json", bundle.id).stdout)) < 2:
        pass
    assert bundle.tare("kill", "--all", bundle.id, "KILL").returncode == 0
    while bundle.state()["status"] != "stopped":
        pass
    assert json.loads(bundle.tare("ps", "-f", "json", bundle.id).stdout) is None


@pytest.mark.flag("XDG_RUNTIME_DIR")
def test_the_place_of_states_without_root_is_below_the_user_s_runtime_directory(tmp_path: Path) -> None:
    from tests.support.runtime import TARE_RUNTIME

    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "-i"]
    if subprocess.run([*nobody, TARE_RUNTIME, "--version"], capture_output=True).returncode:
        pytest.skip("another user cannot reach this checkout")
    done = subprocess.run(
        [*nobody, f"XDG_RUNTIME_DIR={tmp_path}", TARE_RUNTIME, "state", "x"], capture_output=True, text=True
    )
    assert f"{tmp_path}/tare-runtime" in done.stderr
    done = subprocess.run([*nobody, TARE_RUNTIME, "state", "x"], capture_output=True, text=True)
    assert "XDG_RUNTIME_DIR is not set" in done.stderr
