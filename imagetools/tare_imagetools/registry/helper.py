"""Credential helpers: programs `docker-credential-NAME` that keep secrets, spoken to as Docker does.

`get`, `store` and `erase`; a request on standard input, a JSON object or a message on standard output.
"""

from __future__ import annotations

import json
import shutil
import subprocess

from tare_spec.document import parse_json
from tare_spec.errors import BadDocument

from tare_imagetools.errors import AuthError

TIMEOUT_S = 30
NOT_FOUND = "credentials not found in native keychain"


def get(name: str, server: str) -> tuple[str, str] | None:
    """(user name, secret), or None where the helper knows none for that server.

    Raises: AuthError.
    """
    status, output = run(name, "get", server)
    if status != 0:
        if NOT_FOUND in output:
            return None
        raise failed(name, "get", server, output)
    try:
        found = parse_json(output.encode(), "answer")
    except BadDocument as error:
        raise failed(name, "get", server, "its answer is not JSON") from error
    username = found.get("Username") if isinstance(found, dict) else None
    secret = found.get("Secret") if isinstance(found, dict) else None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise failed(name, "get", server, "its answer lacks Username or Secret")
    return username, secret


def store(name: str, server: str, username: str, secret: str) -> None:
    """Raises: AuthError."""
    request = json.dumps({"ServerURL": server, "Username": username, "Secret": secret})
    status, output = run(name, "store", request)
    if status != 0:
        raise failed(name, "store", server, output)


def erase(name: str, server: str) -> None:
    """Raises: AuthError."""
    status, output = run(name, "erase", server)
    if status != 0 and NOT_FOUND not in output:
        raise failed(name, "erase", server, output)


def run(name: str, verb: str, request: str) -> tuple[int, str]:
    if not name or not all(character.isalnum() or character in "._-" for character in name):
        raise AuthError("ask the credential helper", f"{name!r} is not the name of a program")
    program = shutil.which(f"docker-credential-{name}")
    if program is None:
        raise AuthError(
            f"ask the credential helper {name}",
            f"there is no program docker-credential-{name} in PATH",
            "install it, or remove it from the credentials file",
        )
    try:
        done = subprocess.run(
            [program, verb], input=request.encode(), capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AuthError(f"run {program} {verb}", str(error)) from error
    return done.returncode, (done.stdout or done.stderr)[: 1 << 16].decode(errors="replace").strip()


def failed(name: str, verb: str, server: str, why: str) -> AuthError:
    return AuthError(f"docker-credential-{name} {verb} for {server}", why[:500] or "it failed without a word")
