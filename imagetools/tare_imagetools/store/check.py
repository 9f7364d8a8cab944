"""Is everything in the store what its name says, and is all there that names lead to?

Nothing else looks at a blob's content once it is in: a disk that forgets is found here. Damaged blobs can be
removed, so that the next pull fetches them anew; nothing else is ever changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from tare_spec.digest import Digest
from tare_spec.errors import SpecError
from tare_spec.image import Descriptor, Index, Manifest

from tare_imagetools.errors import ImageToolError
from tare_imagetools.layout import REF_NAME
from tare_imagetools.store.store import MAX_DEPTH, Store
from tare_imagetools.verify import CHUNK


class Fault(Enum):
    DAMAGED = "is damaged"
    MISSING = "is missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """`name`: the image that needs the blob, "" where none does."""

    digest: Digest
    fault: Fault
    name: str = ""
    detail: str = ""

    def __str__(self) -> str:
        whose = f" of {self.name}" if self.name else ""
        return f"blob {self.digest}{whose} {self.fault.value}{f': {self.detail}' if self.detail else ''}"


def check(store: Store, tell: Callable[[Digest], None] = lambda digest: None) -> list[Finding]:
    """Every fault of the open store. `tell` hears of each blob before it is read."""
    damaged = {}
    for digest in store.blobs.digests():
        tell(digest)
        if problem := problem_of(store, digest):
            damaged[digest] = problem
    found: list[Finding] = []
    told: set[Digest] = set()
    for entry in store.layout.entries():
        name = entry.annotations.get(REF_NAME, "")
        for digest, optional in needed(store, entry, damaged):
            if digest in damaged:
                found.append(Finding(digest, Fault.DAMAGED, name, damaged[digest]))
                told.add(digest)
            elif not optional and not store.blob_path(digest).exists():
                found.append(Finding(digest, Fault.MISSING, name))
    found += [
        Finding(digest, Fault.DAMAGED, "", problem)
        for digest, problem in damaged.items()
        if digest not in told
    ]
    return found


def remove_damaged(store: Store, findings: list[Finding]) -> int:
    """Remove the damaged blobs; returns how many."""
    digests = {finding.digest for finding in findings if finding.fault is Fault.DAMAGED}
    for digest in digests:
        store.blob_path(digest).unlink(missing_ok=True)
    return len(digests)


def problem_of(store: Store, digest: Digest) -> str:
    """ "" for a blob whose content has the digest of its name."""
    hasher = digest.hasher()
    buffer = memoryview(bytearray(CHUNK))
    try:
        with store.blobs.open(digest, f"blob {digest}") as file:
            while count := file.readinto(buffer):
                hasher.update(buffer[:count])
    except (ImageToolError, OSError) as error:
        return str(error)
    return (
        "" if hasher.hexdigest() == digest.hex else f"its content has {digest.algorithm}:{hasher.hexdigest()}"
    )


def needed(
    store: Store, descriptor: Descriptor, damaged: dict[Digest, str], depth: int = 0
) -> Iterator[tuple[Digest, bool]]:
    """(digest, may be absent) of all that an entry leads to; below a damaged blob nothing is known."""
    yield descriptor.digest, depth > 0
    if descriptor.digest in damaged or not store.blobs.has(descriptor) or depth > MAX_DEPTH:
        return
    try:
        document = store.read_manifest(descriptor)
    except (ImageToolError, SpecError):
        return
    if isinstance(document, Index):
        for entry in document.manifests:
            yield from needed(store, entry, damaged, depth + 1)
    elif isinstance(document, Manifest):
        yield document.config.digest, False
        for layer in document.layers:
            yield layer.digest, bool(layer.urls)
