"""kill: send a signal to a container."""

from tare_runtime.life.kill import signal_container, signal_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    number = signal_number(options.args[1] if len(options.args) > 1 else "TERM")
    if options.regex:
        return _matching(options, number)
    signal_container(options.root, options.args[0], number, everyone=options.all)
    return 0


def _matching(options: "Options", number: int) -> int:
    from tare_runtime.cli.main import open_log
    from tare_runtime.life.matching import for_each_match

    def act(id: str) -> None:
        signal_container(options.root, id, number, everyone=options.all)

    for_each_match(options.root, options.args[0], act, open_log(options).warn)
    return 0
