"""The command line of `tare-image`: a click group that imports a command's module when it is called."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "serve": "serve a folder as a registry",
}


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


@click.group(cls=LazyGroup)
def main() -> None:
    """Move, keep and unpack OCI images."""
