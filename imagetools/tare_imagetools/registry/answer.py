"""An HTTP answer as the client sees it: raw bytes, bounded, and the registry's error document in words."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import requests
import urllib3
from tare_spec.document import parse_json
from tare_spec.errors import BadDocument, printable

from tare_imagetools.errors import RegistryError
from tare_imagetools.verify import read_bounded

MAX_ERROR_BODY = 1 << 16
# What a cut or stalled connection looks like from above and from below urllib3.
CONNECTION_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


class Answer:
    """Open until closed; `readinto` gives the body as it came, undecoded."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.url = response.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def readinto(self, buffer: memoryview) -> int:
        piece = self.response.raw.read(len(buffer), decode_content=False)
        buffer[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int) -> None:
        raise AssertionError("an answer is read from its beginning")

    def body(self, limit: int) -> bytes:
        """The whole body, and the connection back to the pool.

        Raises: VerifyError when it is longer than `limit`; what CONNECTION_ERRORS names.
        """
        with self:
            return read_bounded(self, limit, f"the answer of {self.response.request.method} {self.url}")

    def drain(self) -> None:
        """Read what is left of a small body, so that the connection can be used again."""
        try:
            self.body(MAX_ERROR_BODY)
        except Exception:
            self.close()  # an endless or cut body: the connection is given up with it

    def close(self) -> None:
        self.response.close()

    def error(self, tried: str, hint: str | None = None) -> RegistryError:
        """The answer as an error; reads the body."""
        codes, why = self.explain()
        return RegistryError(tried, why, hint, status=self.status, codes=codes)

    def explain(self) -> tuple[tuple[str, ...], str]:
        """(codes, words) of an error answer. Spec: distribution-spec 1.1, "Error Codes"."""
        try:
            document = parse_json(self.body(MAX_ERROR_BODY), "error document")
        except (BadDocument, Exception):
            document = None
        reason = self.response.reason or ""
        said = f"the registry answered {self.status} {reason}".strip()
        codes, messages = [], []
        errors = document.get("errors") if isinstance(document, dict) else None
        for entry in errors[:5] if isinstance(errors, list) else []:
            if isinstance(entry, dict):
                codes.append(words(entry.get("code"), 40))
                messages.append(words(entry.get("message"), 200))
        detail = "; ".join(
            f"{code}: {message}" if message else code for code, message in zip(codes, messages, strict=True)
        )
        return tuple(codes), f"{said} ({detail})" if detail else said


def words(value: object, limit: int) -> str:
    """A member of a stranger's document, if it is text."""
    return printable(value, limit) if isinstance(value, str) else ""


def innermost(error: BaseException) -> str:
    """The message of the first cause: requests and urllib3 wrap it several times."""
    seen = 0
    while seen < 8:
        seen += 1
        inner = error.args[-1] if error.args and isinstance(error.args[-1], BaseException) else None
        inner = inner or getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return printable(str(error), 200) or type(error).__name__
