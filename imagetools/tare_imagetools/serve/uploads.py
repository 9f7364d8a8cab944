"""Blob uploads in progress: a session appends to one file, hashes as it goes, and ends as a blob.

Spec: distribution-spec 1.1, "Pushing blobs". Pieces come in order; a piece that breaks off is cut away
again, so what `offset` says has arrived has.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Iterable
from typing import BinaryIO

from tare_spec.digest import Digest

from tare_imagetools.serve.faults import Fault
from tare_imagetools.serve.storage import Storage

EXPIRES_S = 3600.0


class Session:
    """One upload. `lock` is held by the request that is at work on it."""

    def __init__(self, storage: Storage, name: str, algorithm: str) -> None:
        self.id = str(uuid.uuid4())
        self.name = name
        self.offset = 0
        self.touched = time.monotonic()
        self.lock = threading.Lock()
        self.ended = False
        self.path = storage.upload_path(self.id)
        self._algorithm = algorithm
        self._hasher = hashlib.new(algorithm)
        self.path.touch(exist_ok=False)  # open only while a request writes: abandoned sessions are cheap

    def append(self, pieces: Iterable[bytes], limit: int | None) -> None:
        """Add a chunk. `limit`: its announced length; with None it ends where the body does.

        Raises: Fault RANGE_INVALID when the body is not `limit` long; what the iterable raises.
        """
        if self.ended:  # while this request waited for the lock
            raise Fault("BLOB_UPLOAD_UNKNOWN", detail={"session": self.id})
        start = self.offset
        hasher = self._hasher.copy()
        with open(self.path, "r+b", buffering=0) as file:
            file.seek(start)
            try:
                for piece in pieces:
                    write_all(file, piece)
                    hasher.update(piece)
                    self.offset += len(piece)
                    if limit is not None and self.offset - start > limit:
                        break
                if limit is not None and self.offset - start != limit:
                    raise Fault("BLOB_UPLOAD_INVALID", f"the body is not {limit} bytes long, as its range is")
            except BaseException:
                self.offset = start
                file.truncate(start)
                raise
        self._hasher = hasher
        self.touched = time.monotonic()

    def check(self, digest: Digest) -> None:
        """Raises: Fault DIGEST_INVALID when what arrived is not `digest`."""
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())  # of the file, whichever descriptor wrote it
        got = self._hasher.hexdigest() if digest.algorithm == self._algorithm else self._hash_again(digest)
        if got != digest.hex:
            detail = {"digest": str(digest), "got": f"{digest.algorithm}:{got}", "size": self.offset}
            raise Fault("DIGEST_INVALID", "the content does not have the digest given", detail=detail)

    def _hash_again(self, digest: Digest) -> str:
        # Nobody said at POST that it would be another algorithm than sha256.
        hasher = digest.hasher()
        with open(self.path, "rb") as file:
            while piece := file.read(1 << 20):
                hasher.update(piece)
        return hasher.hexdigest()

    def end(self) -> None:
        self.ended = True
        self.path.unlink(missing_ok=True)


class Uploads:
    """All sessions of a server. They do not outlive it: a client that comes back is told to begin anew."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, name: str, algorithm: str = "sha256") -> Session:
        self._expire()
        session = Session(self._storage, name, algorithm)
        with self._lock:
            self._sessions[session.id] = session
        return session

    def find(self, name: str, session_id: str) -> Session:
        """Raises: Fault BLOB_UPLOAD_UNKNOWN; a session is bound to its repository."""
        with self._lock:
            session = self._sessions.get(session_id)
        if session is None or session.name != name:
            raise Fault("BLOB_UPLOAD_UNKNOWN", detail={"session": session_id})
        return session

    def complete(self, session: Session, digest: Digest) -> None:
        """Turn the session into a blob; it ends in any case.

        Raises: Fault DIGEST_INVALID.
        """
        try:
            session.check(digest)
            self._storage.adopt(session.name, digest, session.path)
        finally:
            self.end(session)

    def end(self, session: Session) -> None:
        with self._lock:
            self._sessions.pop(session.id, None)
        session.end()

    def close(self) -> None:
        for session in list(self._sessions.values()):
            self.end(session)

    def _expire(self) -> None:
        now = time.monotonic()
        with self._lock:
            idle = [one for one in self._sessions.values() if now - one.touched > EXPIRES_S]
        for session in idle:
            if session.lock.acquire(blocking=False):  # else somebody is at work on it
                self.end(session)
                session.lock.release()


def write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
