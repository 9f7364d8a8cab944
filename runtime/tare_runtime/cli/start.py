"""From the script to `main`: where the packages lie, and nothing left unwritten at the end."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.onefile import Finder


def start(argv: "list[str]", finder: "Finder | None") -> int:
    """Run the command line; the caller ends the process without tidying the interpreter up, which is slow.

    `finder`: what serves modules from the cached file, or None where that has to be made.
    """
    from gc import disable

    disable()  # a command ends before there is anything to collect
    if finder is None:
        _find_backend()
    from tare_runtime.cli.main import main

    code = main(argv)
    if (finder is None or finder.stale) and not sys.flags.dont_write_bytecode:
        from tare_runtime.onefile_write import write

        write()
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
