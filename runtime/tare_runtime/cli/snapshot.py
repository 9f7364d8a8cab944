"""Where the one-file command enters, all modules being there already."""

from tare_runtime.cli.main import main
from tare_runtime.cli.start import flushed


def command(argv: "list[str]") -> int:
    """Run the command line `argv` (with the program's name); returns the exit code."""
    try:
        code = main(argv[1:])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return flushed(code)
