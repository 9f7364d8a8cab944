"""store:REFERENCE, or a bare reference: an image in the store of this machine as source and sink."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tare_spec.digest import Digest
from tare_spec.image import Descriptor
from tare_spec.reference import Reference

from tare_imagetools.errors import LayoutError, StoreError
from tare_imagetools.layout import REF_NAME
from tare_imagetools.store.store import Store
from tare_imagetools.transports.interface import RawManifest
from tare_imagetools.transports.layout import read_by_descriptor, read_by_digest
from tare_imagetools.verify import VerifyingReader


class StoreEnd:
    """What source and sink share: the store, open while the copy lasts."""

    def __init__(self, reference: Reference, root: Path | None) -> None:
        self.reference = reference
        self.store = Store(root)

    def __enter__(self) -> Self:
        self.store.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.__exit__(kind, error, trace)

    def describe(self) -> str:
        return f"store:{self.reference}"


class StoreSource(StoreEnd):
    def manifest(self, digest: Digest | None = None) -> RawManifest:
        if digest is not None:
            return read_by_digest(self.store.layout, digest)
        return read_by_descriptor(self.store.layout, self.store.resolve(self.reference))

    def open_blob(self, descriptor: Descriptor) -> VerifyingReader:
        return self.store.blobs.reader(descriptor, f"blob {descriptor.digest} of the store")

    def list_tags(self) -> Iterator[str]:
        for entry in self.store.layout.entries():
            name = entry.annotations.get(REF_NAME, "")
            if name.startswith(f"{self.reference.name}:"):
                yield name.removeprefix(f"{self.reference.name}:")


class StoreSink(StoreEnd):
    parallel = 4
    takes_index = True

    def __init__(self, reference: Reference, root: Path | None) -> None:
        super().__init__(reference, root)
        self.named: Descriptor | None = None
        self.begun: set[Digest] = set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, LayoutError):  # no room, most likely: beginnings are not worth what they take
            for digest in self.begun:
                self.store.partial.forget(digest)
        super().__exit__(kind, error, trace)

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self.store.blobs.has(descriptor)

    def put_blob(self, descriptor: Descriptor, stream: VerifyingReader) -> None:
        self.begun.add(descriptor.digest)
        self.store.partial.write(descriptor, stream)

    def put_manifest(self, manifest: RawManifest, *, tag: bool) -> None:
        self.store.blobs.write_bytes(manifest.digest, manifest.raw)
        if tag:
            self.named = manifest.descriptor

    def commit(self) -> None:
        if self.named is None:
            raise StoreError(f"write {self.describe()}", "no manifest was put")
        self.store.tag(self.reference, self.named)
