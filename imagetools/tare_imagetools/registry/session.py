"""HTTP to one registry: every request of ours goes through `Session.request`.

It decides what the layers below must not decide for us: redirects are followed here, one by one;
Authorization is set for the registry's own origin only; nothing comes from .netrc, no cookies are kept,
bodies are not decoded; each request has timeouts. Proxies are those of the environment, loopback excepted.

Which scheme: https. On loopback plain http is asked first, without credentials, because a TLS hello would
hang a server that waits for a line, while a TLS server refuses a plain request at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import requests
import requests.adapters
import requests.utils
from tare_spec.errors import printable
from tare_spec.reference import DEFAULT_HOST

from tare_imagetools.errors import TEMPORARY, AuthError, RegistryError
from tare_imagetools.registry import challenge, credentials, tls
from tare_imagetools.registry.answer import CONNECTION_ERRORS, Answer, innermost
from tare_imagetools.registry.auth import Authorizer, Scope
from tare_imagetools.registry.credentials import Credentials
from tare_imagetools.registry.origin import Origin, is_loopback, why_not_follow
from tare_imagetools.registry.retry import STATUSES, RetryPolicy

HUB_ADDRESS = "registry-1.docker.io"
TIMEOUT_S = (15.0, 60.0)  # to connect; without a byte
MAX_REDIRECTS = 5
SILENCE = 2  # further failures that a timeout counts for: who waits minutes should not wait hours
MAX_CHALLENGES = 2  # the first is the normal one, the second is for a token that has ended
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SAME_AGAIN = frozenset({307, 308})  # the others turn what is not a GET into one: RFC 9110, 15.4
POOL = 16
Body = bytes | BinaryIO | None


@dataclass(slots=True)
class SessionOptions:
    """`tls_verify`: True is https with a checked certificate and nothing else; False takes any certificate,
    and plain http where there is no TLS; None checks, but lets loopback be plain."""

    creds: Credentials | None = None
    authfile: Path | None = None
    tls_verify: bool | None = None
    cert_dir: Path | None = None
    realms: frozenset[str] = frozenset()
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    warn: Callable[[str], None] = lambda message: None


class Adapter(requests.adapters.HTTPAdapter):
    """Requests' connection pool, with pieces of 256 KiB instead of 16 when sending."""

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: object
    ) -> None:
        options["blocksize"] = 1 << 18
        super().init_poolmanager(connections, maxsize, block, **options)


class Session:
    """`host`: as in the reference, with port. Safe for several threads."""

    def __init__(self, host: str, options: SessionOptions) -> None:
        self.host = host
        self.address = HUB_ADDRESS if host == DEFAULT_HOST else host
        self.options = options
        self.retry = options.retry
        self.adapter = Adapter(pool_connections=4, pool_maxsize=POOL, max_retries=0)
        self.auth = Authorizer(host, self.lookup, self.fetch_token, options.realms)
        self.lock = threading.Lock()
        self.found: Origin | None = None
        self.warned: set[str] = set()
        self.known: dict[str, Credentials | None] = {}
        self.only_chunks = False  # the registry redirects uploads: their bodies have to be there twice

    def close(self) -> None:
        self.adapter.close()

    def lookup(self, repository: str) -> Credentials | None:
        if self.options.creds is not None:
            return self.options.creds
        if repository not in self.known:
            self.known[repository] = credentials.find(self.host, repository, self.options.authfile)
        return self.known[repository]

    # --- the registry's address -------------------------------------------------------------------

    @property
    def origin(self) -> Origin:
        with self.lock:
            if self.found is None:
                self.found = self.find_origin()
            return self.found

    def find_origin(self) -> Origin:
        secure, plain = Origin.of(f"https://{self.address}"), Origin.of(f"http://{self.address}")
        verify = self.options.tls_verify
        if is_loopback(secure.host) and verify is not True:
            return plain if self.answers_plainly(plain) else secure
        if verify is False and not self.answers_securely(secure):
            return plain
        return secure

    def answers_plainly(self, plain: Origin) -> bool:
        try:
            with self.send("GET", f"{plain}/v2/", {}, None, f"reach {self.host}") as answer:
                body = answer.body(1 << 16) if answer.status == 400 else b""
                return b"HTTPS server" not in body and b"SSL-enabled" not in body
        except RegistryError as error:
            if isinstance(error.__cause__, requests.ConnectTimeout) or "refused" in error.why:
                raise
            return False

    def answers_securely(self, secure: Origin) -> bool:
        try:
            self.send("GET", f"{secure}/v2/", {}, None, f"reach {self.host}").close()
        except RegistryError as error:
            return not isinstance(error.__cause__, requests.exceptions.SSLError | requests.ConnectionError)
        return True

    # --- requests -----------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        scope: Scope,
        tried: str,
        *,
        headers: dict[str, str] | None = None,
        body: Body = None,
        expect: frozenset[int] = frozenset({200}),
    ) -> Answer:
        """Send, with authorization, redirects and retries; the answer has one of the statuses expected.

        `path`: below the registry's origin, or the full URL that the registry gave for the next step.
        `tried` begins the message of an error. A body that is a file is sent once only.
        Raises: AuthError, RegistryError.
        """
        failures = 0
        while True:
            failures += 1
            try:
                answer = self.exchange(method, path, scope, tried, headers or {}, body)
            except RegistryError as error:
                if isinstance(error.__cause__, requests.Timeout):
                    failures += SILENCE
                wait = self.retry.wait_s(failures)
                if not error.temporary or not can_resend(body) or wait is None:
                    raise
            else:
                if answer.status in expect:
                    return answer
                wait = None
                if answer.status in STATUSES and can_resend(body):
                    wait = self.retry.wait_s(failures, answer.headers.get("Retry-After"))
                if wait is None:
                    raise self.refused(answer, tried, scope)
                answer.drain()
            self.retry.sleep(wait)

    def exchange(
        self, method: str, path: str, scope: Scope, tried: str, headers: dict[str, str], body: Body
    ) -> Answer:
        """One attempt: ask, answer a challenge, follow redirects."""
        url = path if "://" in path else f"{self.origin}{path}"
        hops = challenges_met = 0
        while True:
            target = self.checked(url, tried)
            own = target == self.origin
            sent = self.auth.header(self.origin, scope) if own else None
            answer = self.send(method, url, self.with_authorization(headers, sent), body, tried)
            self.show_warnings(answer)
            if answer.status == 401 and own and challenges_met < MAX_CHALLENGES and can_resend(body):
                challenges_met += 1
                challenges = challenge.parse(answer.headers.get("WWW-Authenticate", ""))
                if self.auth.accept(self.origin, challenges, scope, sent):
                    answer.drain()
                    continue
            if answer.status not in (REDIRECTS if method in ("GET", "HEAD") else SAME_AGAIN):
                return answer
            if not can_resend(body):
                answer.close()
                self.only_chunks = True
                raise RegistryError(
                    tried, f"the registry took what was sent and redirects ({answer.status})", temporary=True
                )
            location = answer.headers.get("Location", "")
            answer.drain()
            hops += 1
            if hops > MAX_REDIRECTS:
                raise RegistryError(tried, f"the registry redirects more than {MAX_REDIRECTS} times")
            if not location:
                raise RegistryError(tried, f"the registry answered {answer.status} without a Location")
            url = urljoin(url, location)

    def checked(self, url: str, tried: str) -> Origin:
        try:
            target = Origin.of(url)
        except ValueError as error:
            raise RegistryError(
                tried, f"the registry names an address that cannot be used: {error}"
            ) from error
        if target != self.origin and (problem := why_not_follow(self.origin, target)):
            raise RegistryError(tried, f"the address that the registry names is not followed: {problem}")
        return target

    def with_authorization(self, headers: dict[str, str], authorization: str | None) -> dict[str, str]:
        return {**headers, "Authorization": authorization} if authorization else headers

    def fetch_token(self, method: str, url: str, headers: dict[str, str], form: bytes | None) -> Answer:
        """For the Authorizer: no authorization but what is in `headers`, no redirects."""
        tried = f"get a token for {self.host}"
        failures = 0
        while True:
            failures += 1
            try:
                answer = self.send(method, url, headers, form, tried)
                wait = None
                if answer.status in STATUSES:
                    wait = self.retry.wait_s(failures, answer.headers.get("Retry-After"))
                if wait is None:
                    return answer
                answer.drain()
            except RegistryError as error:
                wait = self.retry.wait_s(failures)
                if not error.temporary or wait is None:
                    raise AuthError(tried, error.why, error.hint) from error
            self.retry.sleep(wait)

    def send(self, method: str, url: str, headers: dict[str, str], body: Body, tried: str) -> Answer:
        """One request on the wire. Raises: RegistryError, with the failure below as its cause."""
        request = requests.Request(
            method,
            url,
            headers={"User-Agent": "tare-image", "Accept-Encoding": "identity", **headers},
            data=body,
        ).prepare()
        secure = url.startswith("https:")
        host = Origin.of(url).host
        verify = self.options.tls_verify is not False and tls.authorities(self.host, self.options.cert_dir)
        certificate = tls.client_certificate(self.host, self.options.cert_dir) if secure else None
        if host != Origin.of(f"https://{self.address}").host:
            certificate = None
        proxies = {} if is_loopback(host) else requests.utils.get_environ_proxies(url)
        try:
            return Answer(
                self.adapter.send(
                    request, stream=True, timeout=TIMEOUT_S, verify=verify, cert=certificate, proxies=proxies
                )
            )
        except CONNECTION_ERRORS as error:
            raise connection_error(tried, Origin.of(url), error) from error

    # --- what the answers say -----------------------------------------------------------------------

    def refused(self, answer: Answer, tried: str, scope: Scope) -> RegistryError:
        if answer.status in (401, 403):
            _, why = answer.explain()
            return self.auth.refusal(tried, answer.status, why, scope)
        error = answer.error(tried)
        if answer.status in STATUSES:
            error.temporary = True
            after = answer.headers.get("Retry-After")
            error.hint = (
                f"the registry asks to wait: Retry-After: {printable(after, 40)}" if after else TEMPORARY
            )
        return error

    def show_warnings(self, answer: Answer) -> None:
        """Spec: distribution-spec 1.1, "Warnings": show, once, and never act on them."""
        for text in answer.headers.get("Warning", "").split(", ")[:5]:
            if text.startswith("299 ") and text not in self.warned and len(self.warned) < 20:
                self.warned.add(text)
                self.options.warn(f"{self.host} says: {printable(text[4:].strip('- '), 300)}")


def can_resend(body: Body) -> bool:
    return body is None or isinstance(body, bytes)


def connection_error(tried: str, origin: Origin, error: Exception) -> RegistryError:
    """What went wrong below HTTP, in words; `temporary` where another attempt makes sense."""
    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        hint = "put its authority into /etc/containers/certs.d/HOST/ca.crt, or give --tls-verify=false"
        return RegistryError(tried, f"no trusted TLS with {origin}: {innermost(error)}", hint)
    if "Name or service not known" in text or "name resolution" in text or "NameResolutionError" in text:
        return RegistryError(tried, f"the name {origin.host} does not resolve", "is it spelled right?")
    if "Connection refused" in text:
        return RegistryError(tried, f"{origin} refused the connection", "does a registry listen there?")
    if isinstance(error, requests.ConnectTimeout):
        return RegistryError(tried, f"{origin} did not answer within {TIMEOUT_S[0]:.0f} s", temporary=True)
    if isinstance(error, requests.Timeout) or "timed out" in text:
        return RegistryError(tried, f"{origin} sent nothing for {TIMEOUT_S[1]:.0f} s", temporary=True)
    return RegistryError(tried, f"the connection to {origin} broke: {innermost(error)}", temporary=True)
