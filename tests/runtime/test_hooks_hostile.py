"""Hooks that misbehave: each is named, the container does not come to be, and nothing of it stays."""

from __future__ import annotations

import os
import select
import subprocess

import pytest

from tests.support.bundles import Bundle
from tests.support.faults import everything_left

pytestmark = pytest.mark.root

EARLY = ["prestart", "createRuntime", "createContainer", "startContainer"]


def with_hook(bundle: Bundle, kind: str, script: str, timeout_s: int = 0) -> Bundle:
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script]}
    bundle.config["hooks"] = {kind: [{**hook, "timeout": timeout_s} if timeout_s else hook]}
    return bundle.args("true")


@pytest.mark.parametrize("kind", [*EARLY, "poststart"])
@pytest.mark.parametrize(
    ("script", "timeout_s", "reason"),
    [
        pytest.param("echo broken >&2; exit 3", 0, "exit status 3", id="fails"),
        pytest.param("exec sleep 600", 1, "1", id="hangs"),
        pytest.param("kill -9 $$", 0, "signal 9", id="is killed"),
    ],
)
def test_a_hook_that_goes_wrong_is_named_and_nothing_stays(
    bundle: Bundle, kind: str, script: str, timeout_s: int, reason: str
) -> None:
    done = with_hook(bundle, kind, script, timeout_s).run()
    assert done.returncode == 1
    assert f"error running {kind} hook #0: /bin/sh" in done.stderr
    assert reason in done.stderr
    assert ("broken" in done.stderr) == ("broken" in script)
    assert everything_left(bundle) == []


@pytest.mark.parametrize("kind", EARLY)
def test_a_hook_ends_with_the_runtime_that_is_killed(bundle: Bundle, kind: str) -> None:
    """It signals that it runs by a fifo, which it then holds open for writing until it has ended."""
    inside = kind == "startContainer"
    fifo = bundle.rootfs / "tmp/up" if inside else bundle.path / "up"
    os.mkfifo(fifo)
    with_hook(bundle, kind, f"exec 5> {'/tmp/up' if inside else fifo}; echo up >&5; exec sleep 987").write()
    with subprocess.Popen(bundle.command("run", bundle.id), cwd=bundle.path) as runtime:
        reader = os.open(fifo, os.O_RDONLY)
        try:
            assert os.read(reader, 10) == b"up\n"
            runtime.kill()
            assert select.select([reader], [], [], 20)[0], "the hook goes on"
            assert os.read(reader, 10) == b""
        finally:
            os.close(reader)
    fifo.unlink()
    assert bundle.tare("delete", "--force", bundle.id).returncode == 0
    assert everything_left(bundle) == []


@pytest.mark.parametrize("kind", EARLY)
def test_a_hook_may_print_much_and_read_nothing(bundle: Bundle, kind: str) -> None:
    bundle.config["annotations"] = {"big": "x" * 50_000}
    loud = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"
    done = with_hook(bundle, kind, loud).run()
    assert (done.returncode, done.stderr) == (0, "")
    assert everything_left(bundle) == []


@pytest.mark.parametrize("kind", EARLY)
def test_a_hook_that_leaves_a_child_behind_holds_nobody_up(bundle: Bundle, kind: str) -> None:
    done = with_hook(bundle, kind, "sleep 2 &").run()
    assert (done.returncode, done.stderr) == (0, "")
    assert bundle.leftovers() == []


def test_a_failing_poststop_hook_does_not_keep_the_container(bundle: Bundle) -> None:
    assert with_hook(bundle, "poststop", "exit 1").run().returncode == 0
    assert everything_left(bundle) == []
