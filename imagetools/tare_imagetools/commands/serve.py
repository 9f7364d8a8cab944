"""tare-image serve: a folder as a registry."""

from __future__ import annotations

import errno
import os
import signal
import ssl
import sys
from pathlib import Path

import click

from tare_imagetools.errors import ImageToolError, StoreError, UsageError, layout_error
from tare_imagetools.serve.htpasswd import Htpasswd
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
@click.option("--gc", "gc_age_s", type=click.IntRange(0), metavar="SECONDS",
              help="Remove blobs that no manifest names after so long, each hour.")  # fmt: skip
@click.option("--log-requests", is_flag=True, help="A line on stderr for each request.")
def command(
    listen: str,
    root: Path,
    htpasswd: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    ready_file: Path | None,
    gc_age_s: int | None,
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
        server = RegistryServer(root, host, port, guard=guard, tls=tls, log=log, gc_age_s=gc_age_s)
    except RootInUse as error:
        raise StoreError(
            f"serve {root}", "another server has it", "stop that one, or choose another --root"
        ) from error
    except OSError as error:
        raise cannot_serve(root, listen, error) from error
    with server:
        if ready_file:
            write_atomically(ready_file, f"{server.address}\n".encode())
        print(f"serving {root} on {server.address}", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        if ready_file:
            ready_file.unlink(missing_ok=True)


def cannot_serve(root: Path, listen: str, error: OSError) -> ImageToolError:
    if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES) and error.filename is None:
        hint = "choose another address: --listen HOST:PORT, where port 0 takes a free one"
        return UsageError(f"listen on {listen}", os.strerror(error.errno), hint)
    return layout_error(f"serve {root} on {listen}", error)


def read_passwords(path: Path) -> Htpasswd:
    try:
        return Htpasswd(path)
    except OSError as error:
        raise layout_error(f"read {path}", error) from error


def read_certificate(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise UsageError("read --tls-key", "there is no --tls-cert", "give both, or a file with both")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or error.args[-1]
        hint = "both must be PEM, and the key that of the certificate: --tls-cert FILE --tls-key FILE"
        raise UsageError(f"read certificate {certificate}", str(why), hint) from error
    return context


def read_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is not HOST:PORT", param_hint="--listen")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)
