"""Where --log leads: a file, the journal, syslog; and what of it at which level."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.bundles import Bundle
from tests.support.runtime import TARE_RUNTIME

pytestmark = pytest.mark.root
# In a mount namespace of its own, the folder $1 stands where the host's socket $2 would be.
BIND = 'mount --make-rprivate / && mkdir -p "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"'


def received(tmp_path: Path, name: str, folder: str, target: str) -> tuple[str, bytes]:
    """Run a failing command with `--log target`; (its stderr, what the socket NAME in FOLDER got)."""
    place = tmp_path / "place"
    place.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(place / name))
        command = [TARE_RUNTIME, "--root", str(tmp_path / "root"), "--log", target, "state", "nope"]
        wrapped = ["unshare", "-m", "sh", "-c", BIND, "sh", str(place), folder, *command]
        done = subprocess.run(wrapped, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        server.setblocking(False)
        try:
            return done.stderr, server.recv(65536)
        except BlockingIOError:
            return done.stderr, b""


@pytest.mark.flag("--log")
def test_the_journal_gets_fields_and_a_message_of_counted_length(tmp_path: Path) -> None:
    if not os.path.isdir("/run"):
        pytest.skip("there is no /run")
    words, data = received(tmp_path, "socket", "/run/systemd/journal", "journald:box")
    head, _, rest = data.partition(b"MESSAGE\n")
    assert head.splitlines() == [b"PRIORITY=3", b"SYSLOG_IDENTIFIER=box", b"ID=box"]
    text = rest[8:-1]
    assert int.from_bytes(rest[:8], "little") == len(text)
    assert text.decode() in words
    assert b"container does not exist" in text


@pytest.mark.flag("--log")
def test_syslog_gets_one_line(tmp_path: Path) -> None:
    place = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(place))
        command = [TARE_RUNTIME, "--root", str(tmp_path / "root"), "--log", "syslog:box", "state", "nope"]
        script = 'mount --make-rprivate / && touch /dev/log && mount --bind "$1" /dev/log; shift; exec "$@"'
        had = os.path.lexists("/dev/log")
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(place), *command], check=False)
        if not had:
            os.unlink("/dev/log")
        assert done.returncode == 1
        server.setblocking(False)
        line = server.recv(65536).decode()
    assert line.startswith("<27>")  # the daemons' facility, an error
    assert " box: container does not exist: no nope" in line
    assert "\n" not in line


def test_a_log_that_nobody_serves_does_not_hide_the_error(tmp_path: Path) -> None:
    command = [TARE_RUNTIME, "--root", str(tmp_path), "--log", "journald:x", "state", "nope"]
    script = 'mount --make-rprivate / && mount -t tmpfs none /run && exec "$@"'
    wrapped = ["unshare", "-m", "sh", "-c", script, "sh", *command]
    done = subprocess.run(wrapped, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "container does not exist" in done.stderr
    assert "send to log journald:x: /run/systemd/journal/socket: no such file" in done.stderr


@pytest.mark.flag("--log", "--log-level", "--debug")
@pytest.mark.parametrize(
    ("flags", "logged"),
    [([], False), (["--log-level", "warning"], True), (["--log-level=debug"], True), (["--debug"], True)],
    ids=["default", "warning", "debug", "--debug"],
)
def test_warnings_get_into_the_file_where_they_are_asked_for(
    bundle: Bundle, flags: list[str], logged: bool
) -> None:
    bundle.config["linux"]["resources"] = {"memory": {"kernel": 1 << 20}}
    log = bundle.path / "log"
    done = bundle.tare("--log", f"file:{log}", *flags, "run", bundle.id)
    assert done.returncode == 0, done.stderr
    assert log.exists() == logged
    if logged:
        assert "level=warning" in log.read_text()
