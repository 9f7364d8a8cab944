"""Who we are to one registry: basic or bearer, a token for each scope, renewed before it ends.

A token belongs to one registry and one set of repositories and actions. We ask for the scopes that the
request at hand needs, never for what a challenge would have us ask. Whether the token server may see the
user's password is decided in `origin.is_trusted_realm`. Spec: distribution's token specification.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from tare_spec.document import parse_json
from tare_spec.errors import BadDocument

from tare_imagetools.errors import AuthError
from tare_imagetools.registry.challenge import Challenge
from tare_imagetools.registry.credentials import Credentials
from tare_imagetools.registry.origin import Origin, is_trusted_realm, why_not_follow

MAX_TOKEN_ANSWER = 1 << 18
DEFAULT_LIFE_S = 60  # of a token whose server does not say
RENEW_BEFORE_S = 15


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request needs: a repository, actions on it, and repositories to read a mounted blob from."""

    repository: str = ""
    actions: str = "pull"
    mount_from: str = ""

    def texts(self) -> list[str]:
        found = [f"repository:{self.repository}:{self.actions}"] if self.repository else []
        return found + ([f"repository:{self.mount_from}:pull"] if self.mount_from else [])


class TokenAnswer(Protocol):
    @property
    def status(self) -> int: ...

    def body(self, limit: int) -> bytes: ...


# (method, URL, headers, form) → the answer; sent without any credentials but those in `headers` and `form`.
Fetch = Callable[[str, str, dict[str, str], bytes | None], TokenAnswer]


@dataclass(slots=True)
class Token:
    header: str
    until: float


class Authorizer:
    """State of one registry: its challenge, and the tokens got so far. Safe for several threads."""

    def __init__(
        self,
        name: str,
        lookup: Callable[[str], Credentials | None],
        fetch: Fetch,
        realms: frozenset[str] = frozenset(),
    ) -> None:
        """`lookup`: repository → the user's credentials. `fetch` speaks to the token server."""
        self.name = name
        self.lookup = lookup
        self.fetch = fetch
        self.realms = realms
        self.lock = threading.Lock()
        self.challenge: Challenge | None = None
        self.tokens: dict[Scope, Token] = {}
        self.withheld = ""

    def header(self, registry: Origin, scope: Scope) -> str | None:
        """What to send as Authorization, once the registry has said how it wants to be asked."""
        if self.challenge is None:
            return None
        with self.lock:
            if self.challenge.scheme == "basic":
                return self.basic(scope)
            token = self.tokens.get(scope)
            if token is None or token.until < time.monotonic():
                token = self.tokens[scope] = self.get_token(registry, scope)
            return token.header

    def accept(self, registry: Origin, challenges: list[Challenge], scope: Scope, sent: str | None) -> bool:
        """Take a 401 in. True: another header than the one `sent` can be tried now."""
        with self.lock:
            chosen = choose(challenges)
            if chosen is None:
                return False
            self.challenge = chosen
            if chosen.scheme == "bearer":
                token = self.tokens.get(scope)
                if token is not None and token.header == sent:
                    del self.tokens[scope]  # ended early, or refused: one fresh token is tried
        return self.header(registry, scope) not in (None, sent)

    def basic(self, scope: Scope) -> str | None:
        credentials = self.lookup(scope.repository)
        if credentials is None or not credentials.username:
            return None
        return basic_header(credentials)

    def get_token(self, registry: Origin, scope: Scope) -> Token:
        assert self.challenge is not None
        url = self.challenge.parameters.get("realm", "")
        tried = f"get a token for {self.name}"
        try:
            realm = Origin.of(url)
        except ValueError as error:
            raise AuthError(tried, f"the registry names no usable token server: {error}") from error
        if problem := why_not_follow(registry, realm):
            raise AuthError(tried, f"the token server it names is not asked: {problem}")
        credentials = self.lookup(scope.repository)
        if credentials is not None and not is_trusted_realm(registry, realm, self.realms):
            # Public content can be had without; if not, the 401 that follows is explained with this.
            self.withheld = str(realm)
            credentials = None
        if credentials is not None and credentials.identity_token:
            return self.exchange(url, scope, credentials, tried)
        headers = {"Authorization": basic_header(credentials)} if credentials else {}
        query = [("scope", text) for text in scope.texts()]
        if service := self.challenge.parameters.get("service"):
            query.insert(0, ("service", service))
        joiner = "&" if "?" in url else "?"
        answer = self.fetch("GET", f"{url}{joiner}{urlencode(query)}" if query else url, headers, None)
        return self.decode(answer, realm, tried)

    def exchange(self, url: str, scope: Scope, credentials: Credentials, tried: str) -> Token:
        """An identity token is a refresh token of OAuth 2; only POST takes it."""
        assert self.challenge is not None
        form = urlencode(
            {
                "grant_type": "refresh_token",
                "service": self.challenge.parameters.get("service", ""),
                "client_id": "tare-image",
                "refresh_token": credentials.identity_token,
                "scope": " ".join(scope.texts()),
            }
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.decode(self.fetch("POST", url, headers, form.encode()), Origin.of(url), tried)

    def decode(self, answer: TokenAnswer, realm: Origin, tried: str) -> Token:
        body = answer.body(MAX_TOKEN_ANSWER)
        if answer.status in (400, 401, 403):
            raise AuthError(
                tried, f"{realm} answered {answer.status}", self.login_hint(), status=answer.status
            )
        if answer.status != 200:
            raise AuthError(tried, f"{realm} answered {answer.status}", status=answer.status)
        try:
            found = parse_json(body, "answer")
        except BadDocument as error:
            raise AuthError(tried, f"the answer of {realm} is {error.problem}") from error
        fields = found if isinstance(found, dict) else {}
        token = fields.get("token") or fields.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise AuthError(tried, f"the answer of {realm} holds no token")
        life = fields.get("expires_in")
        seconds = life if isinstance(life, int) and 0 < life < 10**7 else DEFAULT_LIFE_S
        spare = min(RENEW_BEFORE_S, seconds / 3)
        return Token(f"Bearer {token}", time.monotonic() + seconds - spare)

    def refusal(self, tried: str, status: int, why: str, scope: Scope) -> AuthError:
        """The error for a request that stays refused."""
        if self.withheld:
            host = Origin.of(self.withheld).host
            return AuthError(
                tried,
                f"{why}; the registry names {self.withheld} as its token server, which is another party, "
                "so your password was not sent there",
                f"if you trust it with that password: --auth-realm {host}",
                status=status,
            )
        return AuthError(tried, why, self.login_hint(scope), status=status)

    def login_hint(self, scope: Scope | None = None) -> str:
        credentials = self.lookup(scope.repository if scope else "")
        if credentials is None:
            return f"the repository may be private or not exist; log in: tare-image login {self.name}"
        return f"the credentials from {credentials.source} were used; may they do this?"


def choose(challenges: list[Challenge]) -> Challenge | None:
    """Bearer before basic: a token says less than a password."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None


def basic_header(credentials: Credentials) -> str:
    text = f"{credentials.username}:{credentials.password}"
    return "Basic " + base64.b64encode(text.encode()).decode()
