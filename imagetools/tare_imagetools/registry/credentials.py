"""Where a user's registry credentials come from: containers' auth.json, Docker's config.json, helpers.

Looked up in this order, the first that knows the registry wins: --creds; the file named by --authfile or
$REGISTRY_AUTH_FILE (then no other); $XDG_RUNTIME_DIR/containers/auth.json; ~/.config/containers/auth.json;
$DOCKER_CONFIG/config.json or ~/.docker/config.json. A key may be HOST or HOST/NAMESPACE…: the longest
that fits the repository counts. A helper that fails is an error: no other source is asked instead, since
that is how a password for one registry came to be sent to another (CVE-2021-41092).
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tare_spec.document import parse_json
from tare_spec.errors import BadDocument
from tare_spec.reference import DEFAULT_HOST, DOCKER_HUB_NAMES

from tare_imagetools.errors import AuthError
from tare_imagetools.registry import helper

DOCKER_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")
MAX_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name with a password, or an identity token that only a token server takes."""

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)
    source: str = ""

    @classmethod
    def from_option(cls, text: str) -> Credentials:
        """USER:PASSWORD of the command line.

        Raises: AuthError.
        """
        username, colon, password = text.partition(":")
        if not colon or not username:
            raise AuthError("read the credentials given", "they are not USER:PASSWORD")
        return cls(username, password, source="the command line")


def find(host: str, repository: str, authfile: Path | None = None) -> Credentials | None:
    """The credentials for a repository, or None where no file knows the registry.

    Raises: AuthError for a file or helper that cannot be read.
    """
    for path in files(authfile):
        found = in_file(path, host, repository)
        if found is not None:
            return found
    return None


def files(authfile: Path | None = None) -> Iterator[Path]:
    """The files that are asked, in order."""
    named = authfile or os.environ.get("REGISTRY_AUTH_FILE")
    if named:
        yield Path(named)
        return
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        yield Path(runtime, "containers/auth.json")
    home = Path(os.environ.get("HOME") or "/")
    yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json"
    yield Path(os.environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def load(path: Path) -> dict[str, object]:
    """The file as an object; {} where there is none.

    Raises: AuthError.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AuthError(f"read credentials from {path}", error.strerror or str(error)) from error
    if not raw.strip():
        return {}
    try:
        found = parse_json(raw, str(path)) if len(raw) <= MAX_FILE else None
    except BadDocument as error:
        raise AuthError(f"read credentials from {path}", error.problem, "mend or remove the file") from error
    if not isinstance(found, dict):
        raise AuthError(f"read credentials from {path}", "it is not a JSON object", "mend or remove the file")
    return found


def keys_for(host: str, repository: str) -> list[str]:
    """The keys under which a file may know a repository, best first."""
    hosts = DOCKER_HUB_KEYS if host == DEFAULT_HOST or host in DOCKER_HUB_NAMES else (host,)
    parts = repository.split("/") if repository else []
    keys = [f"{name}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1) for name in hosts]
    keys += hosts
    return keys + [f"https://{name}" for name in hosts] + [f"https://{name}/v1/" for name in hosts]


def in_file(path: Path, host: str, repository: str) -> Credentials | None:
    config = load(path)
    keys = keys_for(host, repository)
    helpers = config.get("credHelpers")
    if isinstance(helpers, dict):
        for key in keys:
            name = helpers.get(key)
            if isinstance(name, str) and name:
                return from_helper(name, key, path)
    auths = config.get("auths")
    if isinstance(auths, dict):
        for key in keys:
            entry = auths.get(key)
            if isinstance(entry, dict) and (found := decode_entry(entry, key, path)):
                return found
    store = config.get("credsStore")
    if isinstance(store, str) and store:
        return from_helper(store, DOCKER_HUB_KEYS[0] if host == DEFAULT_HOST else host, path)
    return None


def from_helper(name: str, server: str, path: Path) -> Credentials | None:
    found = helper.get(name, server)
    if found is None:
        return None
    username, secret = found
    source = f"docker-credential-{name}, named in {path}"
    if username == "<token>":
        return Credentials("", "", secret, source)
    return Credentials(username, secret, source=source)


def decode_entry(entry: dict[str, object], key: str, path: Path) -> Credentials | None:
    """One value of `auths`. Docker leaves {} where a helper holds the secret."""
    tried = f"read credentials for {key} from {path}"
    token = entry.get("identitytoken")
    encoded, username, password = entry.get("auth"), entry.get("username"), entry.get("password")
    if isinstance(encoded, str) and encoded:
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise AuthError(tried, "'auth' is not base64 of USER:PASSWORD", "log in anew") from error
        username, colon, password = text.rstrip("\0").partition(":")
        if not colon:
            raise AuthError(tried, "'auth' is not base64 of USER:PASSWORD", "log in anew")
    if isinstance(token, str) and token:
        return Credentials("", "", token, str(path))
    if isinstance(username, str) and isinstance(password, str) and username:
        return Credentials(username, password, source=str(path))
    return None
