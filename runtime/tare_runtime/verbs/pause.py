"""pause: freeze every process of a container."""

from tare_runtime.life.freeze import pause_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    pause_container(options.root, options.args[0])
    return 0
