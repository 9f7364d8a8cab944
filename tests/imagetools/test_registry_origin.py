"""Where a request may go, and who may see a password: the rules of docs/adr/0015."""

from __future__ import annotations

import pytest
from tare_imagetools.registry.origin import Origin, is_trusted_realm, registrable, why_not_follow

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("registry", "realm", "named", "trusted"),
    [
        ("https://registry-1.docker.io", "https://auth.docker.io/token", "", True),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", "", True),
        ("https://ghcr.io", "https://ghcr.io/token", "", True),
        ("https://r.example.com", "https://r.example.com:8443/token", "", True),
        ("https://r.example.com", "https://auth.example.org/token", "", False),
        ("https://r.example.com", "https://auth.example.org/token", "auth.example.org", True),
        ("https://r.example.com", "http://r.example.com/token", "", False),
        ("https://r.example.com", "http://r.example.com/token", "r.example.com", False),
        ("https://good.co.uk", "https://evil.co.uk/token", "", False),
        ("https://a.good.co.uk", "https://b.good.co.uk/token", "", True),
        ("https://me.azurecr.io", "https://you.azurecr.io/token", "", False),
        ("https://docker.io", "https://notdocker.io/token", "", False),
        ("https://docker.io", "https://docker.io.evil.com/token", "", False),
        ("https://10.0.0.1", "https://10.0.0.2/token", "", False),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000/token", "", True),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", "", False),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", "127.0.0.1:5001", True),
        ("http://127.0.0.1:5000", "http://127.0.0.2:5000/token", "", False),
        ("https://localhost", "https://other/token", "", False),
    ],
)
def test_the_password_goes_to_the_registrys_own_token_server_only(
    registry: str, realm: str, named: str, trusted: bool
) -> None:
    configured = frozenset({named}) if named else NONE
    assert is_trusted_realm(Origin.of(registry), Origin.of(realm), configured) is trusted


@pytest.mark.parametrize(
    ("start", "target", "why"),
    [
        ("https://a.io", "https://b.io/x", None),
        ("https://a.io", "http://b.io/x", "plain http"),
        ("https://a.io", "http://a.io/x", "plain http"),
        ("https://a.io", "https://127.0.0.1/x", "this machine"),
        ("https://a.io", "https://localhost/x", "this machine"),
        ("https://a.io", "https://[::1]/x", "this machine"),
        ("https://a.io", "https://169.254.169.254/latest", "link-local"),
        ("https://a.io", "https://[fe80::1]/x", "link-local"),
        ("https://a.io", "https://0.0.0.0/x", "link-local"),
        ("http://127.0.0.1:5000", "http://127.0.0.2:5000/x", None),
        ("http://127.0.0.1:5000", "http://169.254.169.254/x", "link-local"),
    ],
)
def test_a_registry_cannot_lead_a_request_where_it_should_not_go(
    start: str, target: str, why: str | None
) -> None:
    problem = why_not_follow(Origin.of(start), Origin.of(target))
    assert (problem is None) if why is None else (problem is not None and why in problem)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "https://", "//a/b", "https://u:p@a/b", "https://a:99999/", ""]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        Origin.of(url)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("auth.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("co.uk", None),
        ("localhost", None),
        ("127.0.0.1", None),
        ("::1", None),
        ("x.me.github.io", "me.github.io"),
        ("github.io", None),
    ],
)
def test_the_registrable_domain(host: str, domain: str | None) -> None:
    assert registrable(host) == domain
