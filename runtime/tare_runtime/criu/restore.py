"""A container from the files of `checkpoint`, by CRIU: its processes go on where they were.

CRIU makes namespaces and mounts itself. It is a child of ours in a mount namespace of its own, where the root
file system is a mount as it wants it, and in the new container's cgroups, which its children inherit.
"""

from __future__ import annotations

import posix

from tare_runtime.cgroup.plan import ensure_unused
from tare_runtime.config.read import load_config
from tare_runtime.criu import options as field
from tare_runtime.criu.checkpoint import DESCRIPTORS, images_of, open_directory, worded
from tare_runtime.criu.session import FIRST_PASSED, RESTORE, Session
from tare_runtime.criu.wire import decode
from tare_runtime.criu.wire import number as number_of
from tare_runtime.errors import HostError, RuntimeFailure
from tare_runtime.host.spawn import close_all, count_host_ops, run_host_ops
from tare_runtime.json_text import loads
from tare_runtime.life.create import Created, first_state, make_plan
from tare_runtime.life.launch import hand_over_console
from tare_runtime.state.store import StateStore, process_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.life.launch import Settings
    from tare_runtime.plan.build import Request
    from tare_runtime.plan.ops import Op

LOG = "restore.log"
_ROOT = "criu-root"
# CRIU wants the root to be a mount of its own. Descriptor 4 is closed when all is ready for it, or failed.
_WRAP = (
    "unshare", "--mount", "--propagation", "slave", "sh", "-c",
    'mount --rbind "$1" "$2" && shift 2 && exec "$@" 4>&-', "sh",
)  # fmt: skip
_FIRST_NAMESPACE = FIRST_PASSED + 1


def restore_container(
    request: Request, settings: Settings, options: dict[str, Any], *, program: str = "criu"
) -> Created:
    """Make container `request.id` of its bundle and of the images in options["image_path"].

    Its processes run when this returns. On failure nothing of it is left. Raises: RuntimeFailure and its kin.
    """
    images = images_of(options)
    config = load_config(request.bundle, settings.config_path, warn=settings.warn)
    cgroup, plan = make_plan(config, request, settings)
    opened = [open_directory(images, make=False)]
    try:
        streams = _streams(opened[0])
        if options.get("work_path"):
            opened.append(open_directory(options["work_path"], make=True))
        state_dir = StateStore(settings.root).create(request.id)
        state = first_state(config, request, cgroup, settings.config_path)
        created = Created(config, state, state_dir)
        created.unit = cgroup.unit
        try:
            ensure_unused(cgroup)
            state_dir.write(state)
            _restore(created, plan, settings, options, streams, program, cgroup.late)
        except BaseException as error:
            from tare_runtime.life.undo import undo_create

            undo_create(created, error)
            raise
    finally:
        close_all(opened)
    if settings.pid_file:
        from tare_runtime.life.pid_file import write_pid_file

        write_pid_file(settings.pid_file, created.pid)
    return created


def _restore(
    created: Created,
    plan: list[Op],
    settings: Settings,
    options: dict[str, Any],
    streams: list[dict[str, Any]],
    program: str,
    late: int,
) -> None:
    given = (created.config.get("linux") or {}).get("namespaces") or []
    inherited, paths = field.inherited_namespaces(given, _FIRST_NAMESPACE)
    root = f"{created.state_dir.path}/{_ROOT}"
    root = root if root[:1] == "/" else f"{posix.getcwd()}/{root}"
    posix.mkdir(root, 0o755)
    host = count_host_ops(plan)
    cgroups = _run_host_ops(plan[: host - late], 0)
    opened: list[int] = []
    try:
        namespaces = [_open_namespace(path) for path in paths]
        opened += namespaces
        stdio = _stdio(streams, settings.stdio, opened)
        ready, passed = posix.pipe2(posix.O_CLOEXEC)
        opened += [ready]
        try:
            session = Session(
                program,
                wrap=(*_WRAP, created.state["rootfs"], root),
                stdio=(stdio[0], stdio[1], stdio[2]),
                passed=(passed, *namespaces),
            )
        finally:
            posix.close(passed)
        with session:
            posix.read(ready, 1)
            if created.unit:
                from tare_runtime.cgroup.systemd_unit import start_unit

                start_unit(created.unit, session.pid, created.state["cgroup"])
                cgroups += _run_host_ops(plan[host - late : host], host - late)
                late = 0
            for file in cgroups:
                posix.write(file, b"%d" % session.pid)
            fields: list[tuple[int, Any]] = [(field.ROOT, root), (field.RST_SIBLING, True)]
            fields.append((field.EVASIVE_DEVICES, True))
            fields += _directories(session.pid, options, opened)
            fields += field.common_fields(options, created.state["annotations"], LOG)
            fields += inherited
            fields += field.external_mounts(plan, restore=True, is_file=None)
            fields += [(field.INHERIT_FD, [(1, one["key"]), (2, one["number"])]) for one in streams]
            fields += _cgroup_roots(session.pid)
            _talk(created, session, fields, settings, options)
        _run_host_ops(plan[host - late : host], host - late, created.pid)
    finally:
        close_all(cgroups + opened)
        posix.rmdir(root)


def _run_host_ops(ops: list[Op], first_index: int, pid: int = 0) -> list[int]:
    """Without copies of mount trees, which CRIU makes itself: cgroups and their files are what is left."""
    found: list[int] = []
    for index, op in enumerate(ops, first_index):
        if op[0] != "host_tree":
            found += run_host_ops([op], index, pid)
    return found


def _directories(criu: int, options: dict[str, Any], opened: list[int]) -> list[tuple[int, Any]]:
    """Those of the images and of the work, added to `opened`.

    CRIU takes them as descriptors of ours, and mounts in them: they must be of its mount namespace.
    """
    fields: list[tuple[int, Any]] = []
    for number, path in (
        (field.IMAGES_DIR_FD, images_of(options)),
        (field.WORK_DIR_FD, options.get("work_path")),
    ):
        if path:
            whole = path if path[:1] == "/" else f"{posix.getcwd()}/{path}"
            opened.append(open_directory(f"/proc/{criu}/root{whole}", make=False))
            fields.append((number, opened[-1]))
    return fields


def _talk(
    created: Created,
    session: Session,
    fields: list[tuple[int, Any]],
    settings: Settings,
    options: dict[str, Any],
) -> None:
    def notified(name: str, pid: int, fd: int) -> None:
        if name == "orphan-pts-master" and fd >= 0:
            created.master = hand_over_console(fd, "/dev/ptmx", settings)
        elif fd >= 0:
            posix.close(fd)
        if name == "setup-namespaces":
            _run_hooks(created, pid)

    try:
        answer = session.request(RESTORE, fields, notified)
    except RuntimeFailure as failure:
        directory = options.get("work_path") or images_of(options)
        raise worded("restore", created.state["id"], failure, directory, LOG) from None
    inner = answer.get(4, [b""])[-1]
    pid = number_of(decode(inner), 1) if isinstance(inner, bytes) else 0
    if pid <= 0:
        raise RuntimeFailure(f"restore container {created.state['id']}: criu does not tell its process")
    created.pid = pid
    created.state["pid"] = created.pid
    created.state["pidStart"] = process_start(created.pid)
    del created.state["creating"]
    created.state_dir.write(created.state)


def _run_hooks(created: Created, pid: int) -> None:
    """Those that come before the container's own processes; its namespaces are there."""
    from tare_runtime.life.hooks import run_host_hooks

    created.state["pid"] = pid
    run_host_hooks(created.config, created.state)


def _streams(images: int) -> list[dict[str, Any]]:
    """What `checkpoint` has found out about the standard streams. A terminal comes back by itself."""
    try:
        fd = posix.open(DESCRIPTORS, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW, dir_fd=images)
        try:
            streams = loads(posix.read(fd, 65536).decode())
        finally:
            posix.close(fd)
    except (OSError, ValueError) as error:
        raise HostError(f"read {DESCRIPTORS} of the images: {error}") from None
    if not isinstance(streams, list):
        raise HostError(f"read {DESCRIPTORS} of the images: it is no list")
    return [stream for stream in streams if isinstance(stream, dict) and stream.get("number") in (0, 1, 2)]


def _stdio(streams: list[dict[str, Any]], ours: tuple[int, int, int], opened: list[int]) -> list[int]:
    """The container's streams: the files that it had, which CRIU wants as they were; else ours."""
    chosen = list(ours)
    for stream in streams:
        if "path" in stream:
            flags = stream.get("flags", 0) & (posix.O_ACCMODE | posix.O_APPEND) | posix.O_CLOEXEC
            try:
                opened.append(posix.open(stream["path"], flags))
            except OSError:
                continue
            chosen[stream["number"]] = opened[-1]
    return chosen


def _cgroup_roots(pid: int) -> list[tuple[int, Any]]:
    """The new cgroups take the place of those that were dumped."""
    roots: list[tuple[int, Any]] = []
    with open(f"/proc/{pid}/cgroup") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            for name in names.split(","):
                roots.append((field.CG_ROOT, [*([(1, name)] if name else []), (2, path)]))
    return roots


def _open_namespace(path: str) -> int:
    try:
        return posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"join namespace {path}: {(error.strerror or '').lower()}") from None
