"""start: let a created container run its program."""

import posix

from tare_runtime.life.start import start_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options


def run(options: "Options") -> int:
    start_container(options.root, options.args[0], notify=posix.environ.get(b"NOTIFY_SOCKET", b""))
    return 0
