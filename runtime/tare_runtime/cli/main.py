"""The command line: parse, call the verb, and word whatever stops it. The one place that prints errors.

A verb is a module `tare_runtime.verbs.NAME` with `run(options) -> int`, imported when asked for.
"""

from __future__ import annotations

from tare_runtime.cli.argv import Options, parse
from tare_runtime.errors import EXEC_FAILED, FAILED, HostError, RuntimeFailure, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.log import Log


STATELESS = (
    "features",
    "spec",
    "validate",
    "doctor",
)  # they work for a user who has no place for container states


def main(argv: list[str]) -> int:
    """Run one command (`argv` without the program's name); returns the exit code."""
    options = None
    try:
        options = parse(argv)
        return _dispatch(options)
    except RuntimeFailure as failure:
        open_log(options, argv).error(failure.message, failure.hint)
        if failure.exit_code == FAILED:
            return _failure_code(options)
        return failure.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _unexpected(error, options, argv)


def _dispatch(options: Options) -> int:
    verb = options.verb
    if options.version:
        from tare_runtime.cli.version import show_version

        return show_version()
    if options.help or not verb or verb == "completion":
        from tare_runtime.cli.cold import show_help_or_completion

        return show_help_or_completion(options)
    _settle_root(options)
    if options.trace:
        from tare_runtime.trace.recorder import traced

        return traced(options)
    module = __import__("tare_runtime.verbs." + verb, None, None, ("run",))
    return int(module.run(options))


def show(text: str) -> None:
    """Write a command's result to standard output. Raises: HostError if it is closed or full."""
    import posix

    data = text.encode("utf-8", "surrogateescape")
    try:
        while data:
            data = data[posix.write(1, data) :]
    except OSError as error:
        raise HostError(f"write to standard output: {(error.strerror or '').lower()}") from None


def _settle_root(options: Options) -> None:
    root = options.root
    if not root:
        if options.verb not in STATELESS:
            options.root = default_root()
    elif root.strip("/") == "":
        raise UsageError(f"use {root} as --root: the root of the file system cannot hold container states")


def default_root() -> str:
    """/run/tare-runtime, or a directory below XDG_RUNTIME_DIR for a user that is not root on the host."""
    from posix import environ, geteuid, readlink

    runtime_dir = environ.get(b"XDG_RUNTIME_DIR", b"")
    if geteuid() == 0:
        # podman without root runs us as root of a user namespace, with the user's environment.
        first = not runtime_dir or readlink("/proc/self/ns/user") == "user:[4026531837]"
        if first or environ.get(b"USER") == b"root":
            return "/run/tare-runtime"
    if not runtime_dir:
        raise HostError(
            "find a place for container states: XDG_RUNTIME_DIR is not set", "set it, or give --root"
        )
    return runtime_dir.decode("utf-8", "surrogateescape") + "/tare-runtime"


def open_log(options: Options | None, argv: list[str] = []) -> Log:  # noqa: B006  it is never changed
    """The log that the options ask for; where they could not be read, what can be guessed from `argv`."""
    from tare_runtime.log import Log

    if options is not None:
        return Log(options.log, options.log_format, debug=options.debug, level=options.log_level)
    return Log(_guess(argv, "log"), _guess(argv, "log-format"))


def _guess(argv: list[str], name: str) -> str:
    for at, word in enumerate(argv):
        if word in (f"--{name}", f"-{name}"):
            return argv[at + 1] if at + 1 < len(argv) else ""
        if word.startswith((f"--{name}=", f"-{name}=")):
            return word.partition("=")[2]
    return ""


def _failure_code(options: Options | None) -> int:
    return EXEC_FAILED if options is not None and options.verb == "exec" else FAILED


def _unexpected(error: Exception, options: Options | None, argv: list[str]) -> int:
    """An OSError that nobody worded, or a defect of ours: say what is known; --debug shows where."""
    log = open_log(options, argv)
    if isinstance(error, OSError):
        names = [name for name in (error.filename, error.filename2) if name is not None]
        what = " ".join(str(name) for name in names) or "an operation of the host"
        log.error(f"{what}: {(error.strerror or str(error)).lower()}")
    else:
        problem = f"internal error: {type(error).__name__}: {error}"
        log.error(problem, "run it again with --debug, and report it")
    if options is not None and options.debug:
        import traceback

        traceback.print_exception(error)
    return _failure_code(options)
