"""Basic authentication against an htpasswd file, as `htpasswd -B` writes it.

Only bcrypt entries are taken, as other registries do: the older kinds (crypt, apr1 MD5, unsalted SHA-1) do
not protect a password whose file leaks. The file is read again when it changes. bcrypt is slow by intent,
so a password that was right once is remembered, as a keyed hash, for as long as the file stays as it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import threading
from pathlib import Path

from tare_imagetools.errors import UsageError
from tare_imagetools.serve.faults import Fault
from tare_imagetools.serve.http import Request

BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}", re.ASCII)
MAX_PASSWORD = 72  # bytes: what bcrypt reads; bcrypt >= 5 refuses more
CHALLENGE = [("WWW-Authenticate", 'Basic realm="tare registry", charset="UTF-8"')]


class BadPasswordFile(UsageError):
    """The file cannot be used. Raised at start; mend the line that is named."""


class Htpasswd:
    """Guards a router: passes requests that bring the name and password of an entry."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._entries: dict[str, bytes] = {}
        self._key = os.urandom(32)
        self._right: set[bytes] = set()
        # What an unknown name is checked against, so that the time taken tells nobody which names exist.
        self._decoy = bcrypt_hash(b"", cost=5)
        self._refresh()

    def __call__(self, request: Request) -> None:
        """Raises: Fault UNAUTHORIZED."""
        name, password = credentials(request.headers.get("authorization", ""))
        if not self._matches(name, password):
            raise Fault("UNAUTHORIZED", headers=CHALLENGE)

    def _matches(self, name: str, password: bytes) -> bool:
        with self._lock:
            try:
                self._refresh()
            except (OSError, BadPasswordFile):
                return False  # damaged while we run: nobody passes until it is mended
            stored = self._entries.get(name)
            seen = hmac.digest(self._key, name.encode() + b"\0" + password, hashlib.sha256)
            if seen in self._right:
                return True
        if len(password) > MAX_PASSWORD:
            return False
        right = check_password(password, stored or self._decoy) and stored is not None
        if right:
            with self._lock:
                if self._entries.get(name) == stored:
                    self._right.add(seen)
        return right

    def _refresh(self) -> None:
        status = self._path.stat()
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            self._right.clear()
            self._entries = {}
            self._entries = read_entries(self._path)
            self._stamp = stamp


def credentials(header: str) -> tuple[str, bytes]:
    """Raises: Fault UNAUTHORIZED when there are none, or they cannot be read."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise Fault("UNAUTHORIZED", headers=CHALLENGE)
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        text = name.decode()
    except (binascii.Error, ValueError):
        raise Fault(
            "UNAUTHORIZED", "the credentials are not base64 of NAME:PASSWORD", headers=CHALLENGE
        ) from None
    if not colon or b"\0" in password:
        raise Fault("UNAUTHORIZED", "the credentials are not NAME:PASSWORD", headers=CHALLENGE)
    return text, password


def read_entries(path: Path) -> dict[str, bytes]:
    """Name → bcrypt hash.

    Raises: BadPasswordFile; OSError.
    """
    entries = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, stored = line.strip().partition(":")
        if not colon or not name:
            raise BadPasswordFile(
                f"read {path}, line {number}", "it is not NAME:HASH", "htpasswd -B makes them"
            )
        if not BCRYPT.fullmatch(stored):
            problem = f"the entry of {name!r} is not a bcrypt hash"
            raise BadPasswordFile(f"read {path}, line {number}", problem, f"htpasswd -B {path} {name}")
        entries[name] = stored.encode()
    return entries


def check_password(password: bytes, stored: bytes) -> bool:
    import bcrypt

    return bcrypt.checkpw(password, stored)


def bcrypt_hash(password: bytes, cost: int) -> bytes:
    """Raises: BadPasswordFile when the optional library is not installed."""
    try:
        import bcrypt
    except ImportError as error:
        problem = "the library bcrypt is not installed"
        raise BadPasswordFile("check passwords", problem, "pip install 'tare-oci[htpasswd]'") from error
    return bcrypt.hashpw(password, bcrypt.gensalt(cost))
