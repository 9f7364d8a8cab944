"""The error tree of the runtime, and its exit codes.

RuntimeFailure                anything that stops a command; printed once, by cli.main
├── UsageError                the command line cannot be understood
├── ConfigError               config.json breaks the specification, or asks for what is not done yet
├── StateError                the container is not in the state that the command needs
│   ├── ContainerExists
│   ├── ContainerNotFound
│   └── NotRunning
├── KernelError               a system call of the plan failed, in the runtime or in `init`
├── HookError                 a hook failed or took too long
└── HostError                 the host lacks something, or a file of ours cannot be used

Callers match on some phrases ("container does not exist", "container not running", "container with given
ID already exists" …): those words are part of the interface.

| exit code | when |
|---|---|
| 0 | success |
| 1 | any failure of the runtime, and a command line it cannot understand |
| 255 | a failure of the runtime during `exec`, whose 1 to 254 belong to the process |
| N, 128 + S | `run` and `exec` in the foreground: the process's own status, or the signal that ended it |
"""

from __future__ import annotations

FAILED = 1
EXEC_FAILED = 255

Violation = tuple[str, str, str]  # JSON pointer, problem, section of the specification


class RuntimeFailure(Exception):
    """Root of the tree. `hint` says what the user can do; "" where there is nothing to say."""

    def __init__(self, message: str, hint: str = "", *, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class UsageError(RuntimeFailure):
    """Raised by cli.argv and by verbs for arguments they cannot use; read `--help` of the command."""


class ConfigError(RuntimeFailure):
    """Raised by config.read and the planners; every violation is listed, so one pass mends them all."""

    def __init__(self, violations: list[Violation], path: str = "config.json", hint: str = "") -> None:
        self.violations = violations
        self.path = path
        lines = [
            f"{pointer or '/'}: {problem}" + (f" ({section})" if section else "")
            for pointer, problem, section in violations
        ]
        head = f"check {path}:"
        super().__init__(f"{head} {lines[0]}" if len(lines) == 1 else "\n  ".join([head, *lines]))
        self.hint = hint or self._advice()

    def _advice(self) -> str:
        """For a single violation what to do about it, for more of them who tells."""
        if len(self.violations) > 1:
            return "see what to do about each: tare-runtime validate"
        from tare_runtime.validate.fixes import fix_of

        return fix_of(self.violations[0][0], self.violations[0][1])


class StateError(RuntimeFailure):
    """Raised by verbs and the state store: container `id` is in status `have`, the command wants `want`."""

    def __init__(self, id: str, have: str, want: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.id = id
        self.have = have
        self.want = want


class ContainerExists(StateError):
    """Raised by `create` and `run`; take another id, or delete the container first."""

    def __init__(self, id: str, root: str) -> None:
        super().__init__(
            id,
            "present",
            "absent",
            f"create container {id}: container with given ID already exists in {root}",
            f"choose another id, or remove it first: tare-runtime delete --force {id}",
        )


class ContainerNotFound(StateError):
    """Raised by every command on an existing container; `list` shows the ids, `--root` the place."""

    def __init__(self, id: str, root: str) -> None:
        message = f"container does not exist: no {id} in {root}"
        super().__init__(id, "absent", "present", message)


class NotRunning(StateError):
    """Raised by kill, exec, pause and resume when the container's process is gone."""

    def __init__(self, id: str, have: str = "stopped", want: str = "running") -> None:
        super().__init__(id, have, want, f"container not running: {id} is {have}")


class KernelError(RuntimeFailure):
    """Raised where a system call fails: `op` was tried on `what`; `pointer` is the field that asked."""

    def __init__(
        self, op: str, pointer: str, errno: int, what: str, hint: str = "", reason: str = ""
    ) -> None:
        from posix import strerror

        self.op = op
        self.pointer = pointer
        self.errno = errno
        self.what = what
        where = f" ({pointer})" if pointer else ""
        reason = reason or strerror(errno).lower()
        super().__init__(f"{op} {what}{where}: {reason}" if what else f"{op}{where}: {reason}", hint)


class HookError(RuntimeFailure):
    """Raised by host.hooks: hook number `index` of `kind` failed; its own words are in `output`."""

    def __init__(self, kind: str, index: int, path: str, problem: str, output: str = "") -> None:
        self.kind = kind
        self.index = index
        self.path = path
        self.problem = problem
        self.output = output
        message = f"error running {kind} hook #{index}: {path}: {problem}"
        hint = ""
        if problem.startswith(("no such file", "exit status 127")):
            hint = "install it there, or remove the hook from the config"
        elif problem.startswith("permission denied"):
            hint = f"chmod +x {path}"
        elif problem.startswith("took longer"):
            hint = "raise the hook's timeout, or see what it waits for"
        super().__init__(message + (f", stderr: {output}" if output else ""), hint)


class HostError(RuntimeFailure):
    """Raised where the host cannot serve: no such controller, an unwritable directory, a damaged file."""
