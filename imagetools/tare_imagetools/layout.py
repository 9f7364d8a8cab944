"""An OCI image layout on disk: oci-layout, index.json, blobs/. Spec: image-spec 1.1, image-layout.md.

A name of an image here is what stands in the annotation org.opencontainers.image.ref.name of its entry in
index.json. Writers exclude each other by flock on the directory itself, so no lock file is left in what
other tools read too; readers need no lock, since index.json is replaced in one step.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tare_spec import media_types
from tare_spec.digest import Digest
from tare_spec.document import parse_json
from tare_spec.errors import BadDocument
from tare_spec.image import Descriptor, Index, decode_manifest

from tare_imagetools.blobs import BlobDirectory, replace_file
from tare_imagetools.errors import LayoutError, MissingError, UsageError, layout_error

REF_NAME = "org.opencontainers.image.ref.name"
LAYOUT_VERSION = "1.0.0"
MAX_INDEX = 16 << 20
EMPTY = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": []}


class Layout:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = BlobDirectory(root / "blobs")

    # --- reading ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises: MissingError where no layout is, LayoutError for one that we do not know."""
        tried = f"open the OCI layout {self.root}"
        raw = self.read_file("oci-layout", 1 << 12, tried)
        try:
            found = parse_json(raw, "oci-layout")
        except BadDocument as error:
            raise LayoutError(tried, str(error)) from error
        version = found.get("imageLayoutVersion") if isinstance(found, dict) else None
        if not isinstance(version, str) or version.partition(".")[0] != "1":
            raise LayoutError(tried, f"oci-layout gives the version {version!r}, we know 1.0.0")

    def entries(self) -> tuple[Descriptor, ...]:
        """The entries of index.json.

        Raises: MissingError, LayoutError.
        """
        tried = f"read {self.root}/index.json"
        try:
            index = decode_manifest(self.read_file("index.json", MAX_INDEX, tried), media_types.OCI_INDEX)
        except BadDocument as error:
            raise LayoutError(tried, error.problem) from error
        assert isinstance(index, Index)
        return index.manifests

    def resolve(self, name: str | None) -> Descriptor:
        """The entry with that name; None is the only one there is.

        Raises: MissingError, UsageError where a name is needed.
        """
        entries = self.entries()
        tried = f"find {name or 'an image'} in the OCI layout {self.root}"
        names = sorted({entry.annotations[REF_NAME] for entry in entries if REF_NAME in entry.annotations})
        if name is None:
            if len({entry.digest for entry in entries}) == 1:
                return entries[0]
            if not entries:
                raise MissingError(tried, "it holds no image")
            shown = ", ".join(names[:8]) or "none has a name: give @DIGEST"
            raise UsageError(tried, f"it holds {len(entries)} images, name one", f"there are: {shown}")
        for entry in reversed(entries):
            if entry.annotations.get(REF_NAME) == name:
                return entry
        shown = ", ".join(names[:8]) or "none"
        raise MissingError(tried, "it holds no image of that name", f"there are: {shown}")

    def find(self, digest: Digest) -> Descriptor | None:
        """The entry of index.json with that digest."""
        return next((entry for entry in self.entries() if entry.digest == digest), None)

    def names(self) -> list[str]:
        return sorted({name for entry in self.entries() if (name := entry.annotations.get(REF_NAME))})

    def read_file(self, name: str, limit: int, tried: str) -> bytes:
        path = self.root / name
        try:
            with path.open("rb") as file:
                raw = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            hint = "an OCI layout is a directory that holds oci-layout, index.json and blobs/"
            raise MissingError(tried, f"there is no file {path}", hint) from error
        except OSError as error:
            raise layout_error(tried, error) from error
        if len(raw) > limit:
            raise LayoutError(tried, f"{path} is longer than {limit} bytes")
        return raw

    # --- writing ----------------------------------------------------------------------------------

    def create(self) -> None:
        """Make an empty layout where none is. Raises: LayoutError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not (self.root / "oci-layout").exists() or not (self.root / "index.json").exists():
                with self.locked():
                    if not (self.root / "index.json").exists():
                        replace_file(self.root / "index.json", json.dumps(EMPTY).encode())
                    content = json.dumps({"imageLayoutVersion": LAYOUT_VERSION}).encode()
                    replace_file(self.root / "oci-layout", content)
        except OSError as error:
            raise layout_error(f"make an OCI layout in {self.root}", error) from error

    def set_name(self, descriptor: Descriptor, name: str | None) -> None:
        """Put an entry into index.json, in place of the one that had the name.

        Its blobs are there. Raises: LayoutError.
        """
        annotations = dict(descriptor.annotations)
        annotations.pop(REF_NAME, None)
        entry = {**descriptor.to_json(), "annotations": {**annotations, **({REF_NAME: name} if name else {})}}
        if not entry["annotations"]:
            del entry["annotations"]

        def change(entries: list[dict[str, object]]) -> list[dict[str, object]]:
            if name is None:
                known = any(other.get("digest") == entry["digest"] for other in entries)
                return entries if known else [*entries, entry]
            kept = [other for other in entries if name_of(other) != name]
            kept = [o for o in kept if o.get("digest") != entry["digest"] or name_of(o) is not None]
            return [*kept, entry]

        self.blobs.sync()
        self.change_index(change)

    def remove_name(self, name: str) -> None:
        """Take the entry with that name out. Raises: LayoutError."""
        self.change_index(lambda entries: [entry for entry in entries if name_of(entry) != name])

    def change_index(self, change: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> None:
        """Rewrite index.json under the lock; what we do not know of it is kept."""
        tried = f"write {self.root}/index.json"
        try:
            with self.locked():
                self.entries()  # refuse to build on a file that cannot be trusted
                document = parse_json(self.read_file("index.json", MAX_INDEX, tried), "index.json")
                assert isinstance(document, dict)
                before = document["manifests"]
                document["manifests"] = change(before)
                if document["manifests"] != before:
                    replace_file(self.root / "index.json", json.dumps(document).encode())
        except OSError as error:
            raise layout_error(tried, error) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def name_of(entry: dict[str, object]) -> str | None:
    annotations = entry.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else None
