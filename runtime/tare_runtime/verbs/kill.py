"""kill: send a signal to a container."""

from tare_runtime.life.kill import signal_container, signal_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    number = signal_number(options.args[1] if len(options.args) > 1 else "TERM")
    signal_container(options.root, options.args[0], number, everyone=options.all)
    return 0
