"""create: make a container and leave it waiting for `start`."""

import posix

from tare_runtime.life.create import create_container
from tare_runtime.life.launch import Settings
from tare_runtime.plan.build import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    create_container(request_of(options, gate=True), settings_of(options, detached=True)).close()
    return 0


def request_of(options: "Options", *, gate: bool) -> Request:
    request = Request(
        options.args[0],
        absolute(options.bundle),
        gate=gate,
        no_pivot=options.no_pivot,
        no_new_keyring=options.no_new_keyring,
        preserve_fds=options.preserve_fds,
        set_groups=posix.geteuid() == 0,
        has_kcore=posix.access("/proc/kcore", posix.F_OK),
    )
    request.notify = b"NOTIFY_SOCKET" in posix.environ
    if options.preserve_fds or b"LISTEN_FDS" in posix.environ:
        _pass_descriptors(request)
    return request


def _pass_descriptors(request: Request) -> None:
    from tare_runtime.life.activation import check_passed, listen_fds

    if b"LISTEN_FDS" in posix.environ:
        count, request.environment = listen_fds()
        request.preserve_fds += count
    check_passed(request.preserve_fds)


def settings_of(options: "Options", *, detached: bool) -> Settings:
    return Settings(
        options.root,
        config_path=options.config or None,
        console_socket=options.console_socket,
        detached=detached,
        pid_file=options.pid_file,
        pidfd_socket=options.pidfd_socket,
        rootless=options.rootless,
        systemd_cgroup=options.systemd_cgroup or options.cgroup_manager == "systemd",
        no_cgroups=options.cgroup_manager == "disabled",
        warn=warner(options),
    )


def warner(options: "Options"):  # type: ignore[no-untyped-def]  # a function, whose type would be an import
    def warn(text: str) -> None:
        from tare_runtime.cli.main import open_log

        open_log(options).warn(text)

    return warn


def absolute(path: str) -> str:
    """A path from the current directory on, without a trailing slash."""
    if path[:1] != "/":
        path = posix.getcwd() + ("/" + path if path not in ("", ".") else "")
    return path.rstrip("/") or "/"
