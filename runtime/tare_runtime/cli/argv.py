"""Command line → options, by the table. Stage "parse" of the flow; no effects.

Follows what managers send to the other runtimes: options may be spelled with one dash or two, values follow
as `--name value` or `--name=value`, and options may stand behind arguments where the table says so.
"""

from __future__ import annotations

from tare_runtime.cli.table import COMMANDS, GLOBAL_OPTIONS
from tare_runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cli.table import Command, Option


class Options:
    """Global options and those of the verb, one attribute each (dashes become underscores), and `args`."""

    def __init__(self) -> None:
        self.verb = ""
        self.args: list[str] = []
        self.root = ""
        self.help = False

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that the table does not have; it tells the type checker about the others.
        raise AttributeError(name)


def parse(argv: list[str]) -> Options:
    """Read `argv` (without the program's name). `verb` stays "" if none is given.

    Raises: UsageError for unknown options and commands, bad values and wrong numbers of arguments.
    """
    options = Options()
    rest = _read_options(argv, GLOBAL_OPTIONS, options, "", mixed=False)
    if not rest:
        return options
    verb = rest[0]
    if verb == "help":
        options.help = True
        options.verb = rest[1] if len(rest) > 1 and _command(rest[1]) else ""
        return options
    command = _command(verb)
    if command is None:
        raise UsageError(f"unknown command {verb!r}", "see: tare-runtime --help")
    options.verb = verb
    _, words, least, most, table, mixed = command
    options.args = _read_options(rest[1:], table, options, verb, mixed=mixed)
    given = len(options.args)
    if not options.help and (given < least or given > most >= 0):
        want = str(least) if least == most else f"at least {least}" if given < least else f"at most {most}"
        raise UsageError(
            f"{verb}: {want} argument{'' if want == '1' else 's'} wanted ({words or 'none'}), {given} given",
            _see(verb),
        )
    return options


def _command(verb: str) -> Command | None:
    command = COMMANDS.get(verb)
    if command is None:
        from tare_runtime.cli.table_more import MORE

        command = MORE.get(verb)
    return command


def _read_options(
    argv: list[str], table: tuple[Option, ...], options: Options, verb: str, *, mixed: bool
) -> list[str]:
    """Set the table's options on `options`; returns what is left over, the arguments."""
    known: dict[str, Option] = {}
    for option in table:
        known[option[0]] = option
        if option[1]:
            known[option[1]] = option
        default = option[3]
        setattr(options, option[0].replace("-", "_"), [] if default == () else default)
    left: list[str] = []
    at, count = 0, len(argv)
    while at < count:
        word = argv[at]
        at += 1
        if word == "--":
            return left + argv[at:]
        if word[:1] != "-" or word == "-":
            if not mixed:
                return left + argv[at - 1 :]
            left.append(word)
            continue
        key, equals, value = word[2 if word[1] == "-" else 1 :].partition("=")
        found = known.get(key)
        if found is None:
            if key in ("help", "h"):
                options.help = True
                continue
            raise UsageError(f"{_of(verb)}unknown option {word.partition('=')[0]}", _see(verb))
        if found[2] == "flag":
            _set_flag(options, found, value if equals else "true", verb)
            continue
        if not equals:
            if at == count:
                raise UsageError(f"{_of(verb)}option {word} needs a value ({found[4]})", _see(verb))
            value = argv[at]
            at += 1
        _set_value(options, found, value, verb)
    return left


def _of(verb: str) -> str:
    return f"{verb}: " if verb else ""


def _see(verb: str) -> str:
    return f"see: tare-runtime {verb} --help" if verb else "see: tare-runtime --help"


def _set_flag(options: Options, option: Option, value: str, verb: str) -> None:
    if value not in ("true", "false"):
        raise UsageError(f"{_of(verb)}option --{option[0]}: {value!r} is neither true nor false")
    setattr(options, option[0].replace("-", "_"), value == "true")


def _set_value(options: Options, option: Option, value: str, verb: str) -> None:
    attribute, kind = option[0].replace("-", "_"), option[2]
    if kind == "list":
        getattr(options, attribute).append(value)
        return
    result: object = value
    if kind == "count":
        if not (value.isascii() and value.isdigit() and len(value) < 7):
            raise UsageError(f"{_of(verb)}option --{option[0]}: {value!r} is not a number from 0 up")
        result = int(value)
    elif kind != "text" and value not in kind:
        raise UsageError(f"{_of(verb)}option --{option[0]}: {value!r} is none of {', '.join(kind)}")
    setattr(options, attribute, result)
