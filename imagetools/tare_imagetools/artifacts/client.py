"""oras' registry client with our transfers under it.

`oras` knows how artifacts are made up; how its base class moves bytes we do not take: it verifies
nothing, follows any address with the password, and reads whole files into memory. So every method that
touches the network is replaced by one on our verified session, and what cannot be is refused. Programs
that were written for `oras.provider.Registry` can use this class in its place.
docs/adr/0007-oras-for-artifacts-only.md
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import oras.container
import oras.oci
import oras.provider
import requests
from tare_spec import media_types
from tare_spec.digest import Digest
from tare_spec.errors import BadDocument, SpecError
from tare_spec.image import Descriptor, Manifest, decode_descriptor, decode_manifest
from tare_spec.reference import Reference

from tare_imagetools.artifacts.files import safe_parts, write_file
from tare_imagetools.errors import BadReference, MissingError, UsageError, VerifyError, layout_error
from tare_imagetools.registry.client import Repository
from tare_imagetools.registry.session import Session, SessionOptions
from tare_imagetools.transports.interface import RawManifest
from tare_imagetools.verify import VerifyingReader

TITLE = "org.opencontainers.image.title"
EMPTY_JSON = b"{}"
Document = dict[str, object]


class Container(oras.container.Container):  # type: ignore[misc]
    """oras' reference type, read by our grammar."""

    def __init__(self, name: str) -> None:
        try:
            self.reference = Reference.parse(name)
        except SpecError as error:
            raise BadReference("", str(error)) from error
        self.registry = self.reference.host
        namespace, _, self.repository = self.reference.repository.rpartition("/")
        self.namespace = namespace or None
        self.tag = self.reference.tag
        self.digest = str(self.reference.digest) if self.reference.digest else None


class Client(oras.provider.Registry):  # type: ignore[misc]
    """`options` hold credentials, TLS and retries for every registry that this client speaks to."""

    def __init__(self, options: SessionOptions) -> None:
        # The base class' own would open an unguarded session; only what its kept methods read is set.
        self.hostname = None
        self.headers: dict[str, str] = {}
        self.prefix = "https"
        self._options = options
        self._sessions: dict[str, Session] = {}
        self._announced: dict[tuple[str, str], Descriptor] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        for session in self._sessions.values():
            session.close()

    # --- artifacts ----------------------------------------------------------------------------------

    def push(
        self,
        target: str,
        files: list[str],
        artifact_type: str,
        annotations: dict[str, str] | None = None,
    ) -> Digest:
        """Push files as one artifact; each is PATH or PATH:MEDIA-TYPE. Returns the manifest's digest."""
        container = self.get_container(target)
        manifest: Document = oras.oci.NewManifest()
        layers = [new_layer(*split_type(file)) for file in files]
        titles = [title_of(layer) for _, layer in layers]
        if len(set(titles)) != len(titles):
            raise UsageError("push artifact", "two files have the same name")
        config = Descriptor(media_types.OCI_EMPTY, Digest.of(EMPTY_JSON), len(EMPTY_JSON))
        repository = self._repository(container)
        for path, layer in layers:
            self.upload_blob(str(path), container, layer)
        if not repository.has_blob(config):
            repository.put_blob(config, VerifyingReader(InMemory(EMPTY_JSON), config, "empty configuration"))
        manifest |= {"artifactType": artifact_type, "config": config.to_json()}
        manifest |= {"layers": [layer for _, layer in layers], "annotations": annotations or {}}
        self.upload_manifest(manifest, container)
        return Digest.of(encode(manifest))

    def pull(self, target: str, outdir: str) -> list[Path]:
        """Write the files of an artifact below `outdir`; returns their paths.

        Raises: VerifyError for names that lead elsewhere or clash, before anything is written.
        """
        container = self.get_container(target)
        manifest = self._manifest(container)
        names: list[tuple[list[str], Descriptor]] = []
        for layer in manifest.layers:
            what = f"layer {layer.digest} of {container}"
            title = layer.annotations.get(TITLE) or layer.digest.hex
            names.append((safe_parts(title, what), layer))
        if len({tuple(parts) for parts, _ in names}) != len(names):
            raise VerifyError(f"artifact {container}", "two of its layers name the same file")
        repository = self._repository(container)
        written = []
        for parts, layer in names:
            with repository.open_blob(layer) as stream:
                written.append(write_file(Path(outdir), parts, stream))
        return written

    # --- oras' methods, on our session --------------------------------------------------------------

    def get_container(self, name: str | Container) -> Container:
        return name if isinstance(name, Container) else Container(str(name))

    def get_manifest(self, container: str | Container, *_: object, **__: object) -> Document:
        """The manifest as oras hands it on, a dict; verified, and its layers remembered."""
        document: Document = json.loads(self._manifest(self.get_container(container)).raw)
        return document

    def upload_manifest(self, manifest: Document, container: str | Container) -> requests.Response:
        container = self.get_container(container)
        raw = encode(manifest)
        try:
            decoded = decode_manifest(raw, media_types.OCI_MANIFEST)
        except BadDocument as error:
            raise UsageError(f"push {container}", str(error)) from error
        stored = RawManifest(raw, decoded.media_type, Digest.of(raw))
        reference = container.reference.tag or str(stored.digest)
        self._repository(container).put_manifest(stored, reference)
        return answered(201)

    def upload_blob(
        self, blob: str, container: str | Container, layer: Document, *_: object, **__: object
    ) -> requests.Response:
        container = self.get_container(container)
        descriptor = decode_descriptor(layer, "layer", "")
        repository = self._repository(container)
        if repository.has_blob(descriptor):
            return answered(200)
        try:
            file = open(blob, "rb", buffering=0)
        except OSError as error:
            raise layout_error(f"read {blob}", error) from error
        with VerifyingReader(file, descriptor, f"file {blob}") as stream:
            repository.put_blob(descriptor, stream)
        return answered(201)

    put_upload = chunked_upload = upload_blob

    def download_blob(self, container: str | Container, digest: str, outfile: str) -> str:
        """Only what a manifest has announced: without its size a blob cannot be bounded."""
        container = self.get_container(container)
        descriptor = self._announced.get((container.reference.name, digest))
        if descriptor is None:
            raise MissingError(f"get blob {digest} of {container}", "no manifest read so far names it")
        target = Path(outfile)
        with self._repository(container).open_blob(descriptor) as stream:
            write_file(target.parent, [target.name], stream)
        return outfile

    def blob_exists(self, layer: Document, container: str | Container) -> bool:
        descriptor = decode_descriptor(layer, "layer", "")
        return self._repository(self.get_container(container)).has_blob(descriptor)

    def get_tags(self, container: str | Container, N: int | None = None) -> list[str]:
        tags: list[str] = []
        for tag in self._repository(self.get_container(container)).tags():
            if N is not None and len(tags) >= N:
                break
            tags.append(tag)
        return tags

    def do_request(self, url: str, *_: object, **__: object) -> NoReturn:
        raise UsageError(f"request {url}", "this client makes no requests that it cannot verify")

    def get_blob(self, container: str | Container, digest: str, *_: object, **__: object) -> NoReturn:
        raise UsageError(f"get blob {digest}", "an unverified stream is not handed out; use download_blob")

    def login(self, *_: object, **__: object) -> NoReturn:
        raise UsageError("log in", "credentials come from the options of this client")

    logout = login

    # ------------------------------------------------------------------------------------------------

    def _repository(self, container: Container) -> Repository:
        host = container.reference.host
        if host not in self._sessions:
            self._sessions[host] = Session(host, self._options)
        return Repository(self._sessions[host], container.reference.repository)

    def _manifest(self, container: Container) -> Manifest:
        what = f"manifest of {container}"
        found = self._repository(container).manifest(
            container.reference.digest or container.reference.tag or ""
        )
        try:
            document = decode_manifest(found.raw, found.media_type, what)
        except BadDocument as error:
            raise VerifyError(what, str(error)) from error
        if not isinstance(document, Manifest):
            raise VerifyError(what, "it is an index of several; name one of them by its digest")
        for layer in document.layers:
            self._announced[container.reference.name, str(layer.digest)] = layer
        return document


class InMemory:
    """Bytes as a ByteSource."""

    def __init__(self, content: bytes) -> None:
        self._left = memoryview(content)

    def readinto(self, buffer: memoryview, /) -> int:
        piece = self._left[: len(buffer)]
        buffer[: len(piece)] = piece
        self._left = self._left[len(piece) :]
        return len(piece)

    def seek(self, offset: int, /) -> None:
        self._left = self._left[offset:]

    def close(self) -> None:
        self._left = memoryview(b"")


def split_type(text: str) -> tuple[Path, str | None]:
    """PATH[:MEDIA-TYPE]; what follows the last ':' is a type only if it looks like one."""
    path, colon, kind = text.rpartition(":")
    if colon and "/" in kind and not kind.startswith("/") and not Path(text).exists():
        return Path(path), kind
    return Path(text), None


def new_layer(path: Path, media_type: str | None) -> tuple[Path, Document]:
    """Raises: LayoutError when the file cannot be read; UsageError when it is none."""
    if path.is_dir():
        raise UsageError(f"push {path}", "it is a folder, and an artifact is made of files; pack it first")
    try:
        layer: Document = oras.oci.NewLayer(str(path), media_type=media_type)
    except OSError as error:
        raise layout_error(f"read {path}", error) from error
    layer["annotations"] = {TITLE: path.name}
    return path, layer


def title_of(layer: Document) -> str:
    annotations = layer["annotations"]
    assert isinstance(annotations, dict)
    return str(annotations[TITLE])


def encode(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def answered(status: int) -> requests.Response:
    """What oras' callers look at."""
    response = requests.Response()
    response.status_code = status
    return response
