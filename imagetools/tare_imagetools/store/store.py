"""The image store of a machine: an OCI layout that is the truth, and an index that is made from it.

    ROOT/oci/        the layout: blobs, index.json with every image's full name
    ROOT/graph.db    the index (graph_db); may be deleted at any time
    ROOT/partial/    the beginnings of blobs whose download was cut (partial)
    ROOT/lock        held shared while images are written or read, exclusively while blobs are removed
    ROOT/<driver>/   unpacked layers of a graph driver

Several processes may use a store at a time. A process that is killed leaves it usable: blobs appear whole,
names are set last, and a name always leads to blobs that are there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tare_spec import media_types
from tare_spec.digest import Digest
from tare_spec.errors import SpecError
from tare_spec.image import Descriptor, Index, Manifest, decode_manifest
from tare_spec.image_config import decode_config
from tare_spec.reference import Reference

from tare_imagetools.errors import ImageToolError, MissingError, StoreError, layout_error
from tare_imagetools.layout import REF_NAME, Layout
from tare_imagetools.store.graph_db import GraphDB, LayerRow, ManifestRow, NameRow
from tare_imagetools.store.partial import PartialDirectory
from tare_imagetools.verify import read_blob

SYSTEM_ROOT = "/var/lib/tare"
MAX_MANIFEST = 4 << 20
MAX_CONFIG = 8 << 20
MAX_DEPTH = 8  # of indexes in indexes


@dataclass(frozen=True, slots=True)
class StoredImage:
    """`platforms`: of the image, or of each image in an index. `size`: of its layers as stored."""

    reference: str
    descriptor: Descriptor
    platforms: tuple[str, ...]
    created: str
    size: int


@dataclass(frozen=True, slots=True)
class Freed:
    blobs: int
    size: int


class Store:
    """A context manager: while it is open nobody else removes blobs."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()
        self.layout = Layout(self.root / "oci")
        self.blobs = self.layout.blobs
        self.partial = PartialDirectory(self.root / "partial", self.blobs)
        self.lock_fd = -1
        self.database: GraphDB | None = None

    def __enter__(self) -> Self:
        try:
            for folder in (self.root, self.root / "partial"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock_fd = self.take_lock(fcntl.LOCK_SH)
        except OSError as error:
            raise StoreError(f"open the store {self.root}", error.strerror or str(error), PLACES) from error
        self.layout.create()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.database is not None:
            self.database.close()
            self.database = None
        os.close(self.lock_fd)

    def take_lock(self, how: int) -> int:
        fd = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, how)
        except BaseException:
            os.close(fd)
            raise
        return fd

    # --- names ------------------------------------------------------------------------------------

    def resolve(self, reference: Reference) -> Descriptor:
        """The manifest or index that a name leads to.

        Raises: MissingError.
        """
        entries = self.layout.entries()
        name = key_of(reference)
        for entry in reversed(entries):
            if entry.annotations.get(REF_NAME) == name:
                return entry
        if reference.digest is not None:
            for entry in entries:
                kept = entry.annotations.get(REF_NAME, "")
                if entry.digest == reference.digest and kept.startswith(
                    (f"{reference.name}:", f"{reference.name}@")
                ):
                    return entry
        raise MissingError(
            f"find {name} in the store {self.root}",
            "there is no image of that name",
            f"tare-image ls shows what is there; tare-image pull {reference.familiar} fetches it",
        )

    def tag(self, reference: Reference, descriptor: Descriptor) -> None:
        """Let a name lead to a manifest or index whose blobs are all there."""
        if not self.blobs.has(descriptor):
            raise StoreError(f"tag {reference}", f"the blob {descriptor.digest} is not in the store")
        self.layout.set_name(descriptor, key_of(reference))

    def untag(self, reference: Reference) -> None:
        """Remove a name. Its blobs stay until `gc`. Raises: MissingError."""
        entry = self.resolve(reference)
        self.layout.remove_name(entry.annotations[REF_NAME])

    def images(self) -> list[StoredImage]:
        """Every name, sorted, with what it leads to."""
        graph = self.graph()
        return [self.stored_image(graph, row) for row in graph.names()]

    def stored_image(self, graph: GraphDB, row: NameRow) -> StoredImage:
        descriptor = Descriptor(row.media_type, row.digest, row.size)
        found = [graph.manifest(each.digest) for each in self.manifests_below(descriptor)]
        known = [each for each in found if each is not None]
        platforms = tuple(each.platform for each in known if each.platform)
        created = max((each.created for each in known), default="")
        return StoredImage(row.name, descriptor, platforms, created, sum(each.size for each in known))

    # --- content ----------------------------------------------------------------------------------

    def blob_path(self, digest: Digest) -> Path:
        return self.blobs.path(digest)

    def read_manifest(self, descriptor: Descriptor) -> Manifest | Index:
        """Raises: MissingError, VerifyError, BadDocument."""
        what = f"manifest {descriptor.digest} of the store"
        raw = read_blob(self.blobs.reader(descriptor, what), MAX_MANIFEST)
        return decode_manifest(raw, descriptor.media_type, what)

    def manifests_below(self, descriptor: Descriptor, depth: int = 0) -> list[Descriptor]:
        """The image manifests that are there, of an index or of one image."""
        if not media_types.is_index(descriptor.media_type):
            return [descriptor] if self.blobs.has(descriptor) else []
        found = []
        if depth < MAX_DEPTH and self.blobs.has(descriptor):
            index = self.read_manifest(descriptor)
            for entry in index.manifests if isinstance(index, Index) else ():
                found += self.manifests_below(entry, depth + 1)
        return found

    def reachable(self, descriptor: Descriptor, depth: int = 0) -> Iterator[Digest]:
        """Every blob that an entry of index.json needs."""
        yield descriptor.digest
        if depth > MAX_DEPTH or not self.blobs.has(descriptor):
            return
        if media_types.is_index(descriptor.media_type):
            index = self.read_manifest(descriptor)
            for entry in index.manifests if isinstance(index, Index) else ():
                yield from self.reachable(entry, depth + 1)
        elif media_types.is_manifest(descriptor.media_type):
            manifest = self.read_manifest(descriptor)
            if isinstance(manifest, Manifest):
                yield manifest.config.digest
                yield from (layer.digest for layer in manifest.layers)

    def gc(self) -> Freed:
        """Remove the blobs that no name leads to. Waits until nobody else has the store open.

        Raises: StoreError; a damaged manifest stops it before anything is removed.
        """
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX)
            try:
                wanted = {digest for entry in self.layout.entries() for digest in self.reachable(entry)}
                unwanted = [digest for digest in self.blobs.digests() if digest not in wanted]
                freed = self.partial.clean()
                for digest in unwanted:
                    freed += self.blobs.path(digest).lstat().st_size
                    self.blobs.path(digest).unlink()
                return Freed(len(unwanted), freed)
            finally:
                fcntl.flock(self.lock_fd, fcntl.LOCK_SH)
        except OSError as error:
            raise layout_error(f"remove blobs of the store {self.root}", error) from error

    # --- the index --------------------------------------------------------------------------------

    def graph(self) -> GraphDB:
        """The index, brought up to date with the layout."""
        if self.database is None:
            self.database = GraphDB(self.root / "graph.db")
        stamp = self.stamp()
        if self.database.stamp() != stamp:
            self.rebuild(self.database, stamp)
        return self.database

    def stamp(self) -> str:
        found = (self.layout.root / "index.json").stat()
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"

    def rebuild(self, graph: GraphDB, stamp: str) -> None:
        entries = self.layout.entries()
        names = [
            NameRow(name, entry.digest, entry.media_type, entry.size)
            for entry in entries
            if (name := entry.annotations.get(REF_NAME))
        ]
        wanted = {each.digest: each for entry in entries for each in self.manifests_below(entry)}
        known = graph.known_manifests()
        added = [self.rows_of(each) for digest, each in wanted.items() if digest not in known]
        graph.replace(stamp, names, added, known - wanted.keys())

    def rows_of(self, descriptor: Descriptor) -> tuple[ManifestRow, list[LayerRow]]:
        """What the index says of one manifest; artifacts have no platform and no layers of a tree."""
        manifest = self.read_manifest(descriptor)
        if not isinstance(manifest, Manifest):
            raise StoreError(f"read {descriptor.digest}", "the manifest is an index")
        size = sum(layer.size for layer in manifest.layers)
        if manifest.config.media_type not in media_types.CONFIGS:
            return ManifestRow(descriptor.digest, "", "", size), []
        try:
            what = f"config {manifest.config.digest} of the store"
            config = decode_config(read_blob(self.blobs.reader(manifest.config, what), MAX_CONFIG), what)
        except (SpecError, ImageToolError):  # listed all the same; whoever unpacks it is told
            return ManifestRow(descriptor.digest, "", "", size), []
        layers = [
            LayerRow(layer.digest, layer.media_type, layer.size, diff_id, chain_id)
            for layer, diff_id, chain_id in zip(
                manifest.layers, config.diff_ids, config.chain_ids, strict=False
            )
        ]
        return ManifestRow(descriptor.digest, str(config.platform), config.created, size), layers


PLACES = "--store DIR or $TARE_STORE names another place"


def key_of(reference: Reference) -> str:
    """The name in index.json: the full one, so that other tools can use it too."""
    return str(reference)


def default_root() -> Path:
    """$TARE_STORE; for root /var/lib/tare; for others $XDG_DATA_HOME/tare."""
    named = os.environ.get("TARE_STORE")
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path(SYSTEM_ROOT)
    home = Path(os.environ.get("HOME") or "/")
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "tare"
