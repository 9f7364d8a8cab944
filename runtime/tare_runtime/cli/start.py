"""From the launcher's script to `main`: where the packages lie, and nothing left unwritten at the end."""

import sys


def start(argv: "list[str]") -> int:
    """Run the command line; the caller ends the process without tidying the interpreter up, which is slow."""
    from gc import disable

    disable()  # a command ends before there is anything to collect
    _find_backend()
    from tare_runtime.cli.main import main

    return flushed(main(argv))


def flushed(code: int) -> int:
    """`code`, or 1 where what the command wrote cannot be written."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # it was closed before we began
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            return code or 1
    return code


def _find_backend() -> None:
    """Of a checkout, the backend of cffi is in the site-packages beside the interpreter.

    The launcher starts us as PREFIX/bin/python3, and -S keeps site-packages off the path.
    """
    if sys.path[0].endswith("/site-packages"):
        return
    prefix = sys.executable.rpartition("/bin/")[0]
    sys.path.insert(1, f"{prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
