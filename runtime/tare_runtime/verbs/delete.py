"""delete: remove what a stopped container holds."""

from tare_runtime.life.delete import delete_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    def warn(text: str) -> None:
        from tare_runtime.cli.main import open_log

        open_log(options).warn(text)

    delete_container(options.root, options.args[0], force=options.force, warn=warn)
    return 0
