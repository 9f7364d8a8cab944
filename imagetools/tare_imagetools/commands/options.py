"""Options that several commands share, and what they mean to the transports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click
from tare_spec.platform import Platform

from tare_imagetools import progress
from tare_imagetools.registry.retry import RetryPolicy
from tare_imagetools.transports.parse import Options

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)

store_option = click.option(
    "--store", type=FILE, metavar="DIR", help="The store: $TARE_STORE, else /var/lib/tare."
)
platform_option = click.option(
    "--platform",
    metavar="OS/ARCH[/VARIANT]",
    help="Whose image to choose; else this machine's.",
)
all_option = click.option("--all", "all_platforms", is_flag=True, help="The index and all in it.")


def stacked(function: Command, options: list[Callable[[Any], Any]]) -> Command:
    for option in reversed(options):
        function = option(function)
    return function


def registry_options(function: Command) -> Command:
    """What a registry needs to know, the same for all ends of a command."""
    return stacked(
        function,
        [
            click.option("--creds", metavar="USER:PASSWORD", help="Credentials for the registry."),
            click.option("--authfile", type=FILE, metavar="FILE", help="Where credentials are looked up."),
            click.option(
                "--tls-verify/--no-tls-verify",
                "tls_verify",
                default=None,
                help="Check the certificate; without, plain HTTP is taken too. Loopback may be plain anyway.",
            ),
            click.option("--cert-dir", type=FILE, metavar="DIR", help="Directory with *.crt, *.cert, *.key."),
            click.option(
                "--auth-realm",
                "realms",
                multiple=True,
                metavar="HOST[:PORT]",
                help="A token server of another domain that may be told the password.",
            ),
            *retry_options,
        ],
    )


retry_options: list[Callable[[Any], Any]] = [
    click.option("--retry-times", type=click.IntRange(0, 100), default=4, show_default=True, metavar="N"),
    click.option(
        "--retry-delay",
        type=click.FloatRange(0.0, 3600),
        default=0.5,
        show_default=True,
        metavar="SECONDS",
        help="Before the first repetition; doubled each time.",
    ),
]


def progress_options(function: Command) -> Command:
    return stacked(
        function,
        [
            click.option("--quiet", "-q", is_flag=True, help="No progress on stderr."),
            click.option("--json", "as_json", is_flag=True, help="Progress as JSON objects on stderr."),
        ],
    )


@dataclass(slots=True)
class Common:
    """The options above, collected. Commands take them as **given."""

    creds: str | None = None
    authfile: Path | None = None
    tls_verify: bool | None = None
    cert_dir: Path | None = None
    realms: tuple[str, ...] = ()
    retry_times: int = 4
    retry_delay: float = 0.5
    quiet: bool = False
    as_json: bool = False
    store: Path | None = None
    chunk_size: int = 0
    retry: RetryPolicy = field(init=False)
    progress: progress.Progress = field(init=False)

    def __post_init__(self) -> None:
        self.retry = RetryPolicy(self.retry_times, self.retry_delay)
        self.progress = progress.standard(quiet=self.quiet, as_json=self.as_json)

    def end(self, *, creds: str | None = None, tls_verify: bool | None = None) -> Options:
        """The options of one end; its own ones win over those for both."""
        return Options(
            creds or self.creds,
            self.authfile,
            self.tls_verify if tls_verify is None else tls_verify,
            self.cert_dir,
            self.realms,
            self.store,
            self.chunk_size,
            self.retry,
            self.progress.note,
        )


def platform_of(text: str | None) -> Platform | None:
    """Raises: BadPlatform."""
    return Platform.parse(text) if text else None
