"""A host that is hard to live on: pids that come again, interrupted calls, next to no memory."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.support.bundles import Bundle
from tests.support.faults import everything_left

pytestmark = pytest.mark.root

REUSE = """
set -e
run() { "$@" < /dev/null > "$OUT" 2>&1; }
OUT=create.out; run $TARE create "$ID"
OUT=start.out; run $TARE start "$ID"
pid=$(cat pid)
kill -9 $pid
while kill -0 $pid 2>/dev/null; do :; done
tries=0
while :; do
  echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid
  sleep 60 > /dev/null 2>&1 &
  [ $! = $pid ] && break
  kill $!
  tries=$((tries + 1)); [ $tries -lt 50 ]
done
$TARE state "$ID" > state.out
$TARE kill "$ID" KILL > kill.out 2>&1 && echo killed >> kill.out || true
$TARE exec "$ID" true > exec.out 2>&1 && echo ran >> exec.out || true
$TARE delete --force "$ID"
kill -0 $pid && echo the stranger lives
kill -9 $pid
"""


def test_a_pid_that_another_process_has_by_now_is_left_alone(bundle: Bundle) -> None:
    """In a pid namespace of its own, where the next pid can be chosen; its init reaps what ends."""
    bundle.args("sleep", "60").write()
    script = REUSE.replace('create "$ID"', 'create --pid-file pid "$ID"')
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c", script]
    environment = {
        "TARE": " ".join(bundle.command()), "ID": bundle.id, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }  # fmt: skip
    done = subprocess.run(
        command, cwd=bundle.path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "the stranger lives\n", done.stderr
    assert '"status": "stopped"' in (bundle.path / "state.out").read_text()
    assert "not running" in (bundle.path / "kill.out").read_text()
    assert "killed" not in (bundle.path / "kill.out").read_text()
    assert "not running" in (bundle.path / "exec.out").read_text()
    assert bundle.leftovers() == []


# Without those that the dynamic loader of the interpreter makes: it gives up on them.
INTERRUPTED = "recvmsg,sendmsg,accept4,connect,poll,openat2,write,wait4,flock,dup2"


@pytest.mark.parametrize("verb", ["run", "create", "start", "exec", "state", "kill", "delete"])
@pytest.mark.parametrize("first", [1, 2])
def test_every_other_call_that_is_interrupted_changes_nothing(bundle: Bundle, verb: str, first: int) -> None:
    """EINTR from every second call that may give it, in the runtime and in init."""
    bundle.args("sh", "-c", "exit 7") if verb == "run" else bundle.args("sleep", "60")
    if verb not in ("run", "create"):
        assert bundle.create().returncode == 0
    if verb in ("exec", "kill"):
        assert bundle.tare("start", bundle.id).returncode == 0
    more = {
        "exec": [bundle.id, "sh", "-c", "exit 7"],
        "kill": [bundle.id, "KILL"],
        "delete": ["--force", bundle.id],
    }
    words = [verb, *more.get(verb, [bundle.id])]
    follow = [] if verb == "create" else ["-f"]  # strace would wait for the container that is made
    inject = f"inject={INTERRUPTED}:error=EINTR:when={first}+2"
    bundle.write()
    errors = bundle.path / "err"
    with errors.open("w") as stderr:
        code = subprocess.run(
            ["strace", *follow, "-qq", "-o", "/dev/null", "-e", f"trace={INTERRUPTED}", "-e", inject,
             *bundle.command(*words)],
            cwd=bundle.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, timeout=120,
        ).returncode  # fmt: skip
    text = errors.read_text()
    errors.unlink()
    assert code == (7 if verb in ("run", "exec") else 0), text
    assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert everything_left(bundle) == []


def test_stops_and_goes_as_fast_as_can_be_change_nothing(bundle: Bundle) -> None:
    bundle.args("sh", "-c", "exit 7").write()
    for _ in range(5):
        process = subprocess.Popen(
            bundle.command("run", bundle.id), cwd=bundle.path, stdin=subprocess.DEVNULL
        )
        while process.poll() is None:  # until then it is not reaped: the pid is its own
            os.kill(process.pid, signal.SIGSTOP)
            os.kill(process.pid, signal.SIGCONT)
        assert process.returncode == 7
    assert everything_left(bundle) == []


@pytest.mark.parametrize("kib", [16, 64, 128, 256, 512, 1024])
def test_a_small_memory_limit_is_enough_or_is_named(bundle: Bundle, kib: int) -> None:
    bundle.config["linux"]["resources"] = {"memory": {"limit": kib * 1024}}
    done = bundle.args("true").run()
    if done.returncode != 137:  # the program began, and was killed as it ran
        assert done.returncode == 0 or ("memory" in done.stderr and "limit" in done.stderr), done.stderr
    assert done.returncode == 0 or kib < 1024
    assert everything_left(bundle) == []
