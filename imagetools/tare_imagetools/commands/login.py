"""tare-image login: credentials, tried and then kept."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tare_imagetools.commands.options import FILE, Common
from tare_imagetools.transports.parse import registry_host


@click.command("login", short_help="keep credentials for a registry")
@click.argument("registry", default="docker.io")
@click.option("--username", "-u", metavar="NAME")
@click.option("--password", "-p", metavar="TEXT", help="Seen by all users in ps: prefer --password-stdin.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--authfile", type=FILE, metavar="FILE", help="Where to keep them.")
@click.option("--tls-verify/--no-tls-verify", "tls_verify", default=None, help="As for pull.")
@click.option("--cert-dir", type=FILE, metavar="DIR", help="Directory with *.crt, *.cert, *.key.")
@click.option("--auth-realm", "realms", multiple=True, metavar="HOST[:PORT]", help="As for pull.")
def command(
    registry: str,
    username: str | None,
    password: str | None,
    password_stdin: bool,
    authfile: Path | None,
    tls_verify: bool | None,
    cert_dir: Path | None,
    realms: tuple[str, ...],
) -> None:
    """Try the credentials at REGISTRY, and keep them where they are looked up later if it takes them."""
    from tare_imagetools.registry import login

    host = registry_host(registry)
    if username is None:
        username = click.prompt("Username", err=True)
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif password is None:
        password = click.prompt("Password", hide_input=True, err=True)
    common = Common(
        creds=f"{username}:{password}", authfile=authfile, tls_verify=tls_verify, cert_dir=cert_dir,
        realms=realms, quiet=True,
    )  # fmt: skip
    login.check(host, common.end())
    where = login.keep(host, username, password, authfile)
    print(f"logged in to {host}; kept in {where}")
