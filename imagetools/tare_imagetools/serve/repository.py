"""One repository: the manifests and tags that its layout's index.json lists.

index.json is the truth and is read again whenever it changed, so a layout that another tool wrote into is
served as it is. Each tag is one entry with the annotation `org.opencontainers.image.ref.name`; a manifest
without a tag is one entry without it. Spec: image-spec 1.1, image-layout.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tare_spec import media_types
from tare_spec.digest import Digest
from tare_spec.errors import BadDocument
from tare_spec.image import Descriptor, Index, Manifest, decode_manifest

from tare_imagetools.serve.faults import Fault
from tare_imagetools.serve.storage import Storage, open_regular, sync_folder, write_atomically

REF_NAME = "org.opencontainers.image.ref.name"
MAX_NESTING = 4
MAX_MANIFEST = 4 * 1024 * 1024  # what a registry should take at least, and what careful clients read at most
EMPTY = Index(media_types.OCI_INDEX, b"", manifests=())


class Repository:
    """A view of one name in the storage; cheap to make, kept by the router for its caches."""

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self.name = name
        self._index_path = storage.layout_path(name) / "index.json"
        self._stamp: tuple[int, int, int] | None = None
        self._entries: tuple[Descriptor, ...] = ()
        self._by_digest: dict[Digest, Descriptor] = {}
        self._by_tag: dict[str, Descriptor] = {}
        self._referrers: dict[Digest, list[Descriptor]] | None = None

    def exists(self) -> bool:
        return self._storage.has_repository(self.name)

    def tags(self) -> list[str]:
        with self._storage.lock:
            self._refresh()
            return sorted(self._by_tag)

    def by_tag(self, tag: str) -> Descriptor | None:
        with self._storage.lock:
            self._refresh()
            return self._by_tag.get(tag)

    def by_digest(self, digest: Digest) -> Descriptor | None:
        with self._storage.lock:
            self._refresh()
            return self._by_digest.get(digest)

    def blob_path(self, digest: Digest) -> Path:
        return self._storage.blob_path(self.name, digest)

    def put_manifest(self, raw: bytes, digest: Digest, media_type: str, tags: list[str]) -> None:
        """Store a checked manifest and let `tags` name it. When this returns, all of it is on disk."""
        with self._storage.lock:
            layout = self._storage.make_layout(self.name)
            if not self.blob_path(digest).exists():
                self._store(raw, digest)
            for folder in (layout / "blobs").iterdir():
                sync_folder(folder)  # the links of the blobs that came before
            self._refresh()
            plain = Descriptor(media_type, digest, len(raw))
            if tags:
                kept = without_tags(self._entries, set(tags))
                kept = [entry for entry in kept if entry.digest != digest or REF_NAME in entry.annotations]
                self._write([*kept, *(replace(plain, annotations={REF_NAME: tag}) for tag in tags)])
            elif not any(entry.digest == digest for entry in self._entries):
                self._write([*self._entries, plain])

    def delete_tag(self, tag: str) -> bool:
        with self._storage.lock:
            if self.by_tag(tag) is None:
                return False
            self._write(without_tags(self._entries, {tag}))
            return True

    def delete_manifest(self, digest: Digest) -> bool:
        """Remove a manifest with all its tags; what it refers to stays."""
        with self._storage.lock:
            if self.by_digest(digest) is None:
                return False
            self._write([entry for entry in self._entries if entry.digest != digest])
            self._storage.drop(self.name, digest)
            self._by_digest.pop(digest, None)
            return True

    def referrers(self, subject: Digest) -> list[Descriptor]:
        """The manifests whose `subject` is this digest. Spec: distribution-spec 1.1, "Listing Referrers"."""
        with self._storage.lock:
            self._refresh()
            if self._referrers is None:
                self._referrers = {}
                for entry in self._by_digest.values():
                    document = self._read(entry)
                    if document.subject is not None:
                        found = self._referrers.setdefault(document.subject.digest, [])
                        found.append(as_referrer(entry, document))
            return list(self._referrers.get(subject, ()))

    def reachable(self) -> set[Digest]:
        """Every blob that a manifest names, the manifests included.

        Raises: Fault, OSError, BadDocument where one cannot be read: then nobody knows what it names.
        """
        with self._storage.lock:
            self._refresh()
            found: set[Digest] = set()
            for entry in (*self._entries, *self._by_digest.values()):
                found.add(entry.digest)
                if entry.digest not in self._by_digest:
                    continue
                document = self._load(entry)
                if isinstance(document, Index):
                    found.update(child.digest for child in document.manifests)
                else:
                    found.update(part.digest for part in (document.config, *document.layers))
            return found

    def _store(self, raw: bytes, digest: Digest) -> None:
        file = self._storage.upload_path(f"manifest-{digest.hex}")
        try:
            with open(file, "wb") as out:
                out.write(raw)
                out.flush()
                os.fsync(out.fileno())
            self._storage.adopt(self.name, digest, file)
        finally:
            file.unlink(missing_ok=True)

    def _write(self, entries: list[Descriptor]) -> None:
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_INDEX,
            "manifests": [entry.to_json() for entry in entries],
        }
        write_atomically(self._index_path, json.dumps(document, indent=1).encode())

    def _refresh(self) -> None:
        try:
            status = self._index_path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            stamp = None
        if stamp == self._stamp:
            return
        raw = self._index_path.read_bytes() if stamp else b""
        index = self._decode_index(raw) if stamp else EMPTY
        self._entries = index.manifests
        self._by_tag = {entry.annotations[REF_NAME]: entry for entry in self._entries if is_tagged(entry)}
        self._by_digest = {}
        self._referrers = None
        for entry in self._entries:
            self._learn(entry, depth=0)
        self._stamp = stamp

    def _decode_index(self, raw: bytes) -> Index:
        try:
            index = decode_manifest(raw, media_types.OCI_INDEX, f"index.json of {self.name}")
        except BadDocument as error:
            raise Fault("UNKNOWN", f"the repository is damaged: {error}") from error
        assert isinstance(index, Index), "decode_manifest was told that it is one"
        return index

    def _learn(self, entry: Descriptor, depth: int) -> None:
        """Other tools list an index only, not the manifests in it: find those as well."""
        known = media_types.is_index(entry.media_type) or media_types.is_manifest(entry.media_type)
        if not known or entry.digest in self._by_digest or not self.blob_path(entry.digest).exists():
            return
        self._by_digest[entry.digest] = entry
        if media_types.is_index(entry.media_type) and depth < MAX_NESTING:
            document = self._read(entry)
            for child in document.manifests if isinstance(document, Index) else ():
                self._learn(child, depth + 1)

    def _read(self, entry: Descriptor) -> Manifest | Index:
        try:
            return self._load(entry)
        except (OSError, BadDocument):
            return EMPTY  # damaged from outside: it has no children and no subject to tell of

    def _load(self, entry: Descriptor) -> Manifest | Index:
        with open_regular(self.blob_path(entry.digest)) as file:
            raw = file.read(MAX_MANIFEST + 1)
        if Digest.of(raw, entry.digest.algorithm) != entry.digest:
            raise BadDocument(str(entry.digest), "", "is not what it was")
        return decode_manifest(raw, entry.media_type)


def is_tagged(entry: Descriptor) -> bool:
    return REF_NAME in entry.annotations


def without_tags(entries: Iterable[Descriptor], tags: set[str]) -> list[Descriptor]:
    """The entries without these tags; a manifest that loses its last one stays, reachable by digest."""
    kept: list[Descriptor] = []
    lost: list[Descriptor] = []
    for entry in entries:
        (lost if entry.annotations.get(REF_NAME) in tags else kept).append(entry)
    for entry in lost:
        if all(other.digest != entry.digest for other in kept):
            kept.append(replace(entry, annotations={}))
    return kept


def as_referrer(entry: Descriptor, document: Manifest | Index) -> Descriptor:
    kind = document.artifact_type
    if not kind and isinstance(document, Manifest):
        kind = document.config.media_type
    plain = Descriptor(document.media_type, entry.digest, entry.size)
    return replace(plain, artifact_type=kind, annotations=document.annotations)
