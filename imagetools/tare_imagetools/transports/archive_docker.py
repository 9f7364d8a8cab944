"""docker-archive:FILE[:NAME]: what `docker save` writes and `docker load` reads.

Its manifest.json names a configuration and plain tars of the layers, and no digests of them. As a source it
is given an OCI manifest, in which each plain layer's digest is the diff_id that the configuration states,
so that reading verifies it. As a sink it is where bytes change: layers are inflated, and each result is
compared with its diff_id.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from tare_spec import media_types
from tare_spec.digest import Digest, new_hasher
from tare_spec.document import Fields, parse_json
from tare_spec.errors import BadDocument
from tare_spec.errors import BadReference as BadName
from tare_spec.image import Descriptor, Manifest, decode_manifest
from tare_spec.image_config import decode_config
from tare_spec.reference import Reference

from tare_imagetools.archive.tar_index import Slice, TarIndex
from tare_imagetools.archive.tar_writer import TarWriter
from tare_imagetools.blobs import write_all
from tare_imagetools.errors import LayoutError, MissingError, UsageError, VerifyError, layout_error
from tare_imagetools.layer.inflate import plain_pieces
from tare_imagetools.transports.end import End
from tare_imagetools.transports.interface import RawManifest
from tare_imagetools.verify import CHUNK, VerifyingReader, read_bounded

MAX_LIST = 4 << 20
MAX_CONFIG = 8 << 20
ITEM_KEYS = frozenset({"Config", "RepoTags", "Layers"})
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Item:
    """One image of the archive: names of members, and of the image."""

    config: str
    layers: tuple[str, ...]
    names: tuple[str, ...]


class DockerArchiveSource(End):
    def __init__(self, path: Path, name: str | None, shown: str) -> None:
        self.path = path
        self.name = name
        self.shown = shown
        self.found: RawManifest | None = None
        self.blobs: dict[Digest, str] = {}

    def __enter__(self) -> Self:
        self.index = TarIndex(self.path)
        return self

    def close(self) -> None:
        self.index.close()

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        if self.found is None:
            self.found = self.make_manifest(self.choose())
        if digest not in (None, self.found.digest):
            raise MissingError(f"read {digest} from {self.shown}", "there is no manifest of that digest")
        return self.found

    def open_blob(self, descriptor: Descriptor) -> VerifyingReader:
        what = f"blob {descriptor.digest} of {self.path}"
        return VerifyingReader(self.index.open(self.blobs[descriptor.digest]), descriptor, what)

    def list_tags(self) -> Iterator[str]:
        for item in self.items():
            yield from item.names

    def items(self) -> list[Item]:
        """Raises: LayoutError."""
        tried = f"read manifest.json of {self.path}"
        try:
            document = parse_json(
                read_bounded(self.index.open("manifest.json"), MAX_LIST, tried), "manifest.json"
            )
            if not isinstance(document, list):
                raise BadDocument("manifest.json", "", "must be an array")
            found = []
            for number, value in enumerate(document):
                fields = Fields(value, "manifest.json", f"/{number}", ITEM_KEYS)
                found.append(Item(fields.text("Config"), fields.texts("Layers"), fields.texts("RepoTags")))
        except BadDocument as error:
            raise LayoutError(tried, str(error)) from error
        return found

    def choose(self) -> Item:
        items = self.items()
        tried = f"find {self.name or 'an image'} in {self.path}"
        there = ", ".join(name for item in items for name in item.names) or "none"
        if self.name is None:
            if len(items) == 1:
                return items[0]
            raise UsageError(tried, f"it holds {len(items)} images, name one", f"there are: {there}")
        for item in items:
            if self.name in item.names or full_name(self.name) in map(full_name, item.names):
                return item
        raise MissingError(tried, "it holds no image of that name", f"there are: {there}")

    def make_manifest(self, item: Item) -> RawManifest:
        raw = read_bounded(self.index.open(item.config), MAX_CONFIG, f"{item.config} of {self.path}")
        try:
            config = decode_config(raw, item.config)
        except BadDocument as error:
            raise VerifyError(f"{item.config} of {self.path}", error.problem) from error
        if len(config.diff_ids) != len(item.layers):
            raise VerifyError(
                f"{item.config} of {self.path}",
                f"it has {len(config.diff_ids)} diff_ids, but manifest.json names {len(item.layers)} layers",
            )
        layers = [self.layer(name, known) for name, known in zip(item.layers, config.diff_ids, strict=True)]
        described = Descriptor(media_types.OCI_CONFIG, config.digest, len(raw))
        self.blobs[config.digest] = item.config
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": described.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        content = json.dumps(document).encode()
        return RawManifest(content, media_types.OCI_MANIFEST, Digest.of(content))

    def layer(self, name: str, diff_id: Digest) -> Descriptor:
        content = self.index.open(name)
        size = content.size
        kind, digest = media_types.OCI_LAYER, diff_id
        if content.read(2) == GZIP:  # some writers compress; then the digest has to be computed
            kind, digest = media_types.OCI_LAYER_GZIP, digest_of(content)
        self.blobs[digest] = name
        return Descriptor(kind, digest, size)


@dataclass(slots=True)
class PlainLayer:
    file: BinaryIO
    size: int
    diff_id: Digest


class DockerArchiveSink(End):
    parallel = 4
    takes_index = False

    def __init__(self, path: Path, name: str | None, shown: str) -> None:
        self.path = path
        self.name = full_name(name) if name else None
        self.shown = shown
        self.layers: dict[Digest, PlainLayer] = {}
        self.contents: dict[Digest, bytes] = {}
        self.done: Manifest | None = None

    def __enter__(self) -> Self:
        self.tar = TarWriter(self.path)
        return self

    def close(self) -> None:
        for layer in self.layers.values():
            layer.file.close()
        self.tar.close()

    def has_blob(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.layers or descriptor.digest in self.contents

    def put_blob(self, descriptor: Descriptor, stream: VerifyingReader) -> None:
        """A layer is inflated beside the archive, since a tar header needs the size first."""
        compression = media_types.COMPRESSION.get(descriptor.media_type)
        if compression is None:
            if descriptor.size > MAX_CONFIG:
                raise VerifyError(stream.what, f"it is longer than {MAX_CONFIG} bytes")
            self.contents[descriptor.digest] = stream.readall()
            return
        try:
            file = tempfile.TemporaryFile(dir=self.path.parent, buffering=0)
            try:
                self.layers[descriptor.digest] = inflate(file, stream, compression)
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise layout_error(f"write a layer for {self.shown}", error) from error

    def put_manifest(self, manifest: RawManifest, *, tag: bool) -> None:
        document = decode_manifest(manifest.raw, manifest.media_type)
        if not isinstance(document, Manifest):
            raise UsageError(f"write {self.shown}", "a docker archive holds images, no indexes")
        self.done = document

    def commit(self) -> None:
        if self.done is None or self.done.config.digest not in self.contents:
            raise LayoutError(f"write {self.shown}", "what was copied is not an image")
        raw = self.contents[self.done.config.digest]
        try:
            diff_ids = decode_config(raw).diff_ids
        except BadDocument as error:
            raise VerifyError(f"config of {self.shown}", error.problem) from error
        plain = [self.layers[layer.digest] for layer in self.done.layers if layer.digest in self.layers]
        if len(plain) != len(diff_ids):
            raise VerifyError(f"config of {self.shown}", f"{len(diff_ids)} diff_ids for {len(plain)} layers")
        names = []
        for number, (layer, diff_id) in enumerate(zip(plain, diff_ids, strict=True)):
            if layer.diff_id != diff_id:
                raise VerifyError.of_digest(f"layer {number} of {self.shown}", diff_id, layer.diff_id)
            name = f"{diff_id.hex}.tar"
            if name not in names:
                self.tar.add(name, layer.size, lambda fd, file=layer.file: copy_file(file, fd))  # type: ignore[misc]
            names.append(name)
        config_name = f"{self.done.config.digest.hex}.json"
        self.tar.add_bytes(config_name, raw)
        item = {"Config": config_name, "RepoTags": [self.name] if self.name else [], "Layers": names}
        self.tar.add_bytes("manifest.json", json.dumps([item]).encode())
        self.tar.finish()


def inflate(file: BinaryIO, stream: VerifyingReader, compression: str) -> PlainLayer:
    """Raises: LayerError, OSError, and what the stream raises."""
    hasher = new_hasher()
    size = 0
    for piece in plain_pieces(stream, compression):
        hasher.update(piece)
        size += len(piece)
        write_all(file.fileno(), memoryview(piece))
    while stream.read(CHUNK):  # what follows the compressed data belongs to the blob's digest
        pass
    return PlainLayer(file, size, Digest("sha256", hasher.hexdigest()))


def copy_file(file: BinaryIO, fd: int) -> None:
    position = 0
    while count := os.sendfile(fd, file.fileno(), position, 1 << 26):
        position += count


def digest_of(content: Slice) -> Digest:
    hasher = new_hasher()
    content.seek(0)
    while piece := content.read(CHUNK):
        hasher.update(piece)
    return Digest("sha256", hasher.hexdigest())


def full_name(name: str) -> str:
    """RepoTags hold short names, users write either; what is no reference is compared as it is."""
    try:
        return Reference.parse(name).familiar
    except BadName:
        return name
