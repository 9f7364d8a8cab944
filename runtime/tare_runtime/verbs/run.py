"""run: create a container, start it, and wait for its process."""

from tare_runtime.life.run import run_container
from tare_runtime.verbs.create import request_of, settings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    return run_container(
        request_of(options, gate=False),
        settings_of(options, detached=options.detach),
        keep=options.keep,
        subreaper=not options.no_subreaper,
    )
