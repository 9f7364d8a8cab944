"""What a caller hands on beside stdio: sockets of systemd, descriptors, and its notify socket."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import Bundle

pytestmark = pytest.mark.root

# Says a line on descriptor 3 and what it knows of the sockets.
SPEAK = (
    'echo "fds=$LISTEN_FDS pid=$LISTEN_PID names=$LISTEN_FDNAMES"; ls /proc/self/fd | wc -l; echo hello >&3'
)


def run_with(
    bundle: Bundle, *, before: str, env: dict[str, str], flags: str = "", verb: str = "run"
) -> subprocess.CompletedProcess[str]:
    """The command from a shell that opens descriptors first; `$$` in `env` is the pid the runtime has."""
    bundle.write()
    words = " ".join(f"'{word}'" for word in bundle.command(verb))
    settings = " ".join(f"{name}={value}" for name, value in env.items())
    script = f"{before}; export {settings or 'X=1'}; exec {words} {flags} {bundle.id}"
    return subprocess.run(
        ["bash", "-c", script], cwd=bundle.path, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.flag("LISTEN_FDS", "run --preserve-fds")
@pytest.mark.parametrize("pid", ["$$", None], ids=["for us", "for anybody"])
def test_sockets_of_systemd_reach_the_container_with_their_number(bundle: Bundle, pid: str | None) -> None:
    out = bundle.path / "three"
    bundle.script(SPEAK)
    env = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"} | ({"LISTEN_PID": pid} if pid else {})
    done = run_with(bundle, before=f"exec 3>{out}", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["fds=1 pid=1 names=web", "5"]  # with the folder that ls reads
    assert out.read_text() == "hello\n"


@pytest.mark.flag("LISTEN_FDS")
def test_sockets_for_another_process_are_not_passed(bundle: Bundle) -> None:
    bundle.script('echo "fds=$LISTEN_FDS"; ls /proc/self/fd | wc -l')
    done = run_with(bundle, before="exec 3>/dev/null", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert done.stdout.splitlines() == ["fds=", "4"]


@pytest.mark.flag("create --preserve-fds", "run --preserve-fds", "LISTEN_FDS")
def test_preserved_descriptors_count_behind_those_of_systemd(bundle: Bundle) -> None:
    out = bundle.path / "four"
    bundle.script("echo hello >&4")
    done = run_with(
        bundle, before=f"exec 3>/dev/null 4>{out}", env={"LISTEN_FDS": "1"}, flags="--preserve-fds 1"
    )
    assert done.returncode == 0, done.stderr
    assert out.read_text() == "hello\n"


@pytest.mark.parametrize("verb", ["create", "run"])
def test_descriptors_that_are_not_open_are_named(bundle: Bundle, verb: str) -> None:
    done = run_with(bundle, before="exec 3>/dev/null", env={}, flags="--preserve-fds 3", verb=verb)
    assert done.returncode == 1
    assert "pass descriptor 4 to the container: it is not open" in done.stderr
    assert bundle.leftovers() == []


def test_a_count_of_sockets_that_is_none_is_refused(bundle: Bundle) -> None:
    done = run_with(bundle, before=":", env={"LISTEN_FDS": "many"})
    assert (done.returncode, "LISTEN_FDS='many'" in done.stderr) == (1, True)


@pytest.mark.flag("exec --preserve-fds")
def test_exec_preserves_descriptors_too(bundle: Bundle) -> None:
    assert bundle.args("sleep", "100").create().returncode == 0
    out = bundle.path / "three"
    words = " ".join(bundle.command("exec", "--preserve-fds", "1", bundle.id))
    subprocess.run(["bash", "-c", f"exec 3>{out}; exec {words} sh -c 'echo hello >&3'"], check=True)
    assert out.read_text() == "hello\n"


# --- NOTIFY_SOCKET ---------------------------------------------------------------------------------------

PYTHON = "/usr/bin/python3"
SAY = """import socket,sys,os
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(os.environ["NOTIFY_SOCKET"])
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "host.sock"))
        server.settimeout(20)
        yield server


def heard(server: socket.socket) -> list[bytes]:
    """One datagram's lines; a barrier is answered as systemd does, by closing what came with it."""
    data, fds, _, _ = socket.recv_fds(server, 4096, 4)
    for fd in fds:
        os.close(fd)
    return data.splitlines()


@pytest.fixture
def speaker(bundle: Bundle) -> Bundle:
    """A container whose program is Python's, with all of the host's /usr to run it."""
    if not os.path.exists(PYTHON):
        pytest.skip(f"there is no {PYTHON}")
    for folder in ("usr", "lib", "lib64"):
        source = os.path.realpath(f"/{folder}")
        (bundle.rootfs / folder).mkdir(exist_ok=True)
        bundle.config["mounts"].append(
            {"destination": f"/{folder}", "type": "bind", "source": source, "options": ["rbind", "ro"]}
        )
    return bundle


def script(*messages: str, then: str = "") -> list[str]:
    sends = "".join(f"s.send({message!r}.encode())\n" for message in messages)
    return [PYTHON, "-I", "-S", "-c", SAY + sends + then]


@pytest.mark.flag("NOTIFY_SOCKET")
@pytest.mark.parametrize("way", ["start", "run -d", "run"])
def test_what_the_service_says_reaches_the_host_with_the_pid_to_watch(
    speaker: Bundle, host: socket.socket, way: str
) -> None:
    end = "import time; time.sleep(100)" if way != "run" else ""
    speaker.args(*script("STATUS=warming", "READY=1\nMAINPID=1\nSTATUS=up", then=end))
    env = {**os.environ, "NOTIFY_SOCKET": str(speaker.path / "host.sock")}
    speaker.write()
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "cwd": speaker.path, "env": env}
    if way == "start":
        subprocess.run(speaker.command("create", speaker.id), check=True, **quiet)  # type: ignore[call-overload]
    command = speaker.command(*way.split(), speaker.id)
    with subprocess.Popen(command, **quiet) as process:  # type: ignore[call-overload]
        assert heard(host) == [b"STATUS=warming"]
        ready = heard(host)
        assert heard(host) == [b"BARRIER=1"]
    assert process.returncode == 0
    want = process.pid if way == "run" else speaker.state()["pid"]
    assert ready == [b"READY=1", b"STATUS=up", b"MAINPID=%d" % want]
    if way != "run":
        inside = speaker.tare("exec", speaker.id, "sh", "-c", "ls -l /run/notify")
        assert "srwxrwxrwx" in inside.stdout


@pytest.mark.flag("NOTIFY_SOCKET")
def test_a_service_that_ends_before_it_is_ready_does_not_hold_start_up(bundle: Bundle) -> None:
    bundle.args("true").write()
    env = {**os.environ, "NOTIFY_SOCKET": "/no/such/socket"}
    for words in (["create"], ["start"], ["delete"]):
        out = subprocess.DEVNULL
        subprocess.run(
            bundle.command(*words, bundle.id), cwd=bundle.path, env=env, check=True, stdout=out, timeout=20
        )
        while words == ["start"] and bundle.state()["status"] != "stopped":
            pass
    assert bundle.leftovers() == []
