"""oci:DIR[:NAME] and oci:DIR@DIGEST: an OCI image layout as source and sink. Bytes are kept as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from tare_spec.digest import Digest
from tare_spec.image import Descriptor

from tare_imagetools.errors import LayoutError
from tare_imagetools.layout import Layout
from tare_imagetools.transports.end import End
from tare_imagetools.transports.interface import RawManifest
from tare_imagetools.verify import VerifyingReader, check_bytes, read_blob, read_bounded

MAX_MANIFEST = 4 << 20


class LayoutSource(End):
    def __init__(self, layout: Layout, name: str | None, digest: Digest | None, shown: str) -> None:
        self.layout = layout
        self.name = name
        self.digest = digest
        self.shown = shown

    def __enter__(self) -> Self:
        self.layout.check()
        return self

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        digest = digest or self.digest
        if digest is not None:
            return read_by_digest(self.layout, digest)
        return read_by_descriptor(self.layout, self.layout.resolve(self.name))

    def open_blob(self, descriptor: Descriptor) -> VerifyingReader:
        return self.layout.blobs.reader(descriptor, f"blob {descriptor.digest} of {self.layout.root}")

    def list_tags(self) -> Iterator[str]:
        yield from self.layout.names()


class LayoutSink(End):
    parallel = 8
    takes_index = True

    def __init__(self, layout: Layout, name: str | None, shown: str) -> None:
        self.layout = layout
        self.name = name
        self.shown = shown
        self.named: Descriptor | None = None

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self.layout.blobs.has(descriptor)

    def put_blob(self, descriptor: Descriptor, stream: VerifyingReader) -> None:
        self.layout.blobs.write(descriptor, stream)

    def put_manifest(self, manifest: RawManifest, *, tag: bool) -> None:
        self.layout.blobs.write_bytes(manifest.digest, manifest.raw)
        if tag:
            self.named = manifest.descriptor

    def commit(self) -> None:
        if self.named is None:
            raise LayoutError(f"write {self.shown}", "no manifest was put")
        self.layout.create()
        self.layout.set_name(self.named, self.name)


def read_by_descriptor(layout: Layout, descriptor: Descriptor) -> RawManifest:
    what = f"manifest {descriptor.digest} of {layout.root}"
    raw = read_blob(layout.blobs.reader(descriptor, what), MAX_MANIFEST)
    return RawManifest(raw, descriptor.media_type, descriptor.digest)


def read_by_digest(layout: Layout, digest: Digest) -> RawManifest:
    """A manifest of which only the digest is known: its media type is left to the document."""
    entry = layout.find(digest)
    if entry is not None:
        return read_by_descriptor(layout, entry)
    what = f"manifest {digest} of {layout.root}"
    file = layout.blobs.open(digest, what)
    try:
        raw = read_bounded(file, MAX_MANIFEST, what)
    finally:
        file.close()
    check_bytes(raw, digest, what)
    return RawManifest(raw, "", digest)
