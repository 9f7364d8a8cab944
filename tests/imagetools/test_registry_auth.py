"""Challenges, credentials and tokens, against servers that write down what they are sent."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tare_imagetools.errors import AuthError
from tare_imagetools.registry import challenge, credentials
from tare_imagetools.registry.client import Repository
from tare_imagetools.registry.credentials import Credentials
from tare_imagetools.registry.retry import RetryPolicy
from tare_imagetools.registry.session import Session, SessionOptions

from tests.support.hostile_registry import (
    BASIC,
    PASSWORD,
    TOKEN,
    USER,
    HostileRegistry,
    Reply,
    Rule,
    Seen,
    as_json,
    error,
)
from tests.support.layouts import make_layout


@pytest.mark.parametrize(
    ("header", "want"),
    [
        ('Bearer realm="https://a/t",service="s",scope="x:y:pull,push"',
         [("bearer", {"realm": "https://a/t", "service": "s", "scope": "x:y:pull,push"})]),
        ('Basic realm="a, b"', [("basic", {"realm": "a, b"})]),
        ('Negotiate, Basic realm="x", Bearer realm=y',
         [("negotiate", {}), ("basic", {"realm": "x"}), ("bearer", {"realm": "y"})]),
        (r'Basic realm="a\"b"', [("basic", {"realm": 'a"b'})]),
        ('Bearer realm="https://a/t', [("bearer", {"realm": "https://a/t"})]),
        ("BEARER   REALM = x", [("bearer", {"realm": "x"})]),
        ("", []),
        ("====", []),
    ],
)  # fmt: skip
def test_challenges_are_read(header: str, want: list[tuple[str, dict[str, str]]]) -> None:
    assert [(found.scheme, found.parameters) for found in challenge.parse(header)] == want


@given(st.text(max_size=60))
def test_any_header_is_read_to_an_end(header: str) -> None:
    challenge.parse(header)


# --- where credentials come from ----------------------------------------------------------------------


def encoded(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".config/containers").mkdir(parents=True)
    return tmp_path


def test_the_longest_key_that_fits_the_repository_counts(home: Path) -> None:
    auths = {name: encoded(f"{name}:x") for name in ("a.io", "a.io/team", "a.io/team/app", "a.io/te")}
    (home / ".docker/config.json").write_text(json.dumps({"auths": auths}))
    for repository, want in [("team/app/x", "a.io/team/app"), ("team/b", "a.io/team"), ("other", "a.io")]:
        found = credentials.find("a.io", repository)
        assert found is not None
        assert found.username == want
    assert credentials.find("b.io", "team/app") is None


def test_containers_file_comes_before_dockers_and_a_named_one_before_both(home: Path) -> None:
    (home / ".docker/config.json").write_text(json.dumps({"auths": {"a.io": encoded("docker:x")}}))
    (home / ".config/containers/auth.json").write_text(json.dumps({"auths": {"a.io": encoded("ours:x")}}))
    (home / "named").write_text(json.dumps({"auths": {"a.io": encoded("named:x")}}))
    (home / "empty").write_text("{}")
    assert credentials.find("a.io", "x") == Credentials(
        "ours", "x", source=str(home / ".config/containers/auth.json")
    )
    named = credentials.find("a.io", "x", home / "named")
    assert named is not None
    assert named.username == "named"
    assert credentials.find("a.io", "x", home / "empty") is None


def test_docker_hub_is_known_by_its_old_name(home: Path) -> None:
    auths = {"https://index.docker.io/v1/": encoded("hub:x")}
    (home / ".docker/config.json").write_text(json.dumps({"auths": auths}))
    found = credentials.find("docker.io", "library/busybox")
    assert found is not None
    assert found.username == "hub"


def helper(home: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (home / "bin").mkdir()
    program = home / "bin/docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}/bin:{os.environ['PATH']}")
    (home / ".docker/config.json").write_text(json.dumps({"credsStore": "test"}))


def test_a_helper_is_asked_for_the_host(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, monkeypatch, 'read host; echo "{\\"Username\\":\\"$host\\",\\"Secret\\":\\"s\\"}"')
    found = credentials.find("a.io", "x")
    assert found is not None
    assert (found.username, found.password) == ("a.io", "s")


def test_a_helper_may_give_an_identity_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, monkeypatch, """echo '{"Username":"<token>","Secret":"t"}'""")
    found = credentials.find("a.io", "x")
    assert found is not None
    assert found.identity_token == "t"


def test_a_helper_that_knows_nothing_is_no_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, monkeypatch, 'echo "credentials not found in native keychain"; exit 1')
    assert credentials.find("a.io", "x") is None


@pytest.mark.parametrize(
    "script",
    ["exit 1", "echo nonsense", "echo '{}'", "echo locked; exit 2"],
    ids=["dumb", "text", "empty", "locked"],
)
def test_a_helper_that_fails_is_an_error_and_nobody_else_is_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    helper(home, monkeypatch, script)
    with pytest.raises(AuthError, match=r"docker-credential-test get for a\.io"):
        credentials.find("a.io", "x")


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"auths": {"a.io": {"auth": "!"}}}', '{"auths": {"a.io": {"auth": "bm9jb2xvbg=="}}}'],
    ids=["truncated", "array", "not-base64", "no-colon"],
)
def test_a_damaged_file_is_an_error_that_names_it(home: Path, content: str) -> None:
    (home / ".docker/config.json").write_text(content)
    with pytest.raises(AuthError, match=r"\.docker/config\.json"):
        credentials.find("a.io", "x")


# --- tokens -------------------------------------------------------------------------------------------


class TokenRegistry(HostileRegistry):
    """Wants bearer tokens, one a scope, from itself; `life` is how long it says they live."""

    life = 300
    spent: frozenset[str] = frozenset()

    def answer(self, origin: str, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        reply = super().answer(origin, method, target, headers, body)
        seen = self.seen[-1]
        if seen.path.startswith("/v2/") and origin == "registry":
            token = seen.headers.get("authorization", "")
            repository = seen.path.removeprefix("/v2/").partition("/")[0]
            if f"repository:{repository}:" not in token or token in self.spent:
                challenge = f'Bearer realm="http://{self.address}/token",service="s",scope="everything"'
                return error(401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})
        return reply


def give_token(registry: HostileRegistry, seen: Seen) -> Reply:
    assert isinstance(registry, TokenRegistry)
    scope = seen.query.get("scope") or parse_qs(seen.body.decode()).get("scope", [""])[0]
    number = sum(1 for each in registry.seen if each.path == "/token")
    return as_json({"token": f"{TOKEN}-{number}-{scope}", "expires_in": registry.life})


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[TokenRegistry]:
    made = TokenRegistry(make_layout(tmp_path / "image", "v1"))
    made.rules.append(Rule("GET|POST", "/token", give_token))
    with made.running():
        yield made


def session(registry: HostileRegistry, creds: Credentials | None = None) -> Session:
    return Session(registry.address, SessionOptions(creds, retry=RetryPolicy(0)))


def tokens_asked(registry: HostileRegistry) -> list[Seen]:
    return [seen for seen in registry.seen if seen.path == "/token"]


def test_a_token_is_for_one_repository_and_is_kept(registry: TokenRegistry) -> None:
    opened = session(registry)
    for name in ("one", "two", "one", "two"):
        assert Repository(opened, name).manifest("v1").raw == registry.image.manifest
    scopes = [seen.query["scope"] for seen in tokens_asked(registry)]
    assert scopes == ["repository:one:pull", "repository:two:pull"]
    opened.close()


def test_the_scope_is_ours_and_not_what_the_challenge_says(registry: TokenRegistry) -> None:
    opened = session(registry)
    Repository(opened, "one").manifest("v1")
    assert "everything" not in str([seen.target for seen in registry.seen])
    opened.close()


def test_credentials_go_to_the_registrys_own_token_server(registry: TokenRegistry) -> None:
    opened = session(registry, Credentials(USER, PASSWORD))
    Repository(opened, "one").manifest("v1")
    assert [seen.headers.get("authorization") for seen in tokens_asked(registry)] == [BASIC]
    assert all(BASIC not in str(seen.headers) for seen in registry.seen if seen.path != "/token")
    opened.close()


def test_an_identity_token_is_posted(registry: TokenRegistry) -> None:
    opened = session(registry, Credentials("", "", "refresh-me"))
    Repository(opened, "one").manifest("v1")
    (asked,) = tokens_asked(registry)
    assert asked.method == "POST"
    assert parse_qs(asked.body.decode())["refresh_token"] == ["refresh-me"]
    assert "authorization" not in asked.headers
    opened.close()


def test_a_token_that_has_ended_is_replaced(registry: TokenRegistry) -> None:
    opened = session(registry)
    repository = Repository(opened, "one")
    repository.manifest("v1")
    registry.spent = frozenset({f"Bearer {TOKEN}-1-repository:one:pull"})
    assert repository.manifest("v1").raw == registry.image.manifest
    assert len(tokens_asked(registry)) == 2
    opened.close()


def test_a_short_lived_token_is_renewed_before_it_is_used(registry: TokenRegistry) -> None:
    registry.life = -1  # nonsense: the usual minute counts
    opened = session(registry)
    repository = Repository(opened, "one")
    repository.manifest("v1")
    for token in opened.auth.tokens.values():
        token.until = 0.0
    repository.manifest("v1")
    refused = [seen for seen in registry.seen if seen.path.endswith("/manifests/v1")]
    assert len(tokens_asked(registry)) == 2
    assert len(refused) == 3  # only the very first went out without a token
    opened.close()


def test_a_withheld_password_is_explained(tmp_path: Path) -> None:
    registry = HostileRegistry(make_layout(tmp_path / "image", "v1"))

    def challenge_elsewhere(registry: HostileRegistry, seen: Seen) -> Reply:
        realm = f'Bearer realm="http://{registry.other}/token"'
        return error(401, "UNAUTHORIZED", {"WWW-Authenticate": realm})

    registry.rules.append(Rule(".*", "/v2/.*", challenge_elsewhere))
    registry.rules.append(Rule("GET", "/token", lambda own, seen: as_json({"token": TOKEN}), origin="other"))
    with registry.running():
        opened = session(registry, Credentials(USER, PASSWORD))
        with pytest.raises(AuthError, match="was not sent there") as caught:
            Repository(opened, "one").manifest("v1")
        assert caught.value.hint is not None
        assert "--auth-realm 127.0.0.2" in caught.value.hint
        assert any(seen.origin == "other" for seen in registry.seen)
        assert not [seen for seen in registry.leaks() if PASSWORD in str(seen) or BASIC in str(seen)]
        opened.close()
        trusting = Session(
            registry.address,
            SessionOptions(
                Credentials(USER, PASSWORD), realms=frozenset({registry.other}), retry=RetryPolicy(0)
            ),
        )
        with pytest.raises(AuthError):
            Repository(trusting, "one").manifest("v1")
        assert registry.leaks(), "a realm that the user named is told the password"
        trusting.close()
