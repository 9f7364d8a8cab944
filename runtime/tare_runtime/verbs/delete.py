"""delete: remove what a stopped container holds."""

from tare_runtime.life.delete import delete_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    delete_container(options.root, options.args[0], force=options.force)
    return 0
