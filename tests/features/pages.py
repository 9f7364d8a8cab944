"""docs/features.md: what the runtime has, beside what runc and crun have. Our column comes from tests.

`python -m tests.features.pages` writes it (`./dev features`); a test holds the committed page against it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from tare_runtime.cli.table import GLOBAL_OPTIONS
from tare_runtime.cli.table_more import every_command

from tests.features.marks import ROOT, Marks, collect

PAGE = ROOT / "docs/features.md"
DATA = Path(__file__).parent
_SIGNS = {"+": "yes", "-": "–", "0": "no effect", "~": "in part"}
_NOT_OPTIONS = ("environment", "annotations")
_HEAD = """\
# What the runtime has, and the tests that show it

Made by `./dev features` from the tests; do not edit. "Here" names the files in `tests/runtime` with tests of
the feature, each marked with its name; **missing** is a feature without a test, which is then taken for not
being there. The other columns are those of runc 1.5 and crun 1.29: "–" is an error there, or unknown.
"""


def render(marks: Marks) -> str:
    """The page's text. Raises: KeyError for marks that name no row."""
    commands, fields = load("commands"), load("fields")
    unknown = sorted(set(marks["flag"]) - set(flag_names(commands)))
    if unknown:
        raise KeyError(f"marks of flags that tests/features/commands.toml does not have: {unknown}")
    lines = [_HEAD, _summary(commands, fields, marks), "## Commands and options"]
    for command, rows in commands.items():
        lines += ["", f"### {_title(command)}", "", "| | | runc | crun | here |", "|---|---|---|---|---|"]
        for option, codes in rows.items():
            lines.append(_command_row(command, option, codes, marks))
    lines += ["", "## Fields of config.json"]
    for section, rows in fields.items():
        lines += ["", f"### {section}", "", "| | runc | crun | here | |", "|---|---|---|---|---|"]
        for name, (runc, crun, words) in rows.items():
            here = _here(files_of_field(name, fields, marks))
            lines.append(f"| `{name}` | {_SIGNS[runc]} | {_SIGNS[crun]} | {here} | {words} |")
    others = _other_fields(fields, marks)
    if others:
        lines += ["", "### others", "", "| | here |", "|---|---|"]
        lines += [f"| `{name}` | {_here(marks['field'][name])} |" for name in others]
    return "\n".join(lines) + "\n"


def flag_names(commands: dict[str, Any]) -> list[str]:
    """What a `flag` mark may say: "update", "update --memory", "--log", "LISTEN_FDS" …"""
    return [_flag_name(command, option) for command, rows in commands.items() for option in rows]


def rows_without_option(commands: dict[str, Any]) -> list[str]:
    """Rows and options of the table that have no counterpart."""
    known = {"global": {option[0] for option in GLOBAL_OPTIONS}}
    known |= {name: {option[0] for option in command[4]} for name, command in every_command().items()}
    told = {
        command: {option.removeprefix("--") for option in rows} - {""}
        for command, rows in commands.items()
        if command not in _NOT_OPTIONS
    }
    names = [
        f"{command} --{option}" for command in known for option in known[command] - told.get(command, set())
    ]
    names += [command for command in known if command not in told]
    return sorted(names)


def files_of_field(name: str, fields: dict[str, Any], marks: Marks) -> list[str]:
    """Tests of the field, and of what lies in it and has no row of its own."""
    rows = {row for section in fields.values() for row in section}
    found: set[str] = set()
    for marked, files in marks["field"].items():
        if marked == name or (marked.startswith(name + ".") and _row_of(marked, rows) == name):
            found.update(files)
    return sorted(found)


def _row_of(marked: str, rows: set[str]) -> str:
    while marked and marked not in rows:
        marked = marked.rpartition(".")[0]
    return marked


def _other_fields(fields: dict[str, Any], marks: Marks) -> list[str]:
    rows = {row for section in fields.values() for row in section}
    return [name for name in marks["field"] if not _row_of(name, rows)]


def _summary(commands: dict[str, Any], fields: dict[str, Any], marks: Marks) -> str:
    flags = flag_names(commands)
    shown = sum(name in marks["flag"] for name in flags)
    rows = [row for section in fields.values() for row in section]
    tested = sum(bool(files_of_field(row, fields, marks)) for row in rows)
    return (
        f"{shown} of {len(flags)} commands, options, variables and annotations have tests, and {tested} of"
        f" {len(rows)} fields of config.json.\n"
    )


def _flag_name(command: str, option: str) -> str:
    if command == "global" or command in _NOT_OPTIONS:
        return option
    return f"{command} {option}".strip()


def _command_row(command: str, option: str, codes: str, marks: Marks) -> str:
    signs, _, note = codes.partition(": ")
    runc, crun = signs.split()
    name = option or f"{command} {every_command()[command][1] if command in every_command() else ''}".strip()
    words = "; ".join(filter(None, (_help(command, option), note))).replace("|", "\\|")
    here = _here(marks["flag"].get(_flag_name(command, option), []))
    return f"| `{name}` | {words} | {_SIGNS[runc]} | {_SIGNS[crun]} | {here} |".replace("`|", "`\\|")


def _help(command: str, option: str) -> str:
    if command == "global":
        return next((row[5] for row in GLOBAL_OPTIONS if f"--{row[0]}" == option), "")
    if command not in every_command():
        return ""
    summary, _, _, _, options, _ = every_command()[command]
    return summary if not option else next((row[5] for row in options if f"--{row[0]}" == option), "")


def _title(command: str) -> str:
    return {"global": "Before the command", "environment": "Environment", "annotations": "Annotations"}.get(
        command, command
    )


def _here(files: list[str]) -> str:
    if not files:
        return "**missing**"
    return ", ".join(f"[{_short(file)}](../{file})" for file in files)


def _short(file: str) -> str:
    return re.sub(r"^test_|\.py$", "", file.rpartition("/")[2]).replace("_", " ")


def load(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / f"{name}.toml").read_text())


def main() -> int:
    PAGE.write_text(render(collect()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
