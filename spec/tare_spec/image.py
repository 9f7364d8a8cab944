"""Image documents as types: descriptors, manifests, indexes and image configurations.

Decoding happens once, at the border, from raw bytes; a decoded document keeps them, since digests are of
bytes. What is refused and why stands in `document`. Spec: image-spec 1.1, descriptor.md, manifest.md,
image-index.md, config.md; Docker's schema 2 documents have the same shape.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from tare_spec import media_types
from tare_spec.digest import Digest
from tare_spec.document import Fields, parse_json
from tare_spec.errors import BadDocument, shorten
from tare_spec.platform import Platform

DESCRIPTOR_KEYS = frozenset(
    {"mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"}
)
PLATFORM_KEYS = frozenset({"architecture", "os", "os.version", "os.features", "variant", "features"})
# One set for both kinds, so that `Layers` in an index is seen as well.
DOCUMENT_KEYS = frozenset(
    {
        "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject",
        "annotations", "fsLayers", "signatures",
    }
)  # fmt: skip
GENERIC_TYPES = frozenset(
    {"", "application/json", "application/octet-stream", "text/plain", "binary/octet-stream"}
)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Where some content is: its type, digest and size, and what is said about it."""

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    annotations: dict[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    platform: Platform | None = None
    data: bytes | None = None

    def to_json(self) -> dict[str, object]:
        """The descriptor as an object for json.dumps, without what is empty."""
        found: dict[str, object] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        if self.urls:
            found["urls"] = list(self.urls)
        if self.annotations:
            found["annotations"] = self.annotations
        if self.data is not None:
            found["data"] = base64.b64encode(self.data).decode()
        if self.platform is not None:
            found["platform"] = platform_to_json(self.platform)
        return found


@dataclass(frozen=True, slots=True)
class Document:
    """What a manifest and an index have in common. `raw`: the bytes that the digest is of."""

    media_type: str
    raw: bytes = field(repr=False)
    subject: Descriptor | None = None
    artifact_type: str = ""
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Document):
    """One image (or artifact): a configuration and layers."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(Document):
    """Several manifests under one name, usually one a platform."""

    manifests: tuple[Descriptor, ...]

    def select(self, wanted: Platform) -> Descriptor | None:
        """The entry that suits `wanted` best; the first of equals. Entries without a platform never do."""
        best: tuple[int, Descriptor] | None = None
        for entry in self.manifests:
            rank = entry.platform.rank_for(wanted) if entry.platform else None
            if rank is not None and (best is None or rank < best[0]):
                best = (rank, entry)
        return best[1] if best else None


def decode_manifest(raw: bytes, media_type: str = "", what: str = "manifest") -> Manifest | Index:
    """Read a manifest or an index.

    `media_type`: what the sender called it (a Content-Type or a descriptor's mediaType); the document
    must not contradict it. "" or a generic type leaves it to the document.
    Raises: BadDocument.
    """
    fields = Fields(parse_json(raw, what), what, "", DOCUMENT_KEYS)
    told = media_types.without_parameters(media_type)
    kind = decide_type(fields, "" if told in GENERIC_TYPES else told)
    if fields.has("subject"):
        subject = decode_descriptor(fields.get("subject"), what, "/subject")
    else:
        subject = None
    artifact_type = fields.text("artifactType", "")
    annotations = fields.text_map("annotations")
    if media_types.is_index(kind):
        entries = tuple(
            decode_descriptor(item, what, f"/{place}")
            for place, item in fields.items("manifests", required=True)
        )
        return Index(kind, raw, subject, artifact_type, annotations, manifests=entries)
    config = decode_descriptor(fields.get("config"), what, "/config")
    listed = fields.items("layers", required=True)
    layers = tuple(decode_descriptor(item, what, f"/{place}") for place, item in listed)
    return Manifest(kind, raw, subject, artifact_type, annotations, config=config, layers=layers)


def decide_type(fields: Fields, told: str) -> str:
    """The document's media type, once nothing about it is ambiguous."""
    if told in media_types.SCHEMA1 or "fsLayers" in fields.values:
        raise BadDocument(
            fields.what, "", "is a Docker schema 1 manifest, which nobody can verify; push the image anew"
        )
    own = fields.text("mediaType", "")
    if own and told and own != told:
        raise fields.fail("mediaType", f"says {shorten(own)}, but it was sent as {shorten(told)}")
    version = fields.integer("schemaVersion")
    if version != 2:
        raise fields.fail("schemaVersion", f"must be 2, is {version}")
    as_index = "manifests" in fields.values
    as_manifest = "layers" in fields.values or "config" in fields.values
    if as_index and as_manifest:
        raise BadDocument(fields.what, "", "is an index and a manifest at once ('manifests' beside 'layers')")
    kind = own or told or (media_types.OCI_INDEX if as_index else media_types.OCI_MANIFEST)
    if not media_types.is_index(kind) and not media_types.is_manifest(kind):
        raise fields.fail("mediaType", f"{shorten(kind)} is neither an image manifest nor an index")
    if media_types.is_index(kind) != as_index:
        want = "manifests" if media_types.is_index(kind) else "config"
        raise fields.fail(want, f"is missing, though the document is a {kind}")
    return kind


def decode_descriptor(value: object, what: str, pointer: str) -> Descriptor:
    """Read one descriptor out of parsed JSON.

    Raises: BadDocument.
    """
    fields = Fields(value, what, pointer, DESCRIPTOR_KEYS)
    descriptor = Descriptor(
        fields.text("mediaType"),
        fields.digest("digest"),
        fields.integer("size"),
        fields.texts("urls"),
        fields.text_map("annotations"),
        fields.text("artifactType", ""),
        decode_platform(fields) if fields.has("platform") else None,
        decode_data(fields) if fields.has("data") else None,
    )
    if descriptor.data is not None and not matches(descriptor.data, descriptor):
        raise fields.fail("data", "is not the content that digest and size describe")
    return descriptor


def decode_platform(parent: Fields) -> Platform:
    fields = Fields(parent.get("platform"), parent.what, f"{parent.pointer}/platform", PLATFORM_KEYS)
    return Platform(
        fields.text("os"),
        fields.text("architecture"),
        fields.text("variant", ""),
        fields.text("os.version", ""),
        fields.texts("os.features"),
    )


def platform_to_json(platform: Platform) -> dict[str, object]:
    found: dict[str, object] = {"architecture": platform.architecture, "os": platform.os}
    if platform.os_version:
        found["os.version"] = platform.os_version
    if platform.os_features:
        found["os.features"] = list(platform.os_features)
    if platform.variant:
        found["variant"] = platform.variant
    return found


def decode_data(fields: Fields) -> bytes:
    try:
        return base64.b64decode(fields.text("data"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise fields.fail("data", "is not base64") from error


def matches(content: bytes, descriptor: Descriptor) -> bool:
    """Is this the content that the descriptor describes?"""
    digest = descriptor.digest
    return len(content) == descriptor.size and Digest.of(content, digest.algorithm) == digest
