"""The lists of the registry: tags, repositories, referrers."""

from __future__ import annotations

import json

from tare_spec import media_types
from tare_spec.digest import Digest

from tare_imagetools.serve.http import Reply, Request
from tare_imagetools.serve.ranges import page
from tare_imagetools.serve.repository import Repository
from tare_imagetools.serve.storage import Storage


def list_tags(request: Request, repository: Repository) -> Reply:
    """GET /v2/NAME/tags/list"""
    path = f"/v2/{repository.name}/tags/list"
    tags, headers = page(repository.tags(), request.query, path)
    return as_json({"name": repository.name, "tags": tags}, headers)


def list_repositories(request: Request, storage: Storage) -> Reply:
    """GET /v2/_catalog; not in the specification, but known to every registry client."""
    names, headers = page(sorted(storage.names()), request.query, "/v2/_catalog")
    return as_json({"repositories": names}, headers)


def list_referrers(request: Request, repository: Repository, subject: Digest) -> Reply:
    """GET /v2/NAME/referrers/DIGEST: an index, empty rather than 404 when nothing refers to it.

    In pages no larger than a manifest may be, as clients read no more; with `n` in smaller ones.
    """
    found = sorted(repository.referrers(subject), key=lambda entry: str(entry.digest))
    headers = [("Content-Type", media_types.OCI_INDEX)]
    wanted = request.query.get("artifactType")
    if wanted:
        found = [entry for entry in found if entry.artifact_type == wanted]
        headers.append(("OCI-Filters-Applied", "artifactType"))
    texts = {str(entry.digest): json.dumps(entry.to_json()) for entry in found}
    shown, more = page(list(texts), request.query, f"/v2/{repository.name}/referrers/{subject}", texts)
    body = f'{{"schemaVersion": 2, "mediaType": "{media_types.OCI_INDEX}", "manifests": ['
    body += ", ".join(texts[digest] for digest in shown) + "]}"
    return Reply(200, [*headers, *more], body.encode())


def as_json(document: dict[str, object], headers: list[tuple[str, str]]) -> Reply:
    return Reply(200, [("Content-Type", "application/json"), *headers], json.dumps(document).encode())
