"""The command line of `tare-image`: a click group that imports a command's module when it is called.

The one place where errors become text and exit codes; the codes stand in `errors`.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click
from tare_spec.errors import BadDocument, SpecError, printable

from tare_imagetools.errors import ImageToolError, UsageError, VerifyError

COMMANDS = {
    "artifact": "push and pull plain files as artifacts",
    "check": "read all of the store and compare it with its digests",
    "config": "print the configuration of an image",
    "copy": "copy an image from anywhere to anywhere",
    "gc": "remove blobs of the store that no name leads to",
    "inspect": "describe an image, or print its manifest",
    "login": "keep credentials for a registry",
    "logout": "forget credentials for a registry",
    "ls": "list the images of the store",
    "pull": "copy an image from a registry into the store",
    "push": "copy an image from the store to a registry",
    "rm": "remove a name from the store",
    "serve": "serve a folder as a registry",
    "tag": "give an image of the store another name",
    "tags": "list the tags of a repository",
    "unmount": "take away what unpack --driver mounted",
    "unpack": "unpack an image into a bundle",
}
INTERRUPTED = 130
MAX_MESSAGE = 2000
VERIFY_FLAGS = frozenset({"--tls-verify", "--src-tls-verify", "--dest-tls-verify"})
TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class LazyGroup(click.Group):
    """Each command NAME is `command` in tare_imagetools.commands.NAME."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"tare_imagetools.commands.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tare-oci", prog_name="tare-image")
def group() -> None:
    """Move, keep and unpack OCI images.

    An image is named TRANSPORT:WHERE: docker://NAME[:TAG|@DIGEST], oci:DIR[:NAME|@DIGEST],
    oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], dir:DIR, store:NAME. A bare NAME is in the store.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run a command and end the process with its exit code."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        group.main(spell_flags(given), prog_name="tare-image", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "tare-image"
        message = error.format_message()
        fail(message[:1].lower() + message[1:], f"{command} --help says what can be given", error.exit_code)
    except click.ClickException as error:
        fail(error.format_message(), None, error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted", None, INTERRUPTED)
    except BrokenPipeError:
        # Who read our output has gone; what is buffered must not be flushed into the broken pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ImageToolError as error:
        fail(str(error), error.hint, error.exit_code)
    except SpecError as error:
        kind = VerifyError if isinstance(error, BadDocument) else UsageError
        fail(str(error), getattr(error, "hint", None) or kind.usual_hint, kind.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}", None, ImageToolError.exit_code)


def spell_flags(arguments: list[str]) -> list[str]:
    """`--tls-verify=false`, as people write it for other image tools, in the form that click knows."""
    spelled = list(arguments)
    end = spelled.index("--") if "--" in spelled else len(spelled)
    for position, argument in enumerate(spelled[:end]):
        name, equals, value = argument.partition("=")
        if equals and name in VERIFY_FLAGS and value.lower() in TRUTHS:
            spelled[position] = name if TRUTHS[value.lower()] else f"--no-{name[2:]}"
    return spelled


def fail(message: str, hint: str | None, code: int) -> None:
    """Names in a message may come from an archive or a registry: nothing of them reaches the terminal raw."""
    print(f"tare-image: {printable(message, MAX_MESSAGE)}", file=sys.stderr)
    if hint:
        print(f"hint: {printable(hint, MAX_MESSAGE)}", file=sys.stderr)
    sys.stderr.flush()
    sys.exit(code)
