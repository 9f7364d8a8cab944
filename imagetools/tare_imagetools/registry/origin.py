"""Origins, and where a request may go next without telling secrets or opening doors.

An origin is scheme, host and port. What belongs to one (a password, a token, a cookie) is never sent to
another: not for a redirect, an upload location, a link to the next page or a token realm. Where the next
address may lie at all is decided here too. docs/adr/0015-credentials-stay-with-their-origin.md argues it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
# Registrable domains lie one label deeper than these. The full list has ten thousand entries; these are
# the country-code second levels, and the hosters under whose names registries and token servers are run.
SECOND_LEVELS = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})
SHARED_SUFFIXES = (
    "amazonaws.com", "appspot.com", "azurecr.io", "azurewebsites.net", "cloudfront.net", "duckdns.org",
    "fly.dev", "github.io", "gitlab.io", "herokuapp.com", "netlify.app", "ngrok.io", "onrender.com",
    "pages.dev", "pkg.dev", "r2.dev", "run.app", "vercel.app", "workers.dev",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Raises: ValueError for what is not an http(s) URL with a host."""
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError(f"{url[:200]!r} is not an http or https URL")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the URL holds a user name")
        return cls(parts.scheme, parts.hostname.lower(), parts.port or PORTS[parts.scheme])

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Does the name itself say so? No name is looked up: what DNS answers is not the user's word."""
    address = address_of(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def why_not_follow(start: Origin, target: Origin) -> str | None:
    """Why a request that began at `start` must not go on to `target`, or None if it may.

    Content is verified wherever it comes from; what is guarded is its secrecy, and the machine's inside:
    a registry out there must not make us ask services that only this machine or its cloud can reach.
    """
    if start.scheme == "https" and target.scheme != "https":
        return f"it leads from https to plain http ({target})"
    address = address_of(target.host)
    if target.host == start.host:
        return None
    if target.is_loopback and not start.is_loopback:
        return f"it leads to this machine ({target})"
    if address is not None and (address.is_link_local or address.is_unspecified or address.is_multicast):
        return f"it leads to a link-local address ({target})"
    return None


def registrable(host: str) -> str | None:
    """The domain that one party has registered, or None for an address or a single label."""
    if address_of(host) is not None or "." not in host:
        return None
    for suffix in SHARED_SUFFIXES:
        if host == suffix:
            return None
        if host.endswith(f".{suffix}"):
            own = host.removesuffix(f".{suffix}").rpartition(".")[2]
            return f"{own}.{suffix}"
    labels = host.rstrip(".").split(".")
    depth = 3 if len(labels[-1]) == 2 and labels[-2] in SECOND_LEVELS else 2
    return ".".join(labels[-depth:]) if len(labels) >= depth else None


def is_trusted_realm(registry: Origin, realm: Origin, configured: frozenset[str]) -> bool:
    """May a token server be told the password that the user has for the registry?

    `configured`: HOST or HOST:PORT that the user named with --auth-realm.
    """
    if realm == registry:
        return True
    named = realm.host in configured or f"{realm.host}:{realm.port}" in configured
    if realm.scheme != "https":
        return named and realm.is_loopback and registry.scheme == "http"
    if named or realm.host == registry.host:
        return True
    own = registrable(registry.host)
    return own is not None and own == registrable(realm.host)
