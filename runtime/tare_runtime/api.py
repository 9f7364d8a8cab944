"""Containers from Python, in this process: what the command line does, as typed calls.

    import tare_runtime

    with tare_runtime.create("bundle", "web") as container:
        container.start()
        print(container.state().status, container.exec(["id"]).wait())

Every call raises the errors of tare_runtime.errors. Containers are children of the calling process, so it
can wait for them; calls for different containers may come from different threads at a time.
"""

import posix

from tare_runtime._core import lib
from tare_runtime.cli.main import default_root
from tare_runtime.host.spawn import checked
from tare_runtime.life.create import create_container, make_plan
from tare_runtime.life.launch import Settings
from tare_runtime.plan.build import Request
from tare_runtime.state.store import StateStore, status
from tare_runtime.verbs.create import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.plan.ops import Op

Stdio = tuple[int, int, int]


def _ignore(text: str) -> None:
    """What the specification lets pass with a word is not printed by a library."""


class State:
    """A container at one moment. status: creating, created, running, paused or stopped; pid 0: none."""

    __slots__ = ("annotations", "bundle", "created", "id", "pid", "rootfs", "status")

    def __init__(self, record: "dict[str, Any]", now: str) -> None:
        self.id: str = record["id"]
        self.status = now
        self.pid: int = 0 if now == "stopped" else record["pid"]
        self.bundle: str = record["bundle"]
        self.rootfs: str = record["rootfs"]
        self.created: str = record["created"]
        self.annotations: dict[str, str] = record["annotations"]

    def __repr__(self) -> str:
        return f"State(id={self.id!r}, status={self.status!r}, pid={self.pid})"


class Process:
    """A process of ours in a container. `master`: the fd of its terminal, closed by `close`; or -1."""

    def __init__(self, pid: int, master: int = -1) -> None:
        self.pid = pid
        self.master = master
        self._code: int | None = None

    def wait(self, timeout_s: "float | None" = None) -> "int | None":
        """Wait for its end: the exit code, 128 + the signal that killed it, or None if it runs on."""
        if self._code is not None:
            return self._code
        from tare_runtime.life.wait import exit_code

        pidfd = checked(lib.tare_pidfd_open(self.pid), f"watch process {self.pid}")
        try:
            timeout_ms = -1 if timeout_s is None else max(0, int(timeout_s * 1000))
            if not checked(lib.tare_wait_pidfd(pidfd, timeout_ms), f"wait for process {self.pid}"):
                return None
        finally:
            posix.close(pidfd)
        self._code = exit_code(checked(lib.tare_reap(self.pid), f"reap process {self.pid}"))
        return self._code

    def close(self) -> None:
        if self.master >= 0:
            posix.close(self.master)
            self.master = -1


class Container:
    """A container by its id. As a context manager it is deleted at the end, by force if it runs."""

    def __init__(self, id: str, root: str, process: "Process | None" = None) -> None:
        self.id = id
        self.root = root
        self.process = process

    def start(self) -> None:
        from tare_runtime.life.start import start_container

        start_container(self.root, self.id)

    def state(self) -> State:
        with StateStore(self.root).open(self.id) as state_dir:
            record = state_dir.read()
            return State(record, status(record, state_dir.path))

    def kill(self, signal: "int | str" = "TERM", *, everyone: bool = False) -> None:
        from tare_runtime.life.kill import signal_container, signal_number

        signal_container(self.root, self.id, signal_number(str(signal)), everyone=everyone)

    def wait(self, timeout_s: "float | None" = None) -> "int | None":
        """Its exit code, or None if it runs on. Only for containers that this process created."""
        if self.process is None:
            raise ChildProcessError(f"wait for container {self.id}: it was not created by this process")
        return self.process.wait(timeout_s)

    def exec(
        self,
        args: "list[str]",
        *,
        env: "list[str]" = [],  # noqa: B006  never changed
        cwd: str = "",
        user: "tuple[int, int] | None" = None,
        stdio: Stdio = (0, 1, 2),
    ) -> Process:
        """Run another process; what is not given is as for the container's own."""
        from tare_runtime.life.execute import exec_process

        with StateStore(self.root).open(self.id) as state_dir:
            process = dict(state_dir.read()["process"])
        process["args"] = args
        process["env"] = [*(process.get("env") or []), *env]
        if cwd:
            process["cwd"] = cwd
        if user:
            process["user"] = {**(process.get("user") or {}), "uid": user[0], "gid": user[1]}
        done = exec_process(self.id, process, Settings(self.root, stdio=stdio))
        return Process(done.pid, done.master)

    def pause(self) -> None:
        from tare_runtime.life.freeze import pause_container

        pause_container(self.root, self.id)

    def resume(self) -> None:
        from tare_runtime.life.freeze import resume_container

        resume_container(self.root, self.id)

    def delete(self, *, force: bool = False) -> None:
        from tare_runtime.life.delete import delete_container

        if self.process is not None and force:
            self._end()
        delete_container(self.root, self.id, force=force)

    def _end(self) -> None:
        """Kill and reap a child of ours, so that no zombie of it stays with us."""
        from tare_runtime.errors import StateError

        try:
            self.kill(9)
        except StateError:
            pass
        if self.process is not None:
            self.process.wait()
            self.process.close()

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *_: object) -> None:
        self.delete(force=True)


def create(
    bundle: str,
    id: str,
    *,
    root: "str | None" = None,
    stdio: Stdio = (0, 1, 2),
    preserve_fds: int = 0,
    warn: "Callable[[str], None]" = _ignore,
) -> Container:
    """Make a container from a bundle; it waits for `start`. The fds of `stdio` stay the caller's."""
    request = _request(bundle, id, gate=True, preserve_fds=preserve_fds)
    settings = Settings(root or default_root(), detached=False, stdio=stdio, warn=warn)
    created = create_container(request, settings)
    created.state_dir.close()
    return Container(id, settings.root, Process(created.pid, created.master))


def run(
    bundle: str,
    id: str,
    *,
    root: "str | None" = None,
    stdio: Stdio = (0, 1, 2),
    warn: "Callable[[str], None]" = _ignore,
) -> int:
    """Create, start, wait and delete: the exit code of the container's program."""
    from tare_runtime.life.delete import clean_up
    from tare_runtime.life.run import bring_up
    from tare_runtime.life.undo import undo_create

    settings = Settings(root or default_root(), detached=False, stdio=stdio, warn=warn)
    created = bring_up(_request(bundle, id, gate=False, preserve_fds=0), settings)
    try:
        code = Process(created.pid).wait()
        assert code is not None
    except BaseException as error:  # KeyboardInterrupt, as a rule: nothing goes on without us
        undo_create(created, error)
        raise
    try:
        clean_up(created.state, created.state_dir, warn)
    finally:
        created.close()
    return code


def get(id: str, *, root: "str | None" = None) -> Container:
    """A container that exists. Raises: ContainerNotFound."""
    container = Container(id, root or default_root())
    container.state()
    return container


def ids(*, root: "str | None" = None) -> "list[str]":
    return StateStore(root or default_root()).ids()


def plan_of(bundle: str, id: str = "ID", *, root: "str | None" = None) -> "list[Op]":
    """What `create` would do, in order; nothing is done. See tare_runtime.plan.ops."""
    from tare_runtime.config.read import load_config

    request = _request(bundle, id, gate=True, preserve_fds=0)
    settings = Settings(root or default_root())
    return make_plan(load_config(request.bundle), request, settings)[1]


def _request(bundle: str, id: str, *, gate: bool, preserve_fds: int) -> Request:
    return Request(
        id,
        absolute(bundle),
        gate=gate,
        preserve_fds=preserve_fds,
        set_groups=posix.geteuid() == 0,
        has_kcore=posix.access("/proc/kcore", posix.F_OK),
    )
