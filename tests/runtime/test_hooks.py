"""Hooks in the runtime's namespaces: what they get, and what their failures say."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tare_runtime.errors import HookError
from tare_runtime.host.hooks import run_hooks

STATE = json.dumps({"ociVersion": "1.3.0", "id": "h1", "status": "created", "pid": 7}).encode()


def script(tmp_path: Path, body: str, **more: Any) -> dict[str, Any]:
    path = tmp_path / f"hook{len(list(tmp_path.iterdir()))}.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return {"path": str(path), **more}


def test_a_hook_reads_the_state_and_gets_its_own_arguments_and_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    hook = script(tmp_path, f'(cat; echo; echo "$0 $# $1"; env) >{out}', args=["name", "one"], env=["A=b=c"])
    assert run_hooks("createRuntime", [hook], STATE, fatal=True) == []
    state, zero, *env = out.read_text().splitlines()
    assert json.loads(state) == json.loads(STATE)
    assert zero.endswith(" 1 one")
    assert [line for line in env if not line.startswith(("PWD=", "_=", "SHLVL="))] == ["A=b=c"]


def test_args_0_is_the_path_where_none_are_given(tmp_path: Path) -> None:
    (tmp_path / "own").symlink_to("/bin/cat")
    assert run_hooks("prestart", [{"path": str(tmp_path / "own")}], STATE, fatal=True) == []


def test_hooks_run_in_their_order(tmp_path: Path) -> None:
    out = tmp_path / "out"
    hooks = [script(tmp_path, f"echo {number} >>{out}") for number in range(5)]
    run_hooks("prestart", hooks, STATE, fatal=True)
    assert out.read_text().split() == ["0", "1", "2", "3", "4"]


def test_the_first_failure_ends_a_fatal_kind(tmp_path: Path) -> None:
    out = tmp_path / "out"
    hooks = [
        script(tmp_path, "true"),
        script(tmp_path, "echo sorry >&2; exit 3"),
        script(tmp_path, f"echo >{out}"),
    ]
    with pytest.raises(HookError) as caught:
        run_hooks("createRuntime", hooks, STATE, fatal=True)
    error = caught.value
    assert (error.kind, error.index, error.output) == ("createRuntime", 1, "sorry")
    assert (
        str(error) == f"error running createRuntime hook #1: {hooks[1]['path']}: exit status 3, stderr: sorry"
    )
    assert not out.exists()


def test_a_kind_that_is_not_fatal_goes_on_and_reports(tmp_path: Path) -> None:
    out = tmp_path / "out"
    hooks = [
        script(tmp_path, "exit 1"),
        script(tmp_path, f"echo ran >{out}"),
        {"path": str(tmp_path / "none")},
    ]
    failed = run_hooks("poststop", hooks, STATE, fatal=False)
    assert [(error.index, error.problem) for error in failed] == [
        (0, "exit status 1"),
        (2, "no such file or directory"),
    ]
    assert out.read_text() == "ran\n"


def test_a_hook_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(HookError, match="timeout of 1 s"):
        run_hooks("prestart", [script(tmp_path, "exec sleep 60", timeout=1)], STATE, fatal=True)
    assert time.monotonic() - began < 20


def test_a_hook_within_its_timeout_succeeds(tmp_path: Path) -> None:
    run_hooks("prestart", [script(tmp_path, "true", timeout=60)], STATE, fatal=True)


def test_a_signal_is_named(tmp_path: Path) -> None:
    with pytest.raises(HookError, match="killed by signal 15"):
        run_hooks("prestart", [script(tmp_path, "kill -TERM $$")], STATE, fatal=True)


def test_a_hook_that_reads_nothing_and_prints_much_is_no_trouble(tmp_path: Path) -> None:
    large = json.dumps({"annotations": {"a": "x" * 300_000}}).encode()
    body = "head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2; exit 1"
    with pytest.raises(HookError) as caught:
        run_hooks("prestart", [script(tmp_path, body)], large, fatal=True)
    assert caught.value.output == "y" * 2048


def test_a_child_that_a_hook_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    pid_file = tmp_path / "pid"
    run_hooks("prestart", [script(tmp_path, f"sleep 60 & echo $! >{pid_file}")], STATE, fatal=True)
    assert time.monotonic() - began < 20
    os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_a_hook_gets_default_signals(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_hooks("prestart", [script(tmp_path, f"grep SigIgn /proc/self/status >{out}")], STATE, fatal=True)
    assert int(out.read_text().split()[1], 16) & (1 << 12) == 0, "SIGPIPE is ignored"


def test_no_file_descriptor_of_ours_reaches_a_hook(tmp_path: Path) -> None:
    out = tmp_path / "out"
    marker = tmp_path / "marker"
    with marker.open("w"):
        run_hooks("prestart", [script(tmp_path, f"ls -l /proc/$$/fd >{out}")], STATE, fatal=True)
    text = out.read_text()
    assert "marker" not in text
    assert text.count("memfd:hook-") == 3
