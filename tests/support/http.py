"""One HTTP request at a time, with nothing between the test and the wire but http.client."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def call(
    address: str,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on a connection of its own; an iterable body goes out in chunks."""
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        chunked = body is not None and not isinstance(body, bytes)
        extra = {"Transfer-Encoding": "chunked"} if chunked else {}
        connection.request(method, path, body, {**extra, **(headers or {})}, encode_chunked=chunked)
        reply = connection.getresponse()
        found = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(reply.status, found, reply.read())
    finally:
        connection.close()
