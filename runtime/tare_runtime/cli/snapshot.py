"""Where the one-file command enters, all modules being there already."""

import sys

from tare_runtime.cli.main import main


def command(argv: "list[str]") -> int:
    """Run the command line `argv` (with the program's name); returns the exit code."""
    try:
        code = main(argv[1:])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            return code or 1
    return code
