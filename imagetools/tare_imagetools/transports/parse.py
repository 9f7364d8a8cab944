"""From TRANSPORT:WHERE, as the user writes it, to a source or a sink."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tare_spec.digest import Digest
from tare_spec.errors import BadDigest
from tare_spec.errors import BadReference as BadName
from tare_spec.reference import DEFAULT_HOST, DOCKER_HUB_NAMES, Reference, check_host

from tare_imagetools.errors import BadReference
from tare_imagetools.layout import Layout
from tare_imagetools.registry.retry import RetryPolicy
from tare_imagetools.transports.interface import Sink, Source

if TYPE_CHECKING:
    from tare_imagetools.registry.session import SessionOptions

TRANSPORTS = ("docker", "oci", "oci-archive", "docker-archive", "dir", "store")
FORMS = (
    "docker://NAME[:TAG|@DIGEST], oci:DIR[:NAME|@DIGEST], oci-archive:FILE[:NAME], "
    "docker-archive:FILE[:NAME], dir:DIR, store:NAME, or a bare NAME for the store"
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says about one end of a copy. The registry's part is read in `session_for`."""

    creds: str | None = None
    authfile: Path | None = None
    tls_verify: bool | None = None
    cert_dir: Path | None = None
    realms: tuple[str, ...] = ()
    store: Path | None = None
    chunk_size: int = 0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    warn: Callable[[str], None] = lambda message: None


@dataclass(frozen=True, slots=True)
class Location:
    """A reference with its transport. `path` and `name` for files, `reference` for registry and store."""

    transport: str
    text: str
    path: Path = Path()
    name: str | None = None
    digest: Digest | None = None
    reference: Reference | None = None


def parse_location(text: str) -> Location:
    """Read TRANSPORT:WHERE.

    Raises: BadReference.
    """
    transport, colon, rest = text.partition(":")
    if not colon or transport not in TRANSPORTS:
        if rest.startswith("//") or transport.endswith(("-archive", "-storage", "-daemon")):
            raise BadReference(f"read {text!r}", f"{transport}: is no transport", f"there are: {FORMS}")
        return Location("store", text, reference=parse_reference(text))
    if transport == "docker":
        if not rest.startswith("//"):
            raise BadReference(f"read {text!r}", "after docker: there must be //", f"docker://{rest}")
        return Location(transport, text, reference=parse_reference(rest[2:], text))
    if transport == "store":
        return Location(transport, text, reference=parse_reference(rest, text))
    return parse_path(transport, rest, text)


def has_transport(text: str) -> bool:
    return text.partition(":")[0] in TRANSPORTS and ":" in text


def registry_name(text: str) -> Reference:
    """A name in a registry, with or without docker://.

    Raises: BadReference.
    """
    if has_transport(text) and not text.startswith("docker:"):
        raise BadReference(f"read {text!r}", "here must be a name in a registry", "copy takes any transport")
    where = parse_location(text if text.startswith("docker:") else f"docker://{text}")
    assert where.reference is not None
    return where.reference


def registry_host(text: str) -> str:
    """HOST[:PORT] of a registry; Docker Hub under any of its names.

    Raises: BadReference.
    """
    host = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    if host in DOCKER_HUB_NAMES:
        return DEFAULT_HOST
    try:
        check_host(text, host)
    except BadName as error:
        raise BadReference(f"read the registry {text!r}", error.problem, "write HOST[:PORT]") from error
    return host


def parse_reference(name: str, text: str = "") -> Reference:
    try:
        return Reference.parse(name)
    except BadName as error:
        raise BadReference(f"read {text or name!r}", error.problem, error.hint) from error


def parse_path(transport: str, rest: str, text: str) -> Location:
    digest = None
    for algorithm in ("@sha256:", "@sha512:"):
        if algorithm in rest:
            rest, _, encoded = rest.rpartition(algorithm)
            try:
                digest = Digest.parse(algorithm[1:] + encoded)
            except BadDigest as error:
                raise BadReference(f"read {text!r}", error.problem) from error
    path, colon, name = rest.partition(":")
    if not path:
        raise BadReference(f"read {text!r}", "there is no path", f"write {transport}:PATH")
    if colon and not name and digest is None:
        raise BadReference(f"read {text!r}", "after the second ':' there must be a name")
    if transport == "dir" and (name or digest):
        raise BadReference(f"read {text!r}", "a dir: holds one image, which has no name")
    return Location(transport, text, Path(path), name or None, digest)


def open_source(text: str, options: Options) -> Source:
    """Raises: BadReference."""
    where = parse_location(text)
    match where.transport:
        case "docker":
            from tare_imagetools.transports.registry import RegistrySource

            assert where.reference is not None
            return RegistrySource(where.reference, session_for(options))
        case "store":
            from tare_imagetools.transports.store import StoreSource

            assert where.reference is not None
            return StoreSource(where.reference, options.store)
        case "oci":
            from tare_imagetools.transports.layout import LayoutSource

            return LayoutSource(Layout(where.path), where.name, where.digest, text)
        case "oci-archive":
            from tare_imagetools.transports.archive_oci import OciArchiveSource

            return OciArchiveSource(where.path, where.name, where.digest, text)
        case "docker-archive":
            from tare_imagetools.transports.archive_docker import DockerArchiveSource

            return DockerArchiveSource(where.path, where.name, text)
        case _:
            from tare_imagetools.transports.directory import DirectorySource

            return DirectorySource(where.path, text)


def open_sink(text: str, options: Options, source: str = "") -> Sink:
    """`source`: the other end as text; blobs may be mounted from it within one registry.

    Raises: BadReference.
    """
    where = parse_location(text)
    if where.digest is not None:
        raise BadReference(f"read {text!r}", "a digest cannot be chosen for what is written", "give a name")
    match where.transport:
        case "docker":
            from tare_imagetools.transports.registry import RegistrySink

            assert where.reference is not None
            other = parse_location(source) if source else None
            mount_from = other.reference if other is not None and other.transport == "docker" else None
            return RegistrySink(
                where.reference,
                session_for(options),
                chunk_size=options.chunk_size,
                mount_from=mount_from,
            )
        case "store":
            from tare_imagetools.transports.store import StoreSink

            assert where.reference is not None
            return StoreSink(where.reference, options.store)
        case "oci":
            from tare_imagetools.transports.layout import LayoutSink

            return LayoutSink(Layout(where.path), where.name, text)
        case "oci-archive":
            from tare_imagetools.transports.archive_oci import OciArchiveSink

            return OciArchiveSink(where.path, where.name, text)
        case "docker-archive":
            from tare_imagetools.transports.archive_docker import DockerArchiveSink

            return DockerArchiveSink(where.path, where.name, text)
        case _:
            from tare_imagetools.transports.directory import DirectorySink

            return DirectorySink(where.path, text)


def session_for(options: Options) -> SessionOptions:
    """Imports the registry client, which costs a tenth of a second: only who names a registry pays."""
    from tare_imagetools.registry.credentials import Credentials
    from tare_imagetools.registry.session import SessionOptions

    return SessionOptions(
        Credentials.from_option(options.creds) if options.creds else None,
        options.authfile,
        options.tls_verify,
        options.cert_dir,
        frozenset(options.realms),
        options.retry,
        options.warn,
    )
