"""A registry that misbehaves as told: one image, served well except where a rule says otherwise.

It listens on 127.0.0.1 and, as another origin, on 127.0.0.2, and remembers every request that reached
either. Without rules it is a good registry for pulls and pushes, so the same command can be tried before
and after. Answers are written to the socket by hand: lengths may lie, bodies may never end.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.support.layouts import Image

USER, PASSWORD = "ada", "s3cret-of-ada"
BASIC = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
TOKEN = "token-of-ada"
SECRETS = (PASSWORD, BASIC.removeprefix("Basic "), TOKEN)


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; `origin` is "registry" or "other"."""

    origin: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    number: int  # how many with this method and path came before

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass
class Reply:
    """`length`: the Content-Length that is claimed, None for none at all (the end is the close)."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    length: int | None = -1  # -1: the true one
    cut_after: int | None = None
    reset: bool = False


Answer = Callable[["HostileRegistry", Seen], "Reply | None"]


@dataclass
class Rule:
    """Answers what matches `method` and the whole `path`; `answer` may return None to let it pass."""

    method: str
    path: str
    answer: Answer
    origin: str = "registry"

    def matches(self, seen: Seen) -> bool:
        return (
            seen.origin == self.origin
            and re.fullmatch(self.method, seen.method) is not None
            and re.fullmatch(self.path, seen.path) is not None
        )


class HostileRegistry:
    """Serves `image` as NAME:TAG for every NAME and the tag `v1`."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.rules: list[Rule] = []
        self.seen: list[Seen] = []
        self.needs: str | None = None  # the Authorization that the registry itself wants
        self.stored: dict[str, bytes] = {f"sha256:{path.name}": path.read_bytes() for path in image.blobs}
        self.manifests: dict[str, bytes] = {"v1": image.manifest, image.digest: image.manifest}
        self._uploads: dict[str, bytes] = {}
        self._counts: dict[tuple[str, str, str], int] = {}
        self._lock = threading.Lock()
        self._servers = {
            "registry": make_server(self, "registry", "127.0.0.1"),
            "other": make_server(self, "other", "127.0.0.2"),
        }

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._servers['registry'].server_address[1]}"

    @property
    def other(self) -> str:
        return f"127.0.0.2:{self._servers['other'].server_address[1]}"

    def leaks(self) -> list[Seen]:
        """Requests at the other origin that carried anything secret, anywhere."""
        return [
            seen
            for seen in self.seen
            if seen.origin == "other"
            and (
                "authorization" in seen.headers
                or "cookie" in seen.headers
                or any(secret in f"{seen.target} {seen.headers} {seen.body!r}" for secret in SECRETS)
            )
        ]

    def answer(self, origin: str, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        with self._lock:
            key = (origin, method, urlsplit(target).path)
            number = self._counts.get(key, 0)
            self._counts[key] = number + 1
            seen = Seen(origin, method, target, headers, body, number)
            self.seen.append(seen)
        for rule in self.rules:
            if rule.matches(seen) and (reply := rule.answer(self, seen)) is not None:
                return reply
        return self.behave(seen)

    def behave(self, seen: Seen) -> Reply:
        """What a good registry would do. The other origin is one too, without credentials."""
        if seen.origin == "registry" and self.needs and seen.headers.get("authorization") != self.needs:
            return error(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="here"'})
        path = seen.path
        if path == "/v2/":
            return Reply(body=b"{}")
        if found := re.fullmatch(r"/v2/.+/manifests/(.+)", path):
            return self._manifest(seen, found[1])
        if path.endswith("/tags/list"):
            return as_json({"name": path[4:-10], "tags": ["v1"]})
        if "/blobs/uploads/" in path:
            return self._upload(seen)
        if found := re.fullmatch(r"/v2/.+/blobs/(.+)", path):
            return self._blob(seen, found[1])
        return error(404, "UNSUPPORTED")

    def _manifest(self, seen: Seen, reference: str) -> Reply:
        if seen.method == "PUT":
            digest = f"sha256:{hashlib.sha256(seen.body).hexdigest()}"
            self.manifests[reference] = self.manifests[digest] = seen.body
            return Reply(201, {"Docker-Content-Digest": digest, "Location": seen.path})
        raw = self.manifests.get(reference)
        return error(404, "MANIFEST_UNKNOWN") if raw is None else manifest_reply(raw)

    def _blob(self, seen: Seen, digest: str) -> Reply:
        content = self.stored.get(digest)
        if content is None:
            return error(404, "BLOB_UNKNOWN")
        if found := re.fullmatch(r"bytes=(\d+)-", seen.headers.get("range", "")):
            start = int(found[1])
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return Reply(206, {"Content-Range": span}, content[start:])
        return Reply(200, {"Docker-Content-Digest": digest, "Accept-Ranges": "bytes"}, content)

    def _upload(self, seen: Seen) -> Reply:
        name = seen.path.split("/blobs/")[0]
        if seen.method == "POST" and "digest" not in seen.query:
            session = f"{name}/blobs/uploads/{len(self._uploads)}"
            self._uploads[session] = b""
            return Reply(202, {"Location": session, "Range": "0-0"})
        data = self._uploads.get(seen.path, b"") + seen.body
        if seen.method == "PATCH":
            self._uploads[seen.path] = data
            return Reply(202, {"Location": seen.path, "Range": f"0-{max(0, len(data) - 1)}"})
        digest = seen.query.get("digest", "")
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            return error(400, "DIGEST_INVALID")
        self.stored[digest] = data
        return Reply(201, {"Location": f"{name}/blobs/{digest}", "Docker-Content-Digest": digest})

    @contextmanager
    def running(self) -> Iterator[HostileRegistry]:
        servers = list(self._servers.values())
        threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in servers]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()
            for thread in threads:
                thread.join()


def error(status: int, code: str, headers: dict[str, str] | None = None) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": code.lower(), "detail": None}]}).encode()
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, body)


def as_json(document: object, headers: dict[str, str] | None = None) -> Reply:
    return Reply(200, {"Content-Type": "application/json", **(headers or {})}, json.dumps(document).encode())


def manifest_reply(raw: bytes, media_type: str = "application/vnd.oci.image.manifest.v1+json") -> Reply:
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, raw)


def endless(piece: bytes = b" " * 65536) -> Iterator[bytes]:
    while True:
        yield piece


def make_server(registry: HostileRegistry, origin: str, host: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True  # head and body are written apart: no 40 ms between them

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = registry.answer(origin, self.command, self.path, headers, self.read_body(headers))
            try:
                self.write(reply)
            except OSError:
                self.close_connection = True  # the client has had enough, which is what some rules want

        do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def read_body(self, headers: dict[str, str]) -> bytes:
            if headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def write(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            length = reply.length
            if length == -1 and isinstance(reply.body, bytes):
                length = len(reply.body)
            if length is not None and length >= 0:
                self.send_header("Content-Length", str(length))
            exact = isinstance(reply.body, bytes) and length == len(reply.body) and reply.cut_after is None
            if not exact:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD":
                self.write_body(
                    [reply.body] if isinstance(reply.body, bytes) else reply.body, reply.cut_after
                )
            if reply.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.close_connection = True

        def write_body(self, pieces: Iterable[bytes], cut_after: int | None) -> None:
            sent = 0
            for piece in pieces:
                if cut_after is not None and sent + len(piece) >= cut_after:
                    self.wfile.write(piece[: cut_after - sent])
                    return
                self.wfile.write(piece)
                sent += len(piece)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that hang up are what the tests are about: nothing to print."""

    server = Server((host, 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    return server
