"""The manifest endpoints. Spec: distribution-spec 1.1, "Pulling manifests", "Pushing Manifests"."""

from __future__ import annotations

from tare_spec import media_types
from tare_spec.digest import Digest
from tare_spec.errors import SpecError
from tare_spec.image import Descriptor, Index, Manifest, decode_manifest
from tare_spec.reference import check_tag

from tare_imagetools.serve.blobs import read_digest, send_file
from tare_imagetools.serve.faults import Fault
from tare_imagetools.serve.http import Reply, Request
from tare_imagetools.serve.repository import MAX_MANIFEST, Repository


def read_reference(text: str) -> Digest | str:
    """A digest or a tag, as the last part of a manifest's path.

    Raises: Fault DIGEST_INVALID or TAG_INVALID.
    """
    if ":" in text:
        return read_digest(text)
    try:
        check_tag(text, text)
    except SpecError as error:
        raise Fault("TAG_INVALID", str(error), detail={"tag": text}) from error
    return text


def find(repository: Repository, reference: Digest | str) -> Descriptor:
    if isinstance(reference, Digest):
        found = repository.by_digest(reference)
    else:
        found = repository.by_tag(reference)
    if found is None:
        raise Fault("MANIFEST_UNKNOWN", detail={"reference": str(reference)})
    return found


def get_manifest(request: Request, repository: Repository, reference: Digest | str) -> Reply:
    found = find(repository, reference)
    kind = ("Content-Type", found.media_type)
    return send_file(request, repository.blob_path(found.digest), found.digest, "MANIFEST_UNKNOWN", kind)


def put_manifest(request: Request, repository: Repository, reference: Digest | str) -> Reply:
    raw = read_limited(request)
    tags = list(request.all_query.get("tag", ()))
    if isinstance(reference, Digest):
        digest = Digest.of(raw, reference.algorithm)
        if digest != reference:
            detail = {"digest": str(reference), "got": str(digest)}
            raise Fault(
                "DIGEST_INVALID", "the manifest does not have the digest it was sent to", detail=detail
            )
        for tag in tags:
            read_tag(tag)
    else:
        digest, tags = Digest.of(raw), [reference]
    document = decode(raw, request.headers.get("content-type", ""))
    check_blobs(repository, document)
    repository.put_manifest(raw, digest, document.media_type, tags)
    headers = [
        ("Location", f"/v2/{repository.name}/manifests/{digest}"),
        ("Docker-Content-Digest", str(digest)),
    ]
    headers.extend(("OCI-Tag", tag) for tag in tags if isinstance(reference, Digest))
    if document.subject is not None:
        headers.append(("OCI-Subject", str(document.subject.digest)))
    return Reply(201, headers)


def read_tag(text: str) -> None:
    if isinstance(read_reference(text), Digest):
        raise Fault("TAG_INVALID", "a digest is no tag", detail={"tag": text})


def read_limited(request: Request) -> bytes:
    """Raises: Fault SIZE_INVALID."""
    pieces, size = [], 0
    for piece in request.pieces():
        size += len(piece)
        if size > MAX_MANIFEST:
            raise Fault("SIZE_INVALID", f"a manifest has at most {MAX_MANIFEST} bytes here")
        pieces.append(piece)
    return b"".join(pieces)


def decode(raw: bytes, content_type: str) -> Manifest | Index:
    try:
        return decode_manifest(raw, content_type)
    except SpecError as error:
        raise Fault("MANIFEST_INVALID", str(error)) from error


def check_blobs(repository: Repository, document: Manifest | Index) -> None:
    """An image must be complete. An index may be sparse, and a subject may come later: both are allowed.

    Raises: Fault MANIFEST_BLOB_UNKNOWN.
    """
    if isinstance(document, Index):
        return
    for descriptor in (document.config, *document.layers):
        if descriptor.urls or descriptor.media_type in media_types.FOREIGN_LAYERS:
            continue
        if not repository.blob_path(descriptor.digest).exists():
            raise Fault("MANIFEST_BLOB_UNKNOWN", detail={"digest": str(descriptor.digest)})


def delete_manifest(repository: Repository, reference: Digest | str) -> Reply:
    """By digest the manifest goes with all its tags; by tag only the tag."""
    if isinstance(reference, Digest):
        done = repository.delete_manifest(reference)
    else:
        done = repository.delete_tag(reference)
    if not done:
        raise Fault("MANIFEST_UNKNOWN", detail={"reference": str(reference)})
    return Reply(202)
