"""From a request to the endpoint that answers it; the one place where faults become replies."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Callable

from tare_spec.errors import SpecError
from tare_spec.reference import check_repository

from tare_imagetools.serve import blobs, listings, manifests
from tare_imagetools.serve.faults import Fault
from tare_imagetools.serve.http import ClientGone, Reply, Request
from tare_imagetools.serve.repository import Repository
from tare_imagetools.serve.storage import Storage
from tare_imagetools.serve.uploads import Uploads

API = ("Docker-Distribution-API-Version", "registry/2.0")
MAX_NAME = 255
Guard = Callable[[Request], None]
Log = Callable[[str], None]


class Router:
    """The registry as a function of requests; `guard` raises a Fault for those that may not pass."""

    def __init__(self, storage: Storage, guard: Guard | None = None, log: Log | None = None) -> None:
        self._storage = storage
        self._uploads = Uploads(storage)
        self._guard = guard
        self._log = log
        self._repositories: dict[str, Repository] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        self._uploads.close()

    def __call__(self, request: Request) -> Reply:
        reply = self._answer(request)
        reply.headers.append(API)
        if self._log is not None:
            self._log(f"{request.peer} {request.method} {request.target} {reply.status}")
        return reply

    def _answer(self, request: Request) -> Reply:
        try:
            if self._guard is not None:
                self._guard(request)
            return self._route(request)
        except Fault as fault:
            return fault.reply()
        except ClientGone:
            raise
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            message = f"store in {self._storage.root}: {error.strerror}"
            return Fault("UNKNOWN", message, status=507 if full else 500).reply()
        except Exception as error:  # one broken request must not take the connection's thread with it
            print(f"serve: {request.method} {request.target}: {error!r}", file=sys.stderr)
            return Fault("UNKNOWN").reply()

    def _route(self, request: Request) -> Reply:
        path = request.path
        if path in ("/v2", "/v2/"):
            allow(request, "GET", "HEAD")
            return Reply(200, [("Content-Type", "application/json")], b"{}")
        if path == "/v2/_catalog":
            allow(request, "GET")
            return listings.list_repositories(request, self._storage)
        parts = path.split("/")
        if len(parts) < 5 or parts[:2] != ["", "v2"]:
            raise Fault("UNSUPPORTED", f"there is nothing at {path!r}", status=404)
        if parts[-3:-1] == ["blobs", "uploads"]:
            return self._upload(request, repository_name(parts[2:-3]), parts[-1])
        if parts[-2:] == ["blobs", "uploads"]:
            return self._upload(request, repository_name(parts[2:-2]), "")
        name, noun, last = repository_name(parts[2:-2]), parts[-2], parts[-1]
        repository = self._repository(name)
        if noun == "blobs":
            return self._blob(request, repository, last)
        if noun == "manifests":
            return self._manifest(request, repository, last)
        if (noun, last) == ("tags", "list"):
            allow(request, "GET")
            return listings.list_tags(request, known(repository))
        if noun == "referrers":
            allow(request, "GET")
            return listings.list_referrers(request, repository, blobs.read_digest(last))
        raise Fault("UNSUPPORTED", f"there is nothing at {path!r}", status=404)

    def _repository(self, name: str) -> Repository:
        with self._lock:
            if len(self._repositories) > 1000:
                self._repositories.clear()  # caches only
            return self._repositories.setdefault(name, Repository(self._storage, name))

    def _upload(self, request: Request, name: str, session_id: str) -> Reply:
        if not session_id:
            allow(request, "POST")
            return blobs.begin_upload(request, self._storage, self._uploads, name)
        allow(request, "GET", "PATCH", "PUT", "DELETE")
        session = self._uploads.find(name, session_id)
        if request.method == "GET":
            return blobs.upload_status(session)
        if request.method == "PATCH":
            return blobs.append_chunk(request, session)
        if request.method == "PUT":
            return blobs.finish_upload(request, self._uploads, session)
        return blobs.cancel_upload(self._uploads, session)

    def _blob(self, request: Request, repository: Repository, last: str) -> Reply:
        allow(request, "GET", "HEAD", "DELETE")
        digest = blobs.read_digest(last)
        if request.method == "DELETE":
            return blobs.delete_blob(self._storage, repository, digest)
        return blobs.get_blob(request, repository, digest)

    def _manifest(self, request: Request, repository: Repository, last: str) -> Reply:
        allow(request, "GET", "HEAD", "PUT", "DELETE")
        reference = manifests.read_reference(last)
        if request.method == "PUT":
            return manifests.put_manifest(request, repository, reference)
        if request.method == "DELETE":
            return manifests.delete_manifest(known(repository), reference)
        return manifests.get_manifest(request, known(repository), reference)


def allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise Fault("UNSUPPORTED", headers=[("Allow", ", ".join(methods))])


def known(repository: Repository) -> Repository:
    if not repository.exists():
        raise Fault("NAME_UNKNOWN", detail={"name": repository.name})
    return repository


def repository_name(parts: list[str]) -> str:
    """Everything of the path before the noun.

    Raises: Fault NAME_INVALID; what passes is safe as a relative path.
    """
    name = "/".join(parts)
    try:
        check_repository(name, name)
    except SpecError as error:
        raise Fault("NAME_INVALID", str(error), detail={"name": name}) from error
    if len(name) > MAX_NAME:
        raise Fault("NAME_INVALID", f"a name has at most {MAX_NAME} characters")
    return name
