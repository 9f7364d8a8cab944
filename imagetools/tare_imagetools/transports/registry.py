"""docker://REFERENCE: a registry as source and sink. Bytes are kept as they are."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tare_spec.digest import Digest
from tare_spec.image import Descriptor
from tare_spec.reference import Reference

from tare_imagetools.transports.interface import RawManifest
from tare_imagetools.verify import VerifyingReader

if TYPE_CHECKING:
    from tare_imagetools.registry.client import Repository
    from tare_imagetools.registry.session import SessionOptions

LARGE_CHUNK = 8 << 20


class RegistryEnd:
    """What source and sink share: one session, closed at the end."""

    def __init__(self, reference: Reference, options: SessionOptions) -> None:
        self.reference = reference
        self.options = options

    def __enter__(self) -> Self:
        from tare_imagetools.registry.client import Repository
        from tare_imagetools.registry.session import Session

        self.repository: Repository = Repository(
            Session(self.reference.host, self.options), self.reference.repository
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.options.retry.cancelled.set()
        self.repository.session.close()

    def describe(self) -> str:
        return f"docker://{self.reference}"


class RegistrySource(RegistryEnd):
    def manifest(self, digest: Digest | None = None) -> RawManifest:
        wanted = digest or self.reference.digest or self.reference.target
        return self.repository.manifest(wanted)

    def open_blob(self, descriptor: Descriptor) -> VerifyingReader:
        return self.repository.open_blob(descriptor)

    def list_tags(self) -> Iterator[str]:
        return self.repository.tags()


class RegistrySink(RegistryEnd):
    parallel = 4
    takes_index = True

    def __init__(
        self,
        reference: Reference,
        options: SessionOptions,
        *,
        chunk_size: int = 0,
        mount_from: Reference | None = None,
    ) -> None:
        """`mount_from`: where the blobs come from, if that is a repository of a registry."""
        super().__init__(reference, options)
        self.chunk_size = chunk_size
        if chunk_size > LARGE_CHUNK:  # a chunk is held in memory until the registry has it
            self.parallel = 1
        self.mount_from = ""
        if mount_from and mount_from.host == reference.host and mount_from.repository != reference.repository:
            self.mount_from = mount_from.repository

    def has_blob(self, descriptor: Descriptor) -> bool:
        if self.repository.has_blob(descriptor):
            return True
        return bool(self.mount_from) and self.repository.mount_blob(descriptor, self.mount_from)

    def put_blob(self, descriptor: Descriptor, stream: VerifyingReader) -> None:
        self.repository.put_blob(descriptor, stream, self.chunk_size)

    def put_manifest(self, manifest: RawManifest, *, tag: bool) -> None:
        if tag and self.reference.tag:
            self.repository.put_manifest(manifest, self.reference.tag)
        else:
            self.repository.put_manifest(manifest, str(manifest.digest))

    def commit(self) -> None:
        """Nothing is left to do: a registry shows a manifest as soon as it has it."""
