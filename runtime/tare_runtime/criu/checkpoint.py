"""A container's processes to files, by CRIU."""

from __future__ import annotations

import posix

from tare_runtime.criu import options as field
from tare_runtime.criu.session import DUMP, PRE_DUMP, Session, quoted
from tare_runtime.errors import HostError, NotRunning, RuntimeFailure, StateError, UsageError
from tare_runtime.json_text import dumps
from tare_runtime.life.delete import clean_up
from tare_runtime.life.start import plan_again
from tare_runtime.life.wait import wait_gone
from tare_runtime.state.store import StateStore, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    State = dict[str, Any]

DESCRIPTORS = "descriptors.json"
LOG = "dump.log"
_READY = "status-ready"
_GONE_MS = 10_000


def checkpoint_container(
    root: str,
    id: str,
    options: dict[str, Any],
    *,
    program: str = "criu",
    warn: Callable[[str], None] = lambda text: None,
) -> None:
    """Write images of container `id` to options["image_path"]; it is deleted, unless it is left running.

    `options`: those of the command, by their names with underscores. Raises: StateError; HostError without
    CRIU; RuntimeFailure with CRIU's own words if it cannot; UsageError.
    """
    with StateStore(root).open(id) as state_dir, state_dir.lock():
        state = state_dir.read()
        have = status(state, state_dir.path)
        if have in ("stopped", "creating"):
            raise NotRunning(id, have)
        if have == "created":
            message = f"cannot checkpoint container {id}: it is created, not running"
            raise StateError(id, have, "running", message, "start it first")
        images = images_of(options)
        with _Directories(images, options.get("work_path") or "") as (images_fd, work_fd):
            fields = _fields(root, state, options, images_fd, work_fd)
            if not options.get("pre_dump"):
                _write(images_fd, DESCRIPTORS, dumps(field.external_files(state["pid"])))
            _dump(state, options, fields, program)
        if not (options.get("leave_running") or options.get("pre_dump")):
            wait_gone(state["pid"], _GONE_MS)
            clean_up(state, state_dir, warn)


def _fields(
    root: str, state: State, options: dict[str, Any], images_fd: int, work_fd: int
) -> list[tuple[int, Any]]:
    config, plan = plan_again(root, state)
    pid = state["pid"]
    fields = [(field.IMAGES_DIR_FD, images_fd), (field.ROOT, state["rootfs"]), (field.PID, pid)]
    if work_fd >= 0:
        fields.append((field.WORK_DIR_FD, work_fd))
    fields += field.common_fields(options, state["annotations"], LOG)
    if options.get("page_server"):
        fields.append((field.PAGE_SERVER, field.page_server(options["page_server"])))
    if options.get("parent_path"):
        fields += [(field.PARENT_IMG, options["parent_path"]), (field.TRACK_MEM, True)]
    if options.get("pre_dump"):
        fields.append((field.TRACK_MEM, True))
    fields += field.external_namespaces((config.get("linux") or {}).get("namespaces") or [])
    cgroup = state["cgroup"]
    freezer = cgroup["paths"].get("" if cgroup["version"] == 2 else "freezer")
    if freezer:
        fields.append((field.FREEZE_CGROUP, freezer))

    def is_file(path: str) -> bool:
        try:
            return posix.stat(f"/proc/{pid}/root{path}").st_mode & 0o170000 != 0o040000
        except OSError:
            return False

    fields += field.external_mounts(plan, restore=False, is_file=is_file)
    fields += [(field.EXTERNAL, stream["key"]) for stream in field.external_files(pid) if "path" in stream]
    return fields


def _dump(state: State, options: dict[str, Any], fields: list[tuple[int, Any]], program: str) -> None:
    status_fd = _status_fd(options)
    told = False

    def notified(name: str, pid: int, fd: int) -> None:
        nonlocal told
        if fd >= 0:
            posix.close(fd)
        if name == _READY and status_fd >= 0:
            posix.write(status_fd, b"\0")
            told = True

    with Session(program) as session:
        try:
            session.request(PRE_DUMP if options.get("pre_dump") else DUMP, fields, notified)
        except RuntimeFailure as failure:
            directory = options.get("work_path") or images_of(options)
            raise worded("checkpoint", state["id"], failure, directory, LOG) from None


def _status_fd(options: dict[str, Any]) -> int:
    text = options.get("status_fd") or ""
    if not text:
        return -1
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"option --status-fd: {text!r} is not a descriptor")
    try:
        posix.fstat(int(text))
    except OSError:
        raise UsageError(f"option --status-fd: descriptor {text} is not open") from None
    return int(text)


def images_of(options: dict[str, Any]) -> str:
    path: str = options.get("image_path") or "checkpoint"
    return path


def worded(verb: str, id: str, failure: RuntimeFailure, directory: str, log: str) -> RuntimeFailure:
    """CRIU's failure with the first error of its log, where what went wrong stands."""
    words = quoted(directory, log)
    message = f"{verb} container {id}: {failure.message}" + (f": {words}" if words else "")
    return RuntimeFailure(
        message, f"CRIU's log is {directory}/{log}; `criu check` tells what this host lacks"
    )


class _Directories:
    """Those of the images and of the work (-1: none), made if they are missing; open for a `with`."""

    def __init__(self, images: str, work: str) -> None:
        self.paths = (images, work)
        self.fds: list[int] = []

    def __enter__(self) -> tuple[int, int]:
        for path in self.paths:
            self.fds.append(open_directory(path, make=True) if path else -1)
        return self.fds[0], self.fds[1]

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            if fd >= 0:
                posix.close(fd)


def open_directory(path: str, *, make: bool) -> int:
    """Raises: HostError."""
    try:
        if make:
            try:
                posix.mkdir(path, 0o700)
            except FileExistsError:
                pass
        return posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"use directory {path} for images: {(error.strerror or '').lower()}") from None


def _write(directory: int, name: str, text: str) -> None:
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC | posix.O_NOFOLLOW
    fd = posix.open(name, flags, 0o600, dir_fd=directory)
    try:
        posix.write(fd, text.encode())
    finally:
        posix.close(fd)
