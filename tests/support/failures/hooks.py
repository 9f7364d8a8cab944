"""Hooks, terminals, sockets of the caller."""

from __future__ import annotations

from typing import Any

from tests.support.bundles import Bundle
from tests.support.failures.table import Done, failure


def hooked(bundle: Bundle, kind: str, **hook: Any) -> Done:
    bundle.config["hooks"] = {kind: [hook]}
    return bundle.args("true").run()


def script(bundle: Bundle, text: str, mode: int = 0o755) -> str:
    path = bundle.path / "hook"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return str(path)


@failure("hooks", "NVIDIA/nvidia-docker#1017", "the hook's program is not installed")
def missing_hook(bundle: Bundle) -> Done:
    return hooked(bundle, "prestart", path="/usr/bin/nvidia-container-runtime-hook")


@failure("hooks", "NVIDIA/nvidia-docker#1252 runc#2102", "the hook fails, and says why")
def failing_hook(bundle: Bundle) -> Done:
    text = "cat >/dev/null; echo 'initialization error: driver error' >&2; exit 1"
    return hooked(bundle, "createRuntime", path=script(bundle, text))


@failure("hooks", "NVIDIA/nvidia-docker#1047", "the hook takes longer than its timeout")
def slow_hook(bundle: Bundle) -> Done:
    return hooked(bundle, "createRuntime", path=script(bundle, "exec sleep 60"), timeout=1)


@failure("hooks", "NVIDIA/nvidia-docker#1281", "the hook is ended by a signal")
def killed_hook(bundle: Bundle) -> Done:
    return hooked(bundle, "createRuntime", path=script(bundle, "kill -ABRT $$"))


@failure("hooks", "", "the hook has no execute permission")
def hook_not_executable(bundle: Bundle) -> Done:
    return hooked(bundle, "createRuntime", path=script(bundle, "true", 0o644))


@failure("hooks", "", "a startContainer hook that is not in the container")
def missing_hook_inside(bundle: Bundle) -> Done:
    return hooked(bundle, "startContainer", path="/opt/hook")


@failure("hooks", "", "a startContainer hook that fails")
def failing_hook_inside(bundle: Bundle) -> Done:
    return hooked(bundle, "startContainer", path="/bin/sh", args=["sh", "-c", "echo no >&2; exit 3"])


@failure("hooks", "", "a poststart hook that fails")
def failing_late_hook(bundle: Bundle) -> Done:
    bundle.args("sleep", "60")
    bundle.config["hooks"] = {"poststart": [{"path": script(bundle, "exit 7")}]}
    return bundle.tare("run", "--detach", bundle.id)


@failure("hooks", "", "a relative path")
def relative_hook(bundle: Bundle) -> Done:
    return hooked(bundle, "poststop", path="hook")


@failure("hooks", "", "`create` with a terminal and nobody to take it")
def terminal_without_socket(bundle: Bundle) -> Done:
    bundle.config["process"]["terminal"] = True
    return bundle.tare("create", bundle.id)


@failure("hooks", "", "--console-socket for a process without a terminal")
def socket_without_terminal(bundle: Bundle) -> Done:
    return bundle.tare("create", "--console-socket", "/tmp/none.sock", bundle.id)


@failure("hooks", "", "--console-socket where nobody listens")
def nobody_at_the_socket(bundle: Bundle) -> Done:
    bundle.config["process"]["terminal"] = True
    return bundle.tare("create", "--console-socket", str(bundle.path / "none.sock"), bundle.id)


@failure("hooks", "", "--pid-file in a directory that does not exist")
def pid_file_nowhere(bundle: Bundle) -> Done:
    return bundle.args("true").tare("run", "--pid-file", str(bundle.path / "none/pid"), bundle.id)


@failure("hooks", "", "--preserve-fds for more descriptors than there are")
def fds_that_are_not_open(bundle: Bundle) -> Done:
    return bundle.args("true").tare("run", "--preserve-fds", "3", bundle.id)
