"""create and start in one, and the foreground."""

from tare_runtime._core import lib
from tare_runtime.life.create import Created, create_container
from tare_runtime.life.launch import Settings
from tare_runtime.plan.build import Request


def run_container(request: Request, settings: Settings, *, keep: bool, subreaper: bool) -> int:
    """Run a container; in the foreground its exit code is returned and it is deleted, unless `keep`.

    `request.gate` must be false: nothing waits between create and start here.
    """
    if settings.detached:
        created = bring_up(request, settings)
        try:
            if created.relay:
                created.relay.until_ready(created.pid)
        finally:
            created.close()
        return 0
    from tare_runtime.life.wait import Foreground

    if subreaper:
        lib.tare_subreaper(1)
    with Foreground() as foreground:
        created = bring_up(request, settings)
        try:
            if created.relay:
                _relay_beside(created)
            code = foreground.supervise(created.pid, created.master)
            if not keep:
                from tare_runtime.life.delete import clean_up

                clean_up(created.state, created.state_dir, settings.warn)
            return code
        finally:
            created.close()


def _relay_beside(created: Created) -> None:
    """In a thread, which ends with the container."""
    from _thread import start_new_thread
    from posix import getpid

    relay = created.relay
    assert relay
    start_new_thread(relay.as_long_as, (created.pid, getpid()))


def bring_up(request: Request, settings: Settings) -> Created:
    """The container, with its program begun and its poststart hooks run. Owned by the caller."""
    created = create_container(request, settings)
    if (created.state.get("hooks") or {}).get("poststart"):
        _poststart(created)
    return created


def _poststart(created: Created) -> None:
    from tare_runtime.life.hooks import run_late_hooks
    from tare_runtime.life.undo import undo_create

    try:
        run_late_hooks("poststart", created.state, "running", fatal=True)
    except BaseException as error:
        undo_create(created, error)
        raise
