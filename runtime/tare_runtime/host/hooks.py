"""Run a container's hooks that belong to the runtime's own namespaces, one after the other.

A hook reads the container's state from its standard input, and what it prints is kept for the error. Both
are memory files and not pipes: no hook can make us wait by not reading, by printing much, or by leaving a
child behind that holds its output open.
"""

from __future__ import annotations

import posix
import select

from tare_runtime._core import ffi, lib
from tare_runtime.errors import HookError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TAIL_BYTES = 2048
_SIGKILL = 9  # the signal module costs 5 ms


def run_hooks(
    kind: str,
    hooks: list[dict[str, Any]],
    state_json: bytes,
    *,
    fatal: bool,
    output: tuple[int, int] = (-1, -1),
) -> list[HookError]:
    """Run the hooks of one kind in order; returns those that failed, which is for warnings.

    `output`: files that get what they print, instead of being kept for the error; they stay the caller's.
    Spec: *runtime-spec 1.3, config.md, "POSIX-platform Hooks"*.
    Raises: HookError for the first that fails, if `fatal`.
    """
    failed: list[HookError] = []
    for index, hook in enumerate(hooks):
        problem, words = _run(hook, state_json, output)
        if problem:
            error = HookError(kind, index, hook["path"], problem, words)
            if fatal:
                raise error
            failed.append(error)
    return failed


def _run(hook: dict[str, Any], state_json: bytes, output: tuple[int, int]) -> tuple[str, str]:
    """Run one hook to its end; returns (what went wrong or "", the end of its stderr)."""
    fds = [posix.memfd_create(name, posix.MFD_CLOEXEC) for name in ("hook-state", "hook-out", "hook-err")]
    try:
        posix.write(fds[0], state_json)
        posix.lseek(fds[0], 0, 0)
        try:
            out, err = (given if given >= 0 else kept for given, kept in zip(output, fds[1:], strict=True))
            pid = _spawn(hook, [fds[0], out, err])
        except OSError as error:
            return (error.strerror or str(error)).lower(), ""
        problem = _wait(pid, hook.get("timeout", 0))
        return problem, _tail(fds[2]) if problem else ""
    finally:
        for fd in fds:
            posix.close(fd)


def _spawn(hook: dict[str, Any], fds: list[int]) -> int:
    path = hook["path"]
    variables: dict[str, str] = {}
    for entry in hook.get("env", ()):
        variables[entry.partition("=")[0]] = entry
    argv, kept = _vector(hook.get("args") or [path])
    env, also_kept = _vector(list(variables.values()))
    pid: int = lib.tare_spawn_hook(path.encode("utf-8", "surrogateescape"), argv, env, fds)
    del kept, also_kept
    if pid < 0:
        raise OSError(-pid, posix.strerror(-pid))
    return pid


def _vector(texts: list[str]) -> tuple[Any, list[Any]]:
    """A char *[] that ends with NULL, and what must live as long as it."""
    words = [ffi.new("char[]", text.encode("utf-8", "surrogateescape")) for text in texts]
    return ffi.new("char *[]", [*words, ffi.NULL]), words


def _wait(pid: int, timeout_s: int) -> str:
    """Wait for a child of ours; "" if it succeeded. One that takes too long is killed."""
    late = False
    if timeout_s:
        pidfd = posix.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            late = not poll.poll(min(timeout_s * 1000, 2**31 - 1))
        finally:
            posix.close(pidfd)
        if late:
            posix.kill(pid, _SIGKILL)
    _, status = posix.waitpid(pid, 0)
    if late:
        return f"took longer than its timeout of {timeout_s} s, and was killed"
    if posix.WIFSIGNALED(status):
        return f"killed by signal {posix.WTERMSIG(status)}"
    code = posix.WEXITSTATUS(status)
    return f"exit status {code}" if code else ""


def _tail(fd: int) -> str:
    size = posix.fstat(fd).st_size
    data = posix.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    return data.decode("utf-8", "replace").strip()
