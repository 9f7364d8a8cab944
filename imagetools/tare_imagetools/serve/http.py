"""HTTP/1.1 engine of the embedded registry: blocking sockets, one thread a connection, h11 for the framing.

It knows nothing of registries. A handler gets a `Request` whose body it may read or leave, and returns a
`Reply`; the engine sends it, drops what was left of the body, and keeps the connection when it can.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

import h11

RECEIVE_BYTES = 256 * 1024
HEADER_BYTES = 64 * 1024
# A refused upload is read to its end if that is near, so that the client sees the refusal and no reset.
DRAIN_BYTES = 4 * 1024 * 1024
IDLE_S = 75.0
LINGER_S = 2.0
PAUSE_S = 0.05
CONNECTIONS = 256


class ClientGone(Exception):
    """The peer closed, stalled or broke the framing in the middle of a request. Raised by `Request.read`."""


@dataclass(slots=True)
class FilePart:
    """A piece of an open file, sent with sendfile(2). The engine closes the file."""

    file: BinaryIO
    offset: int
    length: int

    def __len__(self) -> int:
        return self.length


@dataclass(slots=True)
class Reply:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | FilePart = b""


class Request:
    """One request; `headers` are lower-case and, like `query`, hold the first value of a repeated name."""

    __slots__ = ("_read", "all_query", "headers", "method", "path", "peer", "query", "target")

    def __init__(self, event: h11.Request, peer: str, read: Callable[[], bytes]) -> None:
        self.method = event.method.decode("ascii")
        self.target = event.target.decode("ascii", "replace")
        parts = urlsplit(self.target)
        self.path = unquote(parts.path)
        self.all_query = parse_qs(parts.query, keep_blank_values=True)
        self.query = {name: values[0] for name, values in self.all_query.items()}
        self.headers: dict[str, str] = {}
        for name, value in event.headers:
            self.headers.setdefault(name.decode("ascii"), value.decode("latin-1"))
        self.peer = peer
        self._read = read

    def read(self) -> bytes:
        """The next piece of the body, empty at its end.

        Raises: ClientGone when the body cannot be completed.
        """
        return self._read()

    def pieces(self) -> Iterator[bytes]:
        while piece := self.read():
            yield piece


Handler = Callable[[Request], Reply]


class HttpServer:
    """Listens from construction on; `serve_forever` accepts until `stop` is called from another thread."""

    def __init__(self, host: str, port: int, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=128)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._handler = handler
        self._tls = tls
        self._free = threading.Semaphore(CONNECTIONS)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = False

    def serve_forever(self) -> None:
        while True:
            self._free.acquire()
            try:
                connection, peer = self._socket.accept()
            except OSError:
                self._free.release()
                if self._stopping:
                    return
                time.sleep(PAUSE_S)  # ECONNABORTED, EMFILE: the listener itself is sound
                continue
            threading.Thread(target=self._serve, args=(connection, peer[0]), daemon=True).start()

    def stop(self) -> None:
        """Stop accepting and cut every open connection."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket, peer: str) -> None:
        try:
            connection.settimeout(IDLE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if (
                self._tls is not None
            ):  # the handshake belongs to this thread: a silent client must not stop accept
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self._open.add(connection)
            Conversation(connection, peer, self._handler).run()
        except (OSError, h11.ProtocolError, ClientGone):
            pass  # the peer is gone or does not speak HTTP: there is nobody to tell
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()
            self._free.release()


class Conversation:
    """The requests of one connection, one after the other."""

    def __init__(self, connection: socket.socket, peer: str, handler: Handler) -> None:
        self._socket = connection
        self._peer = peer
        self._handler = handler
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)

    def run(self) -> None:
        while True:
            try:
                event = self._next_event()
            except h11.RemoteProtocolError as error:
                return self._refuse(error)
            if not isinstance(event, h11.Request):
                return None
            reply = self._handler(Request(event, self._peer, self._read_body))
            goes_on = self._drop_rest_of_body()
            self._send(reply, head_only=event.method == b"HEAD", close=not goes_on)
            if not goes_on or self._http.our_state is h11.MUST_CLOSE:
                return self._linger()
            self._http.start_next_cycle()

    def _next_event(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(self._socket.recv(RECEIVE_BYTES))

    def _write(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            self._socket.sendall(data)

    def _read_body(self) -> bytes:
        if self._http.their_state is not h11.SEND_BODY:
            return b""
        try:
            event = self._next_event()
        except (h11.RemoteProtocolError, OSError) as error:
            raise ClientGone(str(error)) from error
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    def _drop_rest_of_body(self) -> bool:
        """Whether the connection can carry another request."""
        if self._http.they_are_waiting_for_100_continue:
            return False  # told no before it sent: nobody can say whether the body still comes
        dropped = 0
        while dropped <= DRAIN_BYTES:
            piece = self._read_body()
            if not piece:
                return True
            dropped += len(piece)
        return False

    def _send(self, reply: Reply, *, head_only: bool, close: bool) -> None:
        body = reply.body
        try:
            headers = list(reply.headers)
            if reply.status not in (204, 304):
                headers.append(("Content-Length", str(len(body))))
            if close:
                headers.append(("Connection", "close"))
            head = self._http.send(h11.Response(status_code=reply.status, headers=headers)) or b""
            if head_only or not len(body) or isinstance(body, FilePart):
                self._socket.sendall(head)
                if not head_only and isinstance(body, FilePart) and body.length:
                    self._send_file(body)
            else:
                self._socket.sendall(head + (self._http.send(h11.Data(data=body)) or b""))
            self._write(h11.EndOfMessage())
        finally:
            if isinstance(body, FilePart):
                body.file.close()

    def _send_file(self, part: FilePart) -> None:
        # h11 only counts the length of what it is handed; the bytes themselves never enter Python.
        self._http.send_with_data_passthrough(h11.Data(data=part))  # type: ignore[arg-type]
        sent = self._socket.sendfile(part.file, part.offset, part.length)
        if sent != part.length:
            raise ClientGone(f"the file ended after {sent} of {part.length} bytes")

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [("Content-Length", "0"), ("Connection", "close")]
            self._write(h11.Response(status_code=error.error_status_hint, headers=headers))
            self._write(h11.EndOfMessage())
            self._linger()

    def _linger(self) -> None:
        """Close in order: closing with unread input would reset the connection and lose the reply."""
        self._socket.settimeout(LINGER_S)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            dropped = 0
            while dropped < 4 * DRAIN_BYTES and (piece := self._socket.recv(RECEIVE_BYTES)):
                dropped += len(piece)
