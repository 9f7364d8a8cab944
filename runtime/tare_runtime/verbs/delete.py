"""delete: remove what a stopped container holds."""

from tare_runtime.life.delete import delete_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    def warn(text: str) -> None:
        from tare_runtime.cli.main import open_log

        open_log(options).warn(text)

    def act(id: str) -> None:
        delete_container(options.root, id, force=options.force, warn=warn)

    if options.regex:
        from tare_runtime.life.matching import for_each_match

        for_each_match(options.root, options.args[0], act, warn)
    else:
        act(options.args[0])
    return 0
