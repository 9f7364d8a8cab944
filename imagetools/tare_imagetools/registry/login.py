"""Keeping credentials: tried at the registry, then written to the file or helper that is asked later."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tare_spec.reference import DEFAULT_HOST

from tare_imagetools.blobs import replace_file
from tare_imagetools.errors import AuthError
from tare_imagetools.registry import helper
from tare_imagetools.registry.auth import Scope
from tare_imagetools.registry.credentials import DOCKER_HUB_KEYS, files, load
from tare_imagetools.registry.session import Session
from tare_imagetools.transports.parse import Options, session_for


def check(host: str, options: Options) -> None:
    """Raises: AuthError when the registry does not take the credentials; RegistryError."""
    session = Session(host, session_for(options))
    try:
        session.request("GET", "/v2/", Scope(), f"log in to {host}").drain()
        if session.auth.withheld:
            raise session.auth.refusal(f"log in to {host}", 401, "the credentials were not tried", Scope())
    finally:
        session.close()


def keep(host: str, username: str, password: str, authfile: Path | None = None) -> str:
    """Returns where they went.

    Raises: AuthError.
    """
    path = next(files(authfile))
    with locked(path):
        config = load(path)
        if name := helper_for(config, host):
            helper.store(name, server_name(host), username, password)
            return f"docker-credential-{name}"
        auths = config.setdefault("auths", {})
        if not isinstance(auths, dict):
            raise AuthError(f"keep credentials in {path}", "its 'auths' is not an object", "mend the file")
        encoded = base64.b64encode(f"{username}:{password}".encode()).decode()
        auths[server_name(host)] = {"auth": encoded}
        write(path, config)
    return str(path)


def forget(host: str, authfile: Path | None = None) -> str | None:
    """Returns where they were, None if nowhere.

    Raises: AuthError.
    """
    path = next(files(authfile))
    if not path.exists():
        return None
    with locked(path):
        config = load(path)
        if name := helper_for(config, host):
            helper.erase(name, server_name(host))
            return f"docker-credential-{name}"
        auths = config.get("auths")
        keys = DOCKER_HUB_KEYS if host == DEFAULT_HOST else (host,)
        known = [key for key in keys if isinstance(auths, dict) and key in auths]
        for key in known:
            assert isinstance(auths, dict)
            del auths[key]
        if not known:
            return None
        write(path, config)
    return str(path)


def helper_for(config: dict[str, object], host: str) -> str | None:
    helpers = config.get("credHelpers")
    named = helpers.get(host) if isinstance(helpers, dict) else None
    store = named or config.get("credsStore")
    return store if isinstance(store, str) and store else None


def server_name(host: str) -> str:
    return DOCKER_HUB_KEYS[0] if host == DEFAULT_HOST else host


def write(path: Path, config: dict[str, object]) -> None:
    try:
        replace_file(path, json.dumps(config, indent=2).encode() + b"\n", mode=0o600)
    except OSError as error:
        raise AuthError(f"keep credentials in {path}", error.strerror or str(error)) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One writer at a time, by a lock on the directory."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise AuthError(f"keep credentials in {path}", error.strerror or str(error)) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
