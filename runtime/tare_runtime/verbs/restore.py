"""restore: make a container go on from the files of checkpoint."""

from __future__ import annotations

import posix

from tare_runtime._core import lib
from tare_runtime.criu.restore import restore_container
from tare_runtime.life.create import Created
from tare_runtime.life.launch import Settings
from tare_runtime.plan.build import Request
from tare_runtime.verbs.checkpoint import named_options
from tare_runtime.verbs.create import absolute, warner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: Options) -> int:
    if options.detach:
        _restore(options).close()
        return 0
    from tare_runtime.life.delete import clean_up
    from tare_runtime.life.wait import Foreground

    if not options.no_subreaper:
        lib.tare_subreaper(1)
    with Foreground() as foreground:
        created = _restore(options)
        try:
            code = foreground.supervise(created.pid, created.master)
            clean_up(created.state, created.state_dir, warner(options))
            return code
        finally:
            created.close()


def _restore(options: Options) -> Created:
    request = Request(
        options.args[0],
        absolute(options.bundle),
        gate=False,
        has_kcore=posix.access("/proc/kcore", posix.F_OK),
    )
    settings = Settings(
        options.root,
        config_path=options.config or None,
        console_socket=options.console_socket,
        detached=options.detach,
        pid_file=options.pid_file,
        rootless=options.rootless,
        systemd_cgroup=options.systemd_cgroup or options.cgroup_manager == "systemd",
        no_cgroups=options.cgroup_manager == "disabled",
        warn=warner(options),
    )
    return restore_container(request, settings, named_options(options), program=options.criu)
