"""Containers from Python, in this process: what the command line does, as typed calls.

    import tare_runtime

    with tare_runtime.create("bundle", "web") as container:
        container.start()
        print(container.state().status, container.exec(["id"]).wait())

Every call raises the errors of tare_runtime.errors. Containers are children of the calling process, so it
can wait for them; calls may come from different threads at a time. docs/api.md has it all, with examples.
"""

import posix

from tare_runtime.cli.main import default_root
from tare_runtime.handles import Container, Process, State, Stdio, ignore
from tare_runtime.life.create import create_container, make_plan
from tare_runtime.life.launch import Settings
from tare_runtime.plan.build import Request
from tare_runtime.state.store import StateStore
from tare_runtime.verbs.create import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tare_runtime.plan.ops import Op

__all__ = (
    "Container", "Process", "State", "create", "features", "get", "ids", "plan_of", "restore", "run", "spec",
    "states",
)  # fmt: skip


def create(
    bundle: str,
    id: str,
    *,
    root: "str | None" = None,
    config: "str | None" = None,
    stdio: Stdio = (0, 1, 2),
    preserve_fds: int = 0,
    console_socket: str = "",
    pidfd_socket: str = "",
    pid_file: str = "",
    rootless: str = "auto",
    systemd_cgroup: bool = False,
    no_cgroups: bool = False,
    no_pivot: bool = False,
    no_new_keyring: bool = False,
    warn: "Callable[[str], None]" = ignore,
) -> Container:
    """Make a container from a bundle; it waits for `start`. The fds of `stdio` stay the caller's.

    `config`: a file instead of the bundle's config.json. A terminal's master is the container's
    `process.master`, unless `console_socket` takes it. Raises: ConfigError, ContainerExists, KernelError …
    """
    request = _request(bundle, id, gate=True, preserve_fds=preserve_fds)
    request.no_pivot = no_pivot
    request.no_new_keyring = no_new_keyring
    settings = Settings(
        root or default_root(),
        config_path=config,
        console_socket=console_socket,
        detached=False,
        pid_file=pid_file,
        pidfd_socket=pidfd_socket,
        stdio=stdio,
        rootless=rootless,
        systemd_cgroup=systemd_cgroup,
        no_cgroups=no_cgroups,
        warn=warn,
    )
    created = create_container(request, settings)
    created.state_dir.close()
    return Container(id, settings.root, Process(created.pid, created.master))


def run(
    bundle: str,
    id: str,
    *,
    root: "str | None" = None,
    config: "str | None" = None,
    stdio: Stdio = (0, 1, 2),
    warn: "Callable[[str], None]" = ignore,
) -> int:
    """Create, start, wait and delete: the exit code of the container's program."""
    from tare_runtime.life.delete import clean_up
    from tare_runtime.life.run import bring_up
    from tare_runtime.life.undo import undo_create

    settings = Settings(root or default_root(), config_path=config, detached=False, stdio=stdio, warn=warn)
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


def restore(
    bundle: str,
    id: str,
    image_path: str,
    *,
    root: "str | None" = None,
    stdio: Stdio = (0, 1, 2),
    program: str = "criu",
    warn: "Callable[[str], None]" = ignore,
    **options: "Any",
) -> Container:
    """A container that goes on from what `Container.checkpoint` wrote; `options`: those of the command.

    It is a child of ours. Raises: HostError without CRIU; RuntimeFailure with CRIU's words.
    """
    from tare_runtime.criu.restore import restore_container

    request = _request(bundle, id, gate=False, preserve_fds=0)
    settings = Settings(root or default_root(), detached=False, stdio=stdio, warn=warn)
    created = restore_container(request, settings, {"image_path": image_path, **options}, program=program)
    created.state_dir.close()
    return Container(id, settings.root, Process(created.pid, created.master))


def get(id: str, *, root: "str | None" = None) -> Container:
    """A container that exists. Raises: ContainerNotFound."""
    container = Container(id, root or default_root())
    container.state()
    return container


def ids(*, root: "str | None" = None) -> "list[str]":
    """The ids of all containers, sorted."""
    return StateStore(root or default_root()).ids()


def states(*, root: "str | None" = None) -> "list[State]":
    """The states of all containers, as `list` shows them; one that goes meanwhile is left out."""
    from tare_runtime.errors import ContainerNotFound

    found = []
    for id in ids(root=root):
        try:
            found.append(Container(id, root or default_root()).state())
        except ContainerNotFound:
            pass
    return found


def features() -> "dict[str, Any]":
    """What this runtime can do: the document of the specification's features.md."""
    from tare_runtime.verbs.features import document

    return document()


def spec(*, rootless: bool = False) -> "dict[str, Any]":
    """A config to start from."""
    from tare_runtime.verbs.spec import default_spec, rootless_spec

    return rootless_spec(posix.geteuid(), posix.getegid()) if rootless else default_spec()


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
