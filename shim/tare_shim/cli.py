"""The command line of `tare`: options in, one call, the exit status out. Errors are printed here alone."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
from tare_imagetools.errors import ImageToolError

from tare_shim.errors import RuntimeRefused, ShimError
from tare_shim.options import RunOptions, check, parse_capability, parse_env, parse_size, parse_volume


@dataclass(frozen=True)
class Place:
    """Where images and containers are kept, and the runtime that runs them."""

    store: Path
    runtime: str | None
    runtime_root: str | None

    def runtime_command(self) -> tuple[str, ...]:
        from tare_shim.runtime import runtime_command

        return runtime_command(self.runtime, self.runtime_root)


@click.group(context_settings={"auto_envvar_prefix": "TARE"})
@click.option("--store", type=click.Path(path_type=Path), envvar="TARE_STORE", help="Images and containers.")
@click.option("--runtime", envvar="TARE_RUNTIME", help="An OCI runtime's command, instead of tare-runtime.")
@click.option("--runtime-root", envvar="TARE_RUNTIME_ROOT", help="Its --root.")
@click.pass_context
def tare(context: click.Context, store: Path | None, runtime: str | None, runtime_root: str | None) -> None:
    """Run containers from OCI images: pull with tare-image, run with tare-runtime."""
    from tare_imagetools.store.store import default_root

    context.obj = Place((store or default_root()).absolute(), runtime, runtime_root)


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option("-i", "--interactive", is_flag=True, help="Keep standard input open."),
        click.option("-t", "--tty", is_flag=True, help="Give the process a terminal."),
        click.option("-d", "--detach", is_flag=True, help="Run in the background and print the id."),
        click.option("--rm", "remove", is_flag=True, help="Remove the container when it ends."),
        click.option("--name", help="Instead of the id's first 12 digits."),
        click.option("-m", "--memory", metavar="SIZE", help="Limit memory: 64m, 1g …"),
        click.option("--cpus", type=float, help="Limit processor time to so many CPUs' worth."),
        click.option("--pids-limit", type=int, help="Limit the number of processes; -1 is no limit."),
        click.option(
            "-v", "--volume", "volumes", multiple=True, metavar="SRC:DST[:ro]", help="Mount a host path."
        ),
        click.option(
            "-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="Set a variable, or pass ours on."
        ),
        click.option("-u", "--user", metavar="USER[:GROUP]", help="Names as the image has them, or numbers."),
        click.option("-w", "--workdir", help="Start in this directory."),
        click.option("-h", "--hostname", help="Instead of the id's first 12 digits."),
        click.option("--network", type=click.Choice(["none", "host"]), default="none", show_default=True),
        click.option("--read-only", is_flag=True, help="Mount the root filesystem read-only."),
        click.option("--cap-add", multiple=True, metavar="CAP", help="Add a capability, or ALL."),
        click.option(
            "--cap-drop", multiple=True, metavar="CAP", help="Drop a capability, or ALL; before --cap-add."
        ),
        click.option(
            "--log-size",
            metavar="SIZE",
            default="64m",
            show_default=True,
            help="How much of the output to keep: about, the newest. 0 keeps all.",
        ),
        click.option("--entrypoint", help="Instead of the image's; its command is left out then."),
        click.option("--insecure", is_flag=True, help="Allow plain HTTP and unverified TLS beyond loopback."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@tare.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@run_options
@click.argument("image")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(place: Place, /, image: str, command: tuple[str, ...], insecure: bool, **flags: object) -> None:
    """Run IMAGE, pulling it where it is missing. COMMAND may stand behind `--`."""
    from tare_shim.run import run as run_container

    if command[:1] == ("--",):
        command = command[1:]
    options = decode(command, **flags)
    check(options)
    status = run_container(
        image, options, store=place.store, runtime=place.runtime_command(), insecure=insecure
    )
    sys.exit(status)


def decode(command: tuple[str, ...], **flags: object) -> RunOptions:
    """The words of click as the values of RunOptions."""

    def texts(name: str) -> list[str]:
        value = flags.pop(name)
        return [str(word) for word in value] if isinstance(value, tuple) else []

    memory = flags.pop("memory")
    return RunOptions(
        command=command,
        memory_bytes=parse_size(str(memory)) if memory is not None else None,
        volumes=tuple(parse_volume(text) for text in texts("volumes")),
        env=tuple(entry for text in texts("env") if (entry := parse_env(text)) is not None),
        cap_add=tuple(parse_capability(text) for text in texts("cap_add")),
        log_bytes=parse_size(str(flags.pop("log_size"))),
        cap_drop=tuple(parse_capability(text) for text in texts("cap_drop")),
        **flags,  # type: ignore[arg-type]  # the rest have the types their options give them
    )


@tare.command()
@click.argument("image")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--insecure", is_flag=True, help="Allow plain HTTP and unverified TLS beyond loopback.")
@click.pass_obj
def pull(place: Place, image: str, quiet: bool, insecure: bool) -> None:
    """Fetch IMAGE into the store, also where the store has it already."""
    from tare_shim.images import pull as pull_image

    print(pull_image(image, place.store, insecure=insecure, quiet=quiet))


@tare.command()
@click.option("-q", "--quiet", is_flag=True, help="Digests alone.")
@click.pass_obj
def images(place: Place, quiet: bool) -> None:
    """List the images in the store."""
    from tare_shim.images import print_images

    print_images(place.store, quiet=quiet)


@tare.command()
@click.option("-a", "--all", "everything", is_flag=True, help="Those that have ended, too.")
@click.option("-q", "--quiet", is_flag=True, help="Ids alone.")
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
@click.pass_obj
def ps(place: Place, everything: bool, quiet: bool, as_json: bool) -> None:
    """List containers."""
    from tare_shim.containers import list_containers, print_containers
    from tare_shim.records import Records

    rows = list_containers(Records(place.store), everything=everything)
    print_containers(rows, quiet=quiet, as_json=as_json)


@tare.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("-f", "--force", is_flag=True, help="Kill those that run.")
@click.pass_obj
def rm(place: Place, names: tuple[str, ...], force: bool) -> None:
    """Remove containers."""
    from tare_shim.containers import remove
    from tare_shim.records import Records

    records = Records(place.store)
    for name in names:
        remove(records, records.find(name), place.store, force=force)
        print(name)


@tare.command(name="exec", context_settings={"allow_interspersed_args": False})
@click.option("-i", "--interactive", is_flag=True, help="Keep standard input open.")
@click.option("-t", "--tty", is_flag=True, help="Give the process a terminal.")
@click.option("-d", "--detach", is_flag=True, help="Do not wait for it.")
@click.option("-e", "--env", multiple=True, metavar="NAME[=VALUE]")
@click.option("-u", "--user", metavar="USER[:GROUP]", help="Names as the image has them, or numbers.")
@click.option("-w", "--workdir")
@click.argument("name")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_(place: Place, /, name: str, command: tuple[str, ...], interactive: bool, **flags: Any) -> None:
    """Run COMMAND in a running container."""
    from tare_shim.containers import exec_flags, execute
    from tare_shim.records import Records

    if command[:1] == ("--",):
        command = command[1:]
    record = Records(place.store).find(name)
    sys.exit(execute(record, command, flags=exec_flags(record, **flags), interactive=interactive))


@tare.command()
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-t", "--timestamps", is_flag=True)
@click.argument("name")
@click.pass_obj
def logs(place: Place, name: str, follow: bool, timestamps: bool) -> None:
    """Print what a container wrote."""
    from tare_shim.containers import print_log
    from tare_shim.records import Records

    print_log(Records(place.store).find(name), follow=follow, timestamps=timestamps)


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        tare(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except (ShimError, ImageToolError) as error:
        if not (isinstance(error, RuntimeRefused) and error.shown):
            print(f"tare: {error}", file=sys.stderr)
        if hint := getattr(error, "hint", None):
            print(f"hint: {hint}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, ShimError) else 125)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        print(f"tare: {error}", file=sys.stderr)
        sys.exit(125)


def _end(number: int, _frame: object) -> NoReturn:
    """Leave through every `finally`, so that what was begun is undone."""
    raise SystemExit(128 + number)
