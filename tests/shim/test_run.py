"""`tare run` on real containers: what the flags do, seen from inside; statuses; what stays behind."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shim.conftest import TIMEOUT_S, Tare
from tests.support.programs import BIN

pytestmark = pytest.mark.root


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not true():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


def test_output_and_standard_input_pass_through(tare: Tare) -> None:
    done = tare("run", "-i", "--rm", tare.image, "--", "sh", "-c", "cat; echo err >&2", stdin=b"in\0put")
    assert done.stdout == b"in\0put"
    assert done.stderr == b"err\n"
    assert not tare.leftovers()


def test_without_i_nothing_is_read_from_our_input(tare: Tare) -> None:
    assert tare("run", "--rm", tare.image, "cat", stdin=b"secret").stdout == b""


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (["sh", "-c", "exit 0"], 0, ""),
        (["sh", "-c", "exit 7"], 7, ""),
        (["sh", "-c", "kill -TERM $$; sleep 5"], 128 + 15, ""),
        (["/no/such/program"], 127, "no such file or directory"),
        (["nosuchprogram"], 127, "executable file not found"),
        (["/etc/passwd"], 126, "permission denied"),
    ],
    ids=["0", "7", "signal", "no such path", "not on PATH", "not executable"],
)
def test_the_exit_status_is_the_containers_or_says_why_there_is_none(
    tare: Tare, command: list[str], status: int, words: str
) -> None:
    # Pid 1 of a pid namespace ignores signals it has no handler for; an outer shell makes it pid 2.
    wrapped = ["sh", "-c", f"sh -c '{command[2]}'; exit $?"] if "kill" in command[-1] else command
    done = tare("run", "--rm", tare.image, *wrapped, want=status)
    assert words in done.stderr.decode().lower()
    assert not tare.leftovers()


def test_a_detached_containers_exit_status_is_kept(tare: Tare) -> None:
    name = tare.name()
    tare("run", "-d", "--name", name, tare.image, "sh", "-c", "exit 7")
    tare("logs", "-f", name)
    assert b"exited (7)" in tare("ps", "-a").stdout
    tare("rm", name)
    assert not tare.leftovers()


CAP_EFF = "grep CapEff /proc/self/status | cut -f2"
SHOWS: list[tuple[str, list[str], str, str]] = [
    ("hostname", ["--hostname", "box"], "hostname", "box"),
    ("env", ["-e", "A=b c", "-e", "OURS"], 'echo "$A $OURS"', "b c mine"),
    ("workdir", ["--workdir", "/usr"], "pwd", "/usr"),
    ("workdir made", ["--workdir", "/not/there/yet"], "pwd", "/not/there/yet"),
    ("user by number", ["--user", "1000:2000"], 'echo "$(id -u):$(id -g)"', "1000:2000"),
    ("user by name", ["--user", "user"], "id -u; id -G", "1000\n1000 2000"),
    ("read-only", ["--read-only"], "touch /x 2>/dev/null || echo refused", "refused"),
    ("memory", ["--memory", "32m"], "cat /sys/fs/cgroup/memory/memory.limit_in_bytes", str(32 << 20)),
    ("pids", ["--pids-limit", "9"], "cat /sys/fs/cgroup/pids/pids.max", "9"),
    ("cpus", ["--cpus", "0.25"], "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us", "25000"),
    ("no caps", ["--cap-drop", "all"], CAP_EFF, "0000000000000000"),
    ("one cap", ["--cap-drop", "ALL", "--cap-add", "chown"], CAP_EFF, "0000000000000001"),
    ("network none", [], "ls /sys/class/net", "lo"),
    ("entrypoint", ["--entrypoint", "/bin/echo"], "", "-c"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "script", "shows"), [row[1:] for row in SHOWS], ids=[row[0] for row in SHOWS]
)
def test_a_flag_does_what_it_says(tare: Tare, flags: list[str], script: str, shows: str) -> None:
    if "/sys/fs/cgroup/" in script and Path("/sys/fs/cgroup/cgroup.controllers").exists():
        pytest.skip("looks at cgroup v1 files")
    command = ["sh", "-c", script] if script else ["-c"]
    done = tare("run", "--rm", *flags, tare.image, *command, OURS="mine")
    assert done.stdout.decode().strip() == shows


def test_the_hosts_network_is_the_hosts(tare: Tare) -> None:
    inside = tare("run", "--rm", "--network", "host", tare.image, "readlink", "/proc/self/ns/net").stdout
    assert inside.decode().strip() == os.readlink("/proc/self/ns/net")
    names = tare("run", "--rm", "--network", "host", tare.image, "cat", "/etc/resolv.conf").stdout
    assert names == Path("/etc/resolv.conf").read_bytes()


def test_volumes_are_the_hosts_folders(tare: Tare, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    script = "echo made >/a/file; touch /b/file 2>/dev/null || echo refused"
    done = tare("run", "--rm", "-v", f"{source}:/a", "-v", f"{source}:/b:ro", tare.image, "sh", "-c", script)
    assert done.stdout == b"refused\n"
    assert (source / "file").read_text() == "made\n"


def test_what_a_container_writes_is_gone_with_it(tare: Tare) -> None:
    tare("run", "--rm", tare.image, "sh", "-c", "rm /etc/passwd; echo x >/new")
    assert (
        tare("run", "--rm", tare.image, "sh", "-c", "ls /etc/passwd; ls /new", want=1).stdout
        == b"/etc/passwd\n"
    )


def test_a_foreground_container_keeps_its_output_for_logs(tare: Tare) -> None:
    name = tare.name()
    done = tare("run", "--name", name, tare.image, "sh", "-c", "echo out; echo err >&2; exit 3", want=3)
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    kept = tare("logs", name)
    assert (kept.stdout, kept.stderr) == (b"out\n", b"err\n")
    tare("rm", name)
    assert not tare.leftovers()


def test_a_program_whose_reader_has_gone_ends_as_in_a_pipe(tare: Tare) -> None:
    name = tare.name()
    command = [str(BIN / "tare"), "run", "--name", name, tare.image, "sh", "-c", "yes; echo $? >&2"]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=tare.environment,
    ) as child:
        assert child.stdout and child.stderr
        assert child.stdout.readline() == b"y\n"
        child.stdout.close()
        assert child.stderr.read() == b"141\n", "SIGPIPE"
    tare("rm", name)
    assert not tare.leftovers()


def test_a_refusal_is_printed_once(tare: Tare) -> None:
    said = tare("run", tare.image, "/no/such/program", want=127).stderr
    assert said.count(b'exec: "/no/such/program": no such file or directory') == 1  # a hint may name it again
    assert not tare.leftovers()


def test_a_detached_container_is_listed_asked_and_removed(tare: Tare) -> None:
    name = tare.name()
    container_id = tare(
        "run", "-d", "--name", name, tare.image, "sh", "-c", "echo up; exec sleep 1000"
    ).stdout
    assert len(container_id.strip()) == 64
    assert b"running" in tare("ps").stdout
    assert tare("exec", name, "--", "sh", "-c", "echo $$; exit 5", want=5).stdout.strip() != b"1"
    assert tare(
        "exec", "--user", "user", "-w", "/tmp", "-e", "X=y", name, "sh", "-c", "id -u; pwd; echo $X"
    ).stdout == (b"1000\n/tmp\ny\n")
    tare("exec", name, "no-such-program", want=127)
    tare("exec", "-d", name, "touch", "/made")
    wait_until(lambda: tare("exec", name, "test", "-e", "/made", want=None).returncode == 0, "it ran")
    wait_until(lambda: tare("logs", name, want=None).stdout == b"up\n", "the log holds the line")
    assert b"it is running" in tare("rm", name, want=125).stderr
    tare("rm", "-f", name)
    assert not tare.leftovers()


def test_a_detached_container_with_rm_removes_itself(tare: Tare) -> None:
    tare("run", "-d", "--rm", tare.image, "true")
    wait_until(lambda: not tare.leftovers(), "everything is removed")


def test_a_name_is_taken_once_and_free_again(tare: Tare) -> None:
    name = tare.name()
    tare("run", "--name", name, tare.image, "true")
    refused = tare("run", "--name", name, tare.image, "true", want=125).stderr.decode()
    assert "has that name" in refused
    assert "hint: " in refused
    tare("rm", name)
    tare("run", "--rm", "--name", name, tare.image, "true")
    assert not tare.leftovers()


def test_a_terminal_is_given_when_it_is_asked_for(tare: Tare) -> None:
    ours, theirs = pty.openpty()
    command = [
        str(BIN / "tare"),
        "run",
        "-it",
        "--rm",
        tare.image,
        "sh",
        "-c",
        "tty; stty size; read x; echo got-$x",
    ]
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=tare.environment, start_new_session=True
    )
    os.close(theirs)
    os.write(ours, b"line\r")
    seen = b""
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:
        pass  # EIO: the other end is closed
    assert child.wait(TIMEOUT_S) == 0
    os.close(ours)
    assert b"/dev/pts/" in seen or b"/dev/console" in seen
    assert b"got-line" in seen
    assert not tare.leftovers()


def test_a_terminal_of_ours_goes_to_the_log_too(tare: Tare) -> None:
    name = tare.name()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    script = "stty size; read x; echo got-$x; exit 4"
    command = [str(BIN / "tare"), "run", "-it", "--name", name, tare.image, "sh", "-c", script]
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=tare.environment, start_new_session=True
    )
    os.close(theirs)
    os.write(ours, b"line\r")
    try:
        while os.read(ours, 4096):
            pass
    except OSError:
        pass  # EIO: the other end is closed
    assert child.wait(TIMEOUT_S) == 4
    os.close(ours)
    kept = tare("logs", name).stdout
    assert b"33 77\r\n" in kept
    assert b"got-line\r\n" in kept
    tare("rm", name)
    assert not tare.leftovers()


def test_of_a_long_output_the_newest_is_kept(tare: Tare) -> None:
    name = tare.name()
    script = "i=0; while [ $i -lt 2000 ]; do echo line-$i-xxxxxxxxxxxxxxxxxxxx; i=$((i+1)); done"
    tare("run", "-d", "--log-size", "32k", "--name", name, tare.image, "sh", "-c", script)
    tare("logs", "-f", name)
    kept = tare("logs", name).stdout.splitlines()
    assert kept[-1] == b"line-1999-xxxxxxxxxxxxxxxxxxxx"
    numbers = [int(line.split(b"-")[1]) for line in kept]
    assert numbers == list(range(numbers[0], 2000)), "a gap"
    assert 50 < len(numbers) < 1000
    assert "4k is the least" in tare("run", "--log-size", "1", tare.image, want=125).stderr.decode()
    tare("rm", name)
    assert not tare.leftovers()


def test_a_detached_terminal_goes_to_the_log(tare: Tare) -> None:
    name = tare.name()
    tare("run", "-dt", "--name", name, tare.image, "sh", "-c", "test -t 1 && echo terminal")
    assert tare("logs", "-f", name).stdout == b"terminal\r\n"
    tare("rm", name)
    assert not tare.leftovers()


def test_a_signal_is_handed_to_the_container(tare: Tare) -> None:
    script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    with subprocess.Popen(
        [str(BIN / "tare"), "run", "--rm", tare.image, "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=tare.environment,
    ) as child:
        try:
            assert child.stdout and child.stdout.readline() == b"ready\n"
            child.send_signal(signal.SIGTERM)
            assert child.stdout.read() == b"caught\n"
            assert child.wait(TIMEOUT_S) == 9
        finally:
            child.kill()
    assert not tare.leftovers()


@pytest.mark.parametrize("driver", ["overlay", "vfs"])
def test_both_graph_drivers_give_a_root(tare: Tare, driver: str) -> None:
    assert tare("run", "--rm", tare.image, "cat", "/etc/os-release", TARE_DRIVER=driver).stdout.startswith(
        b"NAME"
    )
    assert not tare.leftovers()


@pytest.mark.peer
def test_another_runtime_of_the_same_command_line_does_as_well(tare: Tare) -> None:
    done = tare("--runtime", "runc", "run", "--rm", tare.image, "sh", "-c", "echo by-runc; exit 4", want=4)
    assert done.stdout == b"by-runc\n"
    tare("--runtime", "runc", "run", "--rm", tare.image, "/no/such/program", want=127)
    assert not tare.leftovers()
