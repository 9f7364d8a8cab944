"""tare-image serve: a folder as a registry."""

from __future__ import annotations

import signal
import ssl
import sys
from pathlib import Path

import click

from tare_imagetools.serve.htpasswd import BadPasswordFile, Htpasswd
from tare_imagetools.serve.server import RegistryServer
from tare_imagetools.serve.storage import RootInUse, write_atomically


@click.command("serve", short_help="serve a folder as a registry")
@click.option("--listen", default="127.0.0.1:5000", show_default=True, metavar="HOST:PORT",
              help="Where to listen; port 0 takes a free one.")  # fmt: skip
@click.option("--root", default="/var/lib/tare/registry", show_default=True,
              type=click.Path(file_okay=False, path_type=Path), help="Where content is kept.")  # fmt: skip
@click.option("--htpasswd", type=click.Path(path_type=Path), metavar="FILE",
              help="Ask for a name and password of this file (made by htpasswd -B).")  # fmt: skip
@click.option("--tls-cert", type=click.Path(path_type=Path), metavar="FILE",
              help="Speak HTTPS with this certificate (PEM, with its chain).")  # fmt: skip
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="FILE",
              help="The certificate's key, where it is not in the same file.")  # fmt: skip
@click.option("--ready-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Written with HOST:PORT once requests are answered; removed at the end.")  # fmt: skip
@click.option("--log-requests", is_flag=True, help="A line on stderr for each request.")
def command(
    listen: str,
    root: Path,
    htpasswd: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    ready_file: Path | None,
    log_requests: bool,
) -> None:
    """Serve the folder ROOT as a registry until SIGTERM or SIGINT.

    It speaks the OCI distribution-spec 1.1: push and pull, tags, referrers, mounting, deletion. The content
    is one OCI layout a repository, ROOT/repositories/NAME/_layout.
    """
    host, port = read_address(listen)
    log = (lambda line: print(line, file=sys.stderr, flush=True)) if log_requests else None
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before any thread begins
    guard = read_passwords(htpasswd) if htpasswd else None
    tls = read_certificate(tls_cert, tls_key)
    try:
        server = RegistryServer(root, host, port, guard=guard, tls=tls, log=log)
    except RootInUse as error:
        raise click.ClickException(
            f"serve {root}: another server has it\nhint: stop that one, or choose another --root"
        ) from error
    except OSError as error:
        raise click.ClickException(f"serve {root} on {listen}: {error.strerror}") from error
    with server:
        if ready_file:
            write_atomically(ready_file, f"{server.address}\n".encode())
        print(f"serving {root} on {server.address}", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        if ready_file:
            ready_file.unlink(missing_ok=True)


def read_passwords(path: Path) -> Htpasswd:
    try:
        return Htpasswd(path)
    except BadPasswordFile as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"read {path}: {error.strerror}") from error


def read_certificate(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise click.UsageError("--tls-key is given without --tls-cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or error.args[-1]
        raise click.ClickException(f"read certificate {certificate}: {why}") from error
    return context


def read_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is not HOST:PORT", param_hint="--listen")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)
