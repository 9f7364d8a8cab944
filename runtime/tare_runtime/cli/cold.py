"""Help and shell completion: click commands made from the table. Slow to import, and off the hot path."""

from __future__ import annotations

import click  # noqa: TID253  imported on demand itself, by cli.main

from tare_runtime.cli.main import show
from tare_runtime.cli.table import GLOBAL_OPTIONS
from tare_runtime.cli.table_more import every_command
from tare_runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options
    from tare_runtime.cli.table import Command, Option

PROGRAM = "tare-runtime"
SHELLS = ("bash", "zsh", "fish")


def click_group() -> click.Group:
    """The whole command line as click sees it; it is never run, only asked for texts."""
    group = click.Group(
        PROGRAM,
        params=[_click_option(option) for option in GLOBAL_OPTIONS if option[0] != "help"],
        help="A low-level OCI container runtime.",
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    )
    for name, command in every_command().items():
        group.add_command(_click_command(name, command))
    return group


def show_help_or_completion(options: Options) -> int:
    """Print help of the program or of `options.verb`, or the completion script of a shell."""
    group = click_group()
    if options.verb == "completion" and not options.help:
        show(_completion_script(options.args[0], group))
        return 0
    context = click.Context(group, info_name=PROGRAM, **group.context_settings)
    if options.verb:
        command = group.commands[options.verb]
        context = click.Context(command, context, options.verb, **group.context_settings)
        show(command.get_help(context) + "\n")
    else:
        show(group.get_help(context) + "\n")
    return 0


def _click_command(name: str, command: Command) -> click.Command:
    summary, words, least, most, options, mixed = command
    parameters: list[click.Parameter] = [_click_option(option) for option in options]
    if most:
        count = -1 if most != 1 else 1
        parameters.append(click.Argument(["args"], nargs=count, required=least > 0, metavar=words))
    settings = {"allow_interspersed_args": mixed}
    text = summary[0].upper() + summary[1:] + "."
    return click.Command(name, params=parameters, help=text, context_settings=settings)


def _click_option(option: Option) -> click.Option:
    name, letter, kind, default, metavar, text = option
    names = [f"--{name}", *([f"-{letter}"] if letter else [])]
    if kind == "flag":
        return click.Option(names, is_flag=True, help=text)
    if kind == "list":
        return click.Option(names, multiple=True, metavar=metavar, help=text)
    if kind == "count":
        return click.Option(names, type=click.IntRange(0), default=default, metavar=metavar, help=text)
    if kind == "text":
        return click.Option(names, default=default or None, metavar=metavar, help=text)
    return click.Option(names, type=click.Choice(list(kind)), default=default, metavar=metavar, help=text)


def _completion_script(shell: str, group: click.Group) -> str:
    """A script that needs nothing of ours at completion time: the words are written into it."""
    if shell not in SHELLS:
        raise UsageError(f"{PROGRAM} completion: {shell!r} is none of {', '.join(SHELLS)}")
    words = {name: _option_words(command) for name, command in group.commands.items()}
    verbs = " ".join(words)
    if shell == "fish":
        lines = [f"complete -c {PROGRAM} -f -n __fish_use_subcommand -a '{verbs}'"]
        for name, options in words.items():
            lines.append(f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {name}' -a '{options}'")
        return "\n".join(lines) + "\n"
    cases = "\n".join(f'    {name}) words="{options}" ;;' for name, options in words.items())
    script = f"""_tare_runtime() {{
  local verb= word words="{verbs} {_option_words(group)}"
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case " {verbs} " in *" $word "*) verb=$word; break ;; esac
  done
  case "$verb" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _tare_runtime {PROGRAM}
"""
    return ("autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else "") + script


def _option_words(command: click.Command) -> str:
    return " ".join(name for option in command.params for name in option.opts if name.startswith("--"))
