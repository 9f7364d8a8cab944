"""The misbehaviours, each a list of rules for a HostileRegistry. The names say what the registry does."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator

from tests.support.hostile_registry import (
    TOKEN,
    HostileRegistry,
    Reply,
    Rule,
    Seen,
    as_json,
    endless,
    error,
    manifest_reply,
)

MANIFEST = r"/v2/.+/manifests/.+"
BY_TAG = r"/v2/.+/manifests/v1"
BLOB = r"/v2/.+/blobs/sha256:[0-9a-f]{64}"
READ = "GET|HEAD"


def always(path: str, reply: Callable[[], Reply], method: str = READ) -> list[Rule]:
    return [Rule(method, path, lambda registry, seen: reply())]


def first(count: int, path: str, reply: Callable[[], Reply], method: str = READ) -> list[Rule]:
    """The first `count` requests for each path; then the registry is good."""
    return [Rule(method, path, lambda registry, seen: reply() if seen.number < count else None)]


def once_in_all(path: str, reply: Callable[[], Reply], method: str) -> list[Rule]:
    """The first request that matches, whatever its path in particular: for the paths of upload sessions."""

    def answer(registry: HostileRegistry, seen: Seen) -> Reply | None:
        return reply() if sum(rule.matches(one) for one in registry.seen) == 1 else None

    rule = Rule(method, path, answer)
    return [rule]


def layer_of(registry: HostileRegistry, seen: Seen) -> bytes | None:
    """The content, when the request is for the last blob of the image: its last layer."""
    name = registry.image.blobs[-1].name
    return registry.stored[f"sha256:{name}"] if seen.path.endswith(name) else None


def on_layer(change: Callable[[bytes, Seen], Reply | None]) -> list[Rule]:
    def answer(registry: HostileRegistry, seen: Seen) -> Reply | None:
        content = layer_of(registry, seen)
        return None if content is None else change(content, seen)

    return [Rule("GET", BLOB, answer)]


def on_manifest(change: Callable[[dict[str, object]], bytes | None], path: str = BY_TAG) -> list[Rule]:
    def answer(registry: HostileRegistry, seen: Seen) -> Reply | None:
        raw = change(json.loads(registry.image.manifest))
        return None if raw is None else manifest_reply(raw)

    return [Rule(READ, path, answer)]


# --- refusals ---------------------------------------------------------------------------------------


def basic_challenge() -> Reply:
    return error(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="here"'})


def basic_for_ever() -> list[Rule]:
    return always(".*", basic_challenge, method=".*")


def bearer_for_ever() -> list[Rule]:
    """Hands out tokens and takes none."""

    def challenge(registry: HostileRegistry, seen: Seen) -> Reply:
        realm = f'Bearer realm="http://{registry.address}/token",service="here",scope="repository:box:pull"'
        return error(401, "UNAUTHORIZED", {"WWW-Authenticate": realm})

    token = Rule("GET|POST", "/token", lambda registry, seen: as_json({"token": TOKEN, "expires_in": 300}))
    return [token, Rule(".*", "/v2/.*", challenge)]


def challenge_without_scheme() -> list[Rule]:
    return always(".*", lambda: error(401, "UNAUTHORIZED"))


def refuse(status: int, code: str, path: str = MANIFEST) -> list[Rule]:
    return always(path, lambda: error(status, code))


def busy(count: int, retry_after: str = "0") -> list[Rule]:
    return first(count, MANIFEST, lambda: error(429, "TOOMANYREQUESTS", {"Retry-After": retry_after}))


def broken(count: int, path: str = MANIFEST) -> list[Rule]:
    return first(count, path, lambda: error(500, "UNKNOWN"))


# --- bodies -----------------------------------------------------------------------------------------


def cut_layer(after: int, times: int) -> list[Rule]:
    """Closes in the middle of the layer; a resumed request counts from where it resumes."""

    def answer(registry: HostileRegistry, seen: Seen) -> Reply | None:
        if layer_of(registry, seen) is None or seen.number >= times:
            return None
        reply = registry.behave(seen)
        reply.cut_after = after
        return reply

    return [Rule("GET", BLOB, answer)]


def change_layer() -> list[Rule]:
    return on_layer(lambda content, seen: Reply(body=bytes([content[0] ^ 1]) + content[1:]))


def lengthen_layer() -> list[Rule]:
    return on_layer(lambda content, seen: Reply(body=content + b"more"))


def shorten_layer() -> list[Rule]:
    return on_layer(lambda content, seen: Reply(body=content[:-5]))


def endless_layer() -> list[Rule]:
    def answer(content: bytes, seen: Seen) -> Reply:
        def pieces() -> Iterator[bytes]:
            yield content
            yield from endless()

        return Reply(body=pieces(), length=None)

    return on_layer(answer)


def encoded_layer() -> list[Rule]:
    """Compresses the blob in transit, though nobody accepts that."""
    encoding = {"Content-Encoding": "gzip"}
    return on_layer(lambda content, seen: Reply(headers=encoding, body=gzip.compress(content)))


def wrong_range() -> list[Rule]:
    """Cuts the layer, then answers the resumption with the beginning under the right Content-Range."""

    def answer(content: bytes, seen: Seen) -> Reply:
        if "range" not in seen.headers:
            return Reply(body=content, cut_after=50_000)
        start = int(seen.headers["range"].removeprefix("bytes=").rstrip("-"))
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return Reply(206, {"Content-Range": span}, content[: len(content) - start])

    return on_layer(answer)


def other_range() -> list[Rule]:
    """Cuts the layer, then answers the resumption with a range that nobody asked for."""

    def answer(content: bytes, seen: Seen) -> Reply:
        if "range" not in seen.headers:
            return Reply(body=content, cut_after=50_000)
        return Reply(206, {"Content-Range": f"bytes 10-{len(content) - 1}/{len(content)}"}, content[10:])

    return on_layer(answer)


def ignored_range() -> list[Rule]:
    """Cuts the layer once, and knows no ranges."""
    return on_layer(lambda content, seen: Reply(body=content, cut_after=None if seen.number else 50_000))


def manifest_of(size: int) -> list[Rule]:
    return always(BY_TAG, lambda: manifest_reply(b"{" + b" " * (size - 2) + b"}"))


def endless_manifest() -> list[Rule]:
    return always(BY_TAG, lambda: Reply(headers=manifest_reply(b"").headers, body=endless(), length=None))


def endless_error() -> list[Rule]:
    return always(BY_TAG, lambda: Reply(404, {"Content-Type": "application/json"}, endless(), None))


def endless_token() -> list[Rule]:
    token = Rule("GET|POST", "/token", lambda registry, seen: Reply(200, {}, endless(), None))
    return [token, *bearer_for_ever()[1:]]


def other_manifest_by_digest() -> list[Rule]:
    """The bytes are not what the digest in the URL names; the header claims they are."""

    def answer(registry: HostileRegistry, seen: Seen) -> Reply:
        reply = manifest_reply(registry.image.manifest + b" ")
        reply.headers["Docker-Content-Digest"] = seen.path.rpartition("/")[2]
        return reply

    return [Rule(READ, r"/v2/.+/manifests/sha256:.+", answer)]


def not_http() -> list[Rule]:
    return always(".*", lambda: Reply(200, {"Content-Length": "nonsense"}, b"", None))


# --- manifests --------------------------------------------------------------------------------------


def raw_manifest(raw: bytes, kind: str = "") -> list[Rule]:
    return always(BY_TAG, lambda: manifest_reply(raw, kind) if kind else manifest_reply(raw))


def twice(key: str) -> list[Rule]:
    def change(document: dict[str, object]) -> bytes:
        text = json.dumps(document)
        return text.replace(f'"{key}"', f'"{key}": [], "{key}"', 1).encode()

    return on_manifest(change)


def also(**more: object) -> list[Rule]:
    return on_manifest(lambda document: json.dumps(document | more).encode())


def layer_with(**more: object) -> list[Rule]:
    def change(document: dict[str, object]) -> bytes:
        layers = document["layers"]
        assert isinstance(layers, list)
        layers[-1] |= more
        return json.dumps(document).encode()

    return on_manifest(change)


def truncated_manifest() -> list[Rule]:
    return on_manifest(lambda document: json.dumps(document).encode()[:-20])


def nested_manifest() -> list[Rule]:
    return raw_manifest(b'{"schemaVersion":2,"layers":' + b"[" * 200_000)


# --- another origin ---------------------------------------------------------------------------------


def elsewhere(path: str, status: int = 307, method: str = READ) -> list[Rule]:
    """Redirects to the same path at the other origin."""

    def answer(registry: HostileRegistry, seen: Seen) -> Reply:
        return Reply(status, {"Location": f"http://{registry.other}{seen.target}"})

    return [Rule(method, path, answer)]


def round_and_round(path: str) -> list[Rule]:
    def answer(registry: HostileRegistry, seen: Seen) -> Reply:
        return Reply(307, {"Location": seen.target})

    return [Rule(READ, path, answer)]


def redirect_to(location: str, path: str = BLOB) -> list[Rule]:
    return always(path, lambda: Reply(307, {"Location": location}))


def realm_elsewhere() -> list[Rule]:
    """Wants a token from the other origin, which gives one to anybody."""

    def challenge(registry: HostileRegistry, seen: Seen) -> Reply | None:
        if seen.headers.get("authorization") == f"Bearer {TOKEN}":
            return None
        realm = f'Bearer realm="http://{registry.other}/token",service="here",scope="repository:box:pull"'
        return error(401, "UNAUTHORIZED", {"WWW-Authenticate": realm})

    def token(registry: HostileRegistry, seen: Seen) -> Reply:
        return as_json({"token": TOKEN})

    return [Rule(".*", "/v2/.*", challenge), Rule("GET|POST", "/token", token, origin="other")]


def upload_elsewhere(answer_status: int = 202) -> list[Rule]:
    def answer(registry: HostileRegistry, seen: Seen) -> Reply:
        return Reply(answer_status, {"Location": f"http://{registry.other}{seen.path}1", "Range": "0-0"})

    return [Rule("POST", r"/v2/.+/blobs/uploads/", answer)]


def tags_elsewhere() -> list[Rule]:
    def answer(registry: HostileRegistry, seen: Seen) -> Reply:
        link = f'<http://{registry.other}/v2/box/tags/list?last=v1>; rel="next"'
        return as_json({"name": "box", "tags": ["v1"]}, {"Link": link})

    return [Rule("GET", r"/v2/.+/tags/list", answer)]


def tags_for_ever(*, new: bool) -> list[Rule]:
    """Each page links to a next one: always to itself, or (`new`) to one more."""

    def answer(registry: HostileRegistry, seen: Seen) -> Reply:
        query = f"n=1&last={seen.number}" if new else urlquery(seen)
        tag = f"t{seen.number}" if new else "v1"
        return as_json({"name": "box", "tags": [tag]}, {"Link": f'<{seen.path}?{query}>; rel="next"'})

    return [Rule("GET", r"/v2/.+/tags/list", answer)]


def urlquery(seen: Seen) -> str:
    return seen.target.partition("?")[2] or "last=v1"
