"""Terminals: in the foreground, over a console socket, and for a second process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import termios
from pathlib import Path

import pytest

from tests.support.bundles import Bundle
from tests.support.faults import everything_left, running
from tests.support.terminals import ConsoleSocket, Session, set_size

pytestmark = pytest.mark.root

WATCH = "trap 'stty size; echo resized' WINCH; stty size; echo ready; while :; do sleep 0.05; done"


def terminal(bundle: Bundle, script: str) -> Bundle:
    bundle.config["process"]["terminal"] = True
    bundle.script(script).write()
    return bundle


def test_a_program_in_the_foreground_has_our_terminals_size_from_the_start(bundle: Bundle) -> None:
    command = terminal(bundle, "stty size; tty; exit 4").command("run", bundle.id)
    with Session(command, bundle.path, 33, 101) as session:
        assert session.screen.until("/dev/").startswith("33 101\r\n")
        assert session.process.wait(10) == 4
        assert termios.tcgetattr(session.slave) == session.before
    assert everything_left(bundle) == []


def test_a_resize_reaches_the_program(bundle: Bundle) -> None:
    with Session(terminal(bundle, WATCH).command("run", bundle.id), bundle.path) as session:
        session.screen.until("ready")
        set_size(session.screen.fd, 12, 34)
        assert "12 34" in session.screen.until("resized")
        session.process.send_signal(signal.SIGKILL)


def test_control_c_reaches_the_program_and_not_us(bundle: Bundle) -> None:
    script = "trap 'echo got; exit 3' INT; echo ready; while :; do sleep 0.05; done"
    with Session(terminal(bundle, script).command("run", bundle.id), bundle.path) as session:
        session.screen.until("ready")
        session.screen.keys("\x03")
        session.screen.until("got")
        assert session.process.wait(10) == 3
    assert everything_left(bundle) == []


def test_keys_reach_the_program_and_the_last_words_reach_us(bundle: Bundle) -> None:
    count = "i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done"
    script = f"echo ready; read line; echo got:$line; {count}; echo end"
    with Session(terminal(bundle, script).command("run", bundle.id), bundle.path) as session:
        session.screen.until("ready")
        session.screen.keys("words\n")
        text = session.screen.until("end")
        assert "got:words" in text
        assert "\r\n1999\r\n" in text


def test_a_program_that_reads_nothing_does_not_keep_us_from_its_output_and_end(bundle: Bundle) -> None:
    script = "stty -icanon; echo ready; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo over; exit 6"
    command = terminal(bundle, script).command("run", bundle.id)
    process = subprocess.Popen(command, cwd=bundle.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"ready\r\n"
    os.set_blocking(process.stdin.fileno(), False)
    try:
        while os.write(process.stdin.fileno(), b"x" * 4096):  # until nobody takes more
            pass
    except BlockingIOError:
        pass
    (bundle.rootfs / "tmp/go").write_text("")
    assert process.wait(10) == 6
    assert process.stdout.read().endswith(b"over\r\n")
    process.stdin.close()
    process.stdout.close()
    assert everything_left(bundle) == []


@pytest.mark.flag("create --console-socket", "run --console-socket")
def test_a_console_socket_receives_the_master_and_its_name(bundle: Bundle, tmp_path: Path) -> None:
    terminal(bundle, "tty; read line; echo got:$line; read end")
    bundle.config["process"]["consoleSize"] = {"height": 20, "width": 50}
    with ConsoleSocket(tmp_path / "console.sock") as console:
        created = bundle.create("--console-socket", str(console.path))
        assert created.returncode == 0, created.stderr
        screen, name = console.receive()
    assert name == "/dev/pts/0"
    assert os.get_terminal_size(screen.fd) == (50, 20)
    assert bundle.tare("start", bundle.id).returncode == 0
    screen.until("/dev/pts/0")
    screen.keys("words\n")
    screen.until("got:words")
    screen.close()


@pytest.mark.flag("exec --tty", "exec --console-socket")
def test_exec_gives_a_terminal_in_the_foreground_and_over_a_socket(bundle: Bundle, tmp_path: Path) -> None:
    with running(bundle, "sleep", "60"):
        bundle.write()
        command = bundle.command(
            "exec", "-t", bundle.id, "sh", "-c", "stty size; test -t 0 && echo yes; exit 5"
        )
        with Session(command, bundle.path, 22, 77) as session:
            assert session.screen.until("yes").startswith("22 77\r\n")
            assert session.process.wait(10) == 5
        with ConsoleSocket(tmp_path / "console.sock") as console:
            done = bundle.tare(
                *("exec", "-t", "-d", "--console-socket", str(console.path)),
                *(bundle.id, "sh", "-c", "read line; echo got:$line; read end"),
            )
            assert done.returncode == 0, done.stderr
            screen, name = console.receive()
        assert name.startswith("/dev/pts/")
        screen.keys("words\n")
        screen.until("got:words")
        screen.close()


def listening_no_more(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("verb", ["create", "exec"])
@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        pytest.param(lambda path: None, "no such file or directory", id="missing"),
        pytest.param(listening_no_more, "connection refused", id="refuses"),
        pytest.param(Path.touch, "connection refused", id="no socket"),
    ],
)
def test_a_console_socket_that_nobody_serves_is_named(
    bundle: Bundle, tmp_path: Path, verb: str, prepare: object, reason: str
) -> None:
    path = tmp_path / "console.sock"
    assert callable(prepare)
    prepare(path)
    if verb == "create":
        done = terminal(bundle, "sleep 60").create("--console-socket", str(path))
        path.unlink(missing_ok=True)
        assert everything_left(bundle) == []
    else:
        with running(bundle, "sleep", "60"):
            words = ("-t", "-d", "--console-socket", str(path), bundle.id, "sleep", "60")
            done = bundle.tare("exec", *words)
    assert done.returncode in (1, 255)
    assert len(done.stderr.splitlines()) == 2  # the error and what to do
    assert f"--console-socket {path}: {reason}" in done.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        pytest.param((), "--console-socket", id="create"),
        pytest.param(("--console-socket", "x" * 200), "file name too long", id="too long"),
    ],
)
def test_a_terminal_without_a_taker_is_refused(bundle: Bundle, flags: tuple[str, ...], wanted: str) -> None:
    done = terminal(bundle, "true").create(*flags)
    assert done.returncode == 1
    assert wanted in done.stderr
    assert everything_left(bundle) == []
