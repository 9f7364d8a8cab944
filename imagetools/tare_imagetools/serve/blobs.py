"""The blob endpoints: download, delete, and the ways to upload (whole, in chunks, by mounting).

Spec: distribution-spec 1.1, "Pulling blobs", "Pushing blobs", "Deleting Blobs".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tare_spec.digest import HEX_LENGTH, Digest
from tare_spec.errors import SpecError
from tare_spec.reference import check_repository

from tare_imagetools.serve.faults import Fault
from tare_imagetools.serve.http import FilePart, Reply, Request
from tare_imagetools.serve.ranges import chunk_range, download_range
from tare_imagetools.serve.repository import Repository
from tare_imagetools.serve.storage import Storage, open_regular
from tare_imagetools.serve.uploads import Session, Uploads

if TYPE_CHECKING:
    from pathlib import Path

OCTETS = ("Content-Type", "application/octet-stream")


def read_digest(text: str) -> Digest:
    """Raises: Fault DIGEST_INVALID."""
    try:
        return Digest.parse(text)
    except SpecError as error:
        raise Fault("DIGEST_INVALID", str(error), detail={"digest": text}) from error


def get_blob(request: Request, repository: Repository, digest: Digest) -> Reply:
    return send_file(request, repository.blob_path(digest), digest, "BLOB_UNKNOWN", OCTETS)


def send_file(request: Request, path: Path, digest: Digest, missing: str, kind: tuple[str, str]) -> Reply:
    """Reply to GET or HEAD with a stored file, or the range of it that is asked for."""
    headers = [kind, ("Docker-Content-Digest", str(digest)), ("ETag", f'"{digest}"')]
    if request.headers.get("if-none-match") == f'"{digest}"' and path.exists():
        return Reply(304, headers)
    try:
        file = open_regular(path)
    except FileNotFoundError:
        raise Fault(missing, detail={"digest": str(digest)}) from None
    size = os.fstat(file.fileno()).st_size
    headers.append(("Accept-Ranges", "bytes"))
    try:
        fresh = request.headers.get("if-range", f'"{digest}"') == f'"{digest}"'
        part = download_range(request.headers.get("range"), size) if fresh else None
    except Fault:
        file.close()
        raise
    if part is None:
        return Reply(200, headers, FilePart(file, 0, size))
    offset, length = part
    headers.append(("Content-Range", f"bytes {offset}-{offset + length - 1}/{size}"))
    return Reply(206, headers, FilePart(file, offset, length))


def delete_blob(storage: Storage, repository: Repository, digest: Digest) -> Reply:
    if repository.by_digest(digest) is not None:
        raise Fault("DENIED", "this is a manifest: delete it under manifests/")
    if not storage.drop(repository.name, digest):
        raise Fault("BLOB_UNKNOWN", detail={"digest": str(digest)})
    return Reply(202)


def begin_upload(request: Request, storage: Storage, uploads: Uploads, name: str) -> Reply:
    """POST: mount if it can be, take the whole blob if it is in the body, else open a session."""
    if "mount" in request.query:
        digest = read_digest(request.query["mount"])
        if mount(storage, name, digest, request.query.get("from")):
            return created(name, digest)
        return accepted(uploads.begin(name, digest.algorithm))
    if "digest" in request.query:
        digest = read_digest(request.query["digest"])
        session = uploads.begin(name, digest.algorithm)
        return finish(request, uploads, session, digest)
    algorithm = request.query.get("digest-algorithm", "sha256")
    if algorithm not in HEX_LENGTH:
        raise Fault("DIGEST_INVALID", f"the algorithm {algorithm!r} is not one of {', '.join(HEX_LENGTH)}")
    return accepted(uploads.begin(name, algorithm))


def mount(storage: Storage, name: str, digest: Digest, source: str | None) -> bool:
    """Without `source`, wherever the blob is known: every client of this registry may read everything."""
    if source is not None:
        try:
            check_repository(source, source)
        except SpecError:
            return False  # the specification wants an upload session then, no error
    return storage.mount(name, digest, source)


def upload_status(session: Session) -> Reply:
    return Reply(204, progress(session))


def append_chunk(request: Request, session: Session) -> Reply:
    """PATCH: with Content-Range a chunk that must fit, without it a stream."""
    with session.lock:
        take(request, session)
        return accepted(session)


def finish_upload(request: Request, uploads: Uploads, session: Session) -> Reply:
    """PUT: the last chunk, or none, and the digest of the whole."""
    if "digest" not in request.query:
        raise Fault("DIGEST_INVALID", "the digest parameter is missing")
    digest = read_digest(request.query["digest"])
    with session.lock:
        take(request, session)
        uploads.complete(session, digest)
    return created(session.name, digest)


def finish(request: Request, uploads: Uploads, session: Session, digest: Digest) -> Reply:
    try:
        with session.lock:
            take(request, session)
            uploads.complete(session, digest)
    except BaseException:
        uploads.end(session)  # nobody knows of it: it cannot be resumed
        raise
    return created(session.name, digest)


def take(request: Request, session: Session) -> None:
    declared = request.headers.get("content-range")
    try:
        length = chunk_range(declared, session.offset) if declared is not None else None
        session.append(request.pieces(), length)
    except Fault as fault:
        fault.headers.extend(progress(session))
        raise


def cancel_upload(uploads: Uploads, session: Session) -> Reply:
    with session.lock:
        uploads.end(session)
    return Reply(204)


def progress(session: Session) -> list[tuple[str, str]]:
    return [
        ("Location", f"/v2/{session.name}/blobs/uploads/{session.id}"),
        ("Range", f"0-{max(0, session.offset - 1)}"),
        ("Docker-Upload-UUID", session.id),
    ]


def accepted(session: Session) -> Reply:
    return Reply(202, progress(session))


def created(name: str, digest: Digest) -> Reply:
    location = f"/v2/{name}/blobs/{digest}"
    return Reply(201, [("Location", location), ("Docker-Content-Digest", str(digest))])
