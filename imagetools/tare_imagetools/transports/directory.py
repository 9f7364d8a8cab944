"""dir:DIR: one image as plain files, in skopeo's form: manifest.json, version, and a file for each blob.

Of an index, manifest.json is the index, and DIGEST.manifest.json each of its manifests.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tare_spec.digest import Digest
from tare_spec.errors import BadDocument
from tare_spec.image import Descriptor, decode_manifest

from tare_imagetools.blobs import BlobDirectory, replace_file
from tare_imagetools.errors import LayoutError, MissingError, UsageError, VerifyError, layout_error
from tare_imagetools.transports.end import End
from tare_imagetools.transports.interface import RawManifest
from tare_imagetools.verify import VerifyingReader, check_bytes, read_bounded

VERSION = b"Directory Transport Version: 1.1\n"
MAX_MANIFEST = 4 << 20


class FlatBlobs(BlobDirectory):
    """All blobs in one directory, named by their hex digits."""

    def place(self, digest: Digest) -> tuple[Path, str]:
        return self.root, flat_name(digest)


class DirectorySource(End):
    def __init__(self, path: Path, shown: str) -> None:
        self.path = path
        self.shown = shown
        self.blobs = FlatBlobs(path)

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        name = "manifest.json" if digest is None else f"{flat_name(digest)}.manifest.json"
        path = self.path / name
        what = f"{name} of {self.path}"
        try:
            with path.open("rb", buffering=0) as file:
                raw = read_bounded(file, MAX_MANIFEST, what)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingError(f"read {self.shown}", f"there is no file {path}") from error
        except OSError as error:
            raise layout_error(f"read {path}", error) from error
        if digest is not None:
            check_bytes(raw, digest, what)
        try:
            media_type = decode_manifest(raw, "", what).media_type
        except BadDocument as error:
            raise VerifyError(what, error.problem) from error
        return RawManifest(raw, media_type, digest or Digest.of(raw))

    def open_blob(self, descriptor: Descriptor) -> VerifyingReader:
        return self.blobs.reader(descriptor, f"blob {descriptor.digest} of {self.path}")

    def list_tags(self) -> Iterator[str]:
        raise UsageError(f"list the tags of {self.shown}", "a dir: holds one image, which has no name")


class DirectorySink(End):
    parallel = 8
    takes_index = True

    def __init__(self, path: Path, shown: str) -> None:
        self.path = path
        self.shown = shown
        self.blobs = FlatBlobs(path)
        self.named: RawManifest | None = None
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        tried = f"write {self.shown}"
        others = self.path.is_dir() and any(self.path.iterdir())
        if others and not (self.path / "version").exists():
            raise LayoutError(tried, "the directory is not empty, and no dir: either", "choose another one")
        return self

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self.blobs.has(descriptor)

    def put_blob(self, descriptor: Descriptor, stream: VerifyingReader) -> None:
        self.mark()
        self.blobs.write(descriptor, stream)

    def put_manifest(self, manifest: RawManifest, *, tag: bool) -> None:
        if tag:
            self.named = manifest
            return
        self.mark()
        self.write(f"{flat_name(manifest.digest)}.manifest.json", manifest.raw)

    def commit(self) -> None:
        if self.named is None:
            raise LayoutError(f"write {self.shown}", "no manifest was put")
        self.mark()
        self.write("manifest.json", self.named.raw)

    def mark(self) -> None:
        """Leave the version file first, so that a copy that was cut can be begun again."""
        with self.lock:
            if not (self.path / "version").exists():
                try:
                    self.path.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise layout_error(f"write {self.shown}", error) from error
                self.write("version", VERSION)

    def write(self, name: str, content: bytes) -> None:
        try:
            replace_file(self.path / name, content)
        except OSError as error:
            raise layout_error(f"write {self.path / name}", error) from error


def flat_name(digest: Digest) -> str:
    return digest.hex if digest.algorithm == "sha256" else f"{digest.algorithm}-{digest.hex}"
