"""What every transport is: a source that images are read from, a sink that they are written to.

`pipeline` knows nothing else about them. Both are context managers: leaving one without `commit` leaves
nothing half-made behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from tare_spec.digest import Digest
from tare_spec.image import Descriptor

from tare_imagetools.verify import VerifyingReader


@dataclass(frozen=True, slots=True)
class RawManifest:
    """A manifest or an index as it was found: the bytes are what the digest is of."""

    raw: bytes = field(repr=False)
    media_type: str
    digest: Digest

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(self.media_type, self.digest, len(self.raw))


class Scope(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Source(Scope, Protocol):
    def describe(self) -> str:
        """The source as the user wrote it, for messages."""

    def manifest(self, digest: Digest | None = None) -> RawManifest:
        """The manifest of that digest, verified; None is what the reference names.

        Raises: MissingError, RegistryError, VerifyError, LayoutError.
        """

    def open_blob(self, descriptor: Descriptor) -> VerifyingReader:
        """A reader that raises VerifyError instead of handing out the last bytes of something else."""

    def list_tags(self) -> Iterator[str]:
        """The tags beside the one named; UsageError where the transport has none."""


class Sink(Scope, Protocol):
    parallel: int
    """How many blobs may be put at the same time, from different threads."""

    takes_index: bool
    """Can it hold an index, or one image only?"""

    def describe(self) -> str: ...

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Is it there already, so that nothing need be put?"""

    def put_blob(self, descriptor: Descriptor, stream: VerifyingReader) -> None:
        """Take a blob in: all of it, or nothing."""

    def put_manifest(self, manifest: RawManifest, *, tag: bool) -> None:
        """Take a manifest whose blobs are all there; `tag`: it is the one that the reference names."""

    def commit(self) -> None:
        """Make it visible and durable."""
