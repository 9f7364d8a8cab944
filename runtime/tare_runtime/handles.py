"""What the calls of tare_runtime.api return: a container, a process in one, and a state at one moment."""

import posix

from tare_runtime._core import lib
from tare_runtime.host.spawn import checked
from tare_runtime.life.launch import Settings
from tare_runtime.state.store import StateStore, process_start, state_and_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

Stdio = tuple[int, int, int]


def ignore(text: str) -> None:
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

        with _Pidfd(self.pid) as pidfd:
            if not pidfd.ended(timeout_s):
                return None
        self._code = exit_code(checked(lib.tare_reap(self.pid), f"reap process {self.pid}"))
        return self._code

    def pidfd(self) -> int:
        """A descriptor, readable once the process has ended; the caller's to close. Not after `wait`."""
        return checked(lib.tare_pidfd_open(self.pid), f"watch process {self.pid}")

    def close(self) -> None:
        if self.master >= 0:
            posix.close(self.master)
            self.master = -1

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Container:
    """A container by its id. As a context manager it is deleted at the end, by force if it runs."""

    def __init__(self, id: str, root: str, process: "Process | None" = None) -> None:
        self.id = id
        self.root = root
        self.process = process

    def __repr__(self) -> str:
        return f"Container({self.id!r}, root={self.root!r})"

    def start(self) -> None:
        """Let a created container run its program. Raises: StateError; KernelError if it cannot be run."""
        from tare_runtime.life.start import start_container

        start_container(self.root, self.id)

    def state(self) -> State:
        return State(*state_and_status(self.root, self.id))

    def kill(self, signal: "int | str" = "TERM", *, everyone: bool = False) -> None:
        from tare_runtime.life.kill import signal_container, signal_number

        signal_container(self.root, self.id, signal_number(str(signal)), everyone=everyone)

    def wait(self, timeout_s: "float | None" = None) -> "int | None":
        """Its exit code, or None if it runs on. Only for containers that this process created."""
        if self.process is None:
            raise ChildProcessError(f"wait for container {self.id}: it was not created by this process")
        return self.process.wait(timeout_s)

    def ended(self, timeout_s: "float | None" = None) -> bool:
        """Wait for the end of any container's first process, by whomever it was created."""
        with StateStore(self.root).open(self.id) as state_dir:
            record = state_dir.read()
        try:
            pidfd = _Pidfd(record["pid"])
        except OSError:
            return True
        with pidfd:
            return process_start(record["pid"]) != record["pidStart"] or pidfd.ended(timeout_s)

    def exec(
        self,
        args: "Sequence[str]" = (),
        *,
        process: "dict[str, Any] | None" = None,
        env: "Sequence[str]" = (),
        cwd: str = "",
        user: "tuple[int, int] | None" = None,
        additional_gids: "Sequence[int]" = (),
        capabilities: "Sequence[str]" = (),
        no_new_privs: bool = False,
        terminal: bool = False,
        apparmor: str = "",
        selinux_label: str = "",
        stdio: Stdio = (0, 1, 2),
        preserve_fds: int = 0,
        ignore_paused: bool = False,
        cgroups: "Sequence[str]" = (),
        warn: "Callable[[str], None]" = ignore,
    ) -> Process:
        """Run another process; what is not given is as for the container's own.

        `process`: a whole process document instead. With `terminal` the result's `master` is its other side.
        Raises: ConfigError; StateError; KernelError if the program cannot be run.
        """
        from tare_runtime.life.execute import exec_process

        document = process
        if document is None:
            document = self._like_the_first()
            document["args"] = list(args)
            document["env"] = [*(document.get("env") or []), *env]
            document["terminal"] = terminal
            document["user"] = _user(document.get("user") or {}, user, additional_gids)
            given = {"cwd": cwd, "apparmorProfile": apparmor, "selinuxLabel": selinux_label}
            document.update({name: value for name, value in given.items() if value})
            if no_new_privs:
                document["noNewPrivileges"] = True
            if capabilities:
                document["capabilities"] = _raised(document.get("capabilities") or {}, capabilities)
        _check(document, warn)
        done = exec_process(
            self.id,
            document,
            Settings(self.root, detached=False, stdio=stdio, warn=warn),
            preserve_fds=preserve_fds,
            ignore_paused=ignore_paused,
            cgroups=tuple(cgroups),
        )
        return Process(done.pid, done.master)

    def _like_the_first(self) -> "dict[str, Any]":
        with StateStore(self.root).open(self.id) as state_dir:
            document: dict[str, Any] = dict(state_dir.read()["process"])
        document.pop("oomScoreAdj", None)
        return document

    def pids(self) -> "list[int]":
        """Every process in its cgroups, as numbered outside."""
        from tare_runtime.cgroup.life import cgroup_pids

        with StateStore(self.root).open(self.id) as state_dir:
            return cgroup_pids(state_dir.read())

    def update(self, resources: "dict[str, Any]", *, warn: "Callable[[str], None]" = ignore) -> None:
        """Change limits: a document as linux.resources. Raises: ConfigError; KernelError; NotRunning."""
        from tare_runtime.config.resources import check_resources
        from tare_runtime.life.update import update_container

        check_resources(resources, "the limits")
        update_container(self.root, self.id, resources, warn)

    def add_mounts(self, mounts: "list[dict[str, Any]]", *, warn: "Callable[[str], None]" = ignore) -> None:
        """Mount more, as config.json's `mounts` say it, all or none. Raises: ConfigError; KernelError."""
        from tare_runtime.life.hot_mounts import add_mounts

        add_mounts(self.root, self.id, mounts, warn)

    def remove_mounts(self, mounts: "list[dict[str, Any]]") -> None:
        """Detach what is mounted at the destinations of `mounts`, the last one first."""
        from tare_runtime.life.hot_mounts import remove_mounts

        remove_mounts(self.root, self.id, mounts)

    def checkpoint(self, image_path: str, *, program: str = "criu", **options: "Any") -> None:
        """Write it to files by CRIU; `options`: the command's, with underscores. See docs/checkpoint.md.

        It is deleted, unless `leave_running` or `pre_dump` is true.
        """
        from tare_runtime.criu.checkpoint import checkpoint_container

        checkpoint_container(self.root, self.id, {"image_path": image_path, **options}, program=program)

    def stats(self) -> "dict[str, Any]":
        """Statistics of the moment, as the `data` of an event. Raises: NotRunning."""
        from tare_runtime.watch.events import statistics_of

        data: dict[str, Any] = statistics_of(self.root, self.id)["data"]
        return data

    def events(self, interval_s: float = 5.0) -> "Iterator[dict[str, Any]]":
        """Statistics from time to time and each shortage of memory, until its process has ended."""
        from tare_runtime.watch.events import events

        return events(self.root, self.id, interval_s)

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


class _Pidfd:
    def __init__(self, pid: int) -> None:
        self.fd = checked(lib.tare_pidfd_open(pid), f"watch process {pid}")

    def ended(self, timeout_s: "float | None") -> bool:
        timeout_ms = -1 if timeout_s is None else max(0, int(timeout_s * 1000))
        return bool(checked(lib.tare_wait_pidfd(self.fd, timeout_ms), "wait for a process"))

    def __enter__(self) -> "_Pidfd":
        return self

    def __exit__(self, *_: object) -> None:
        posix.close(self.fd)


def _user(
    default: "dict[str, Any]", ids: "tuple[int, int] | None", groups: "Sequence[int]"
) -> "dict[str, Any]":
    user = {**default}
    if ids:
        user["uid"], user["gid"] = ids
    if groups:
        user["additionalGids"] = [*(default.get("additionalGids") or []), *groups]
    return user


def _raised(sets: "dict[str, list[str]]", names: "Sequence[str]") -> "dict[str, list[str]]":
    """Added to what the process may have, never to what its children inherit (CVE-2022-29162)."""
    return {
        **sets,
        **{kind: [*sets.get(kind, []), *names] for kind in ("bounding", "effective", "permitted")},
    }


def _check(process: "dict[str, Any]", warn: "Callable[[str], None]") -> None:
    from tare_runtime.config.read import check_process_document

    check_process_document(process, "the process", warn)
