"""resume: let the processes of a paused container go on."""

from tare_runtime.life.freeze import resume_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    resume_container(options.root, options.args[0])
    return 0
