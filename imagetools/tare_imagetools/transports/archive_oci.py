"""oci-archive:FILE[:NAME]: an OCI image layout in a tar archive. Bytes are kept as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from tare_spec import media_types
from tare_spec.digest import Digest
from tare_spec.image import Descriptor

from tare_imagetools.archive.tar_index import Slice, TarIndex
from tare_imagetools.archive.tar_writer import TarWriter
from tare_imagetools.blobs import copy_to_fd
from tare_imagetools.errors import LayoutError
from tare_imagetools.layout import LAYOUT_VERSION, REF_NAME, Layout
from tare_imagetools.transports.end import End
from tare_imagetools.transports.interface import RawManifest
from tare_imagetools.transports.layout import LayoutSource
from tare_imagetools.verify import VerifyingReader, read_bounded


class ArchivedBlobs:
    """Stands in for the BlobDirectory of a layout that is only read."""

    def __init__(self, index: TarIndex) -> None:
        self.index = index

    def open(self, digest: Digest, what: str) -> Slice:
        return self.index.open(f"blobs/{digest.algorithm}/{digest.hex}")

    def reader(self, descriptor: Descriptor, what: str) -> VerifyingReader:
        return VerifyingReader(self.open(descriptor.digest, what), descriptor, what)


class ArchivedLayout(Layout):
    def __init__(self, index: TarIndex) -> None:
        super().__init__(index.path)
        self.index = index
        self.blobs = ArchivedBlobs(index)  # type: ignore[assignment]  # the two methods that reading needs

    def read_file(self, name: str, limit: int, tried: str) -> bytes:
        return read_bounded(self.index.open(name), limit, f"{name} in {self.root}")


class OciArchiveSource(LayoutSource):
    def __init__(self, path: Path, name: str | None, digest: Digest | None, shown: str) -> None:
        super().__init__(Layout(path), name, digest, shown)
        self.path = path

    def __enter__(self) -> Self:
        self.index = TarIndex(self.path)
        self.layout = ArchivedLayout(self.index)
        return super().__enter__()

    def close(self) -> None:
        self.index.close()


class OciArchiveSink(End):
    parallel = 1  # members of a tar follow one another
    takes_index = True

    def __init__(self, path: Path, name: str | None, shown: str) -> None:
        self.path = path
        self.name = name
        self.shown = shown
        self.written: set[Digest] = set()
        self.named: Descriptor | None = None

    def __enter__(self) -> Self:
        self.tar = TarWriter(self.path)
        return self

    def close(self) -> None:
        self.tar.close()

    def has_blob(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.written

    def put_blob(self, descriptor: Descriptor, stream: VerifyingReader) -> None:
        self.tar.add(blob_name(descriptor.digest), descriptor.size, lambda fd: copy_to_fd(stream, fd))
        self.written.add(descriptor.digest)

    def put_manifest(self, manifest: RawManifest, *, tag: bool) -> None:
        if manifest.digest not in self.written:
            self.tar.add_bytes(blob_name(manifest.digest), manifest.raw)
            self.written.add(manifest.digest)
        if tag:
            self.named = manifest.descriptor

    def commit(self) -> None:
        if self.named is None:
            raise LayoutError(f"write {self.shown}", "no manifest was put")
        entry = self.named.to_json()
        if self.name:
            entry["annotations"] = {REF_NAME: self.name}
        index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [entry]}
        self.tar.add_bytes("index.json", json.dumps(index).encode())
        self.tar.add_bytes("oci-layout", json.dumps({"imageLayoutVersion": LAYOUT_VERSION}).encode())
        self.tar.finish()


def blob_name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"
