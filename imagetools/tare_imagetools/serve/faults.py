"""What the registry answers when it cannot do what was asked.

Spec: distribution-spec 1.1, "Error Codes": a JSON body `{"errors": [{"code", "message", "detail"}]}`.
"""

from __future__ import annotations

import json

from tare_imagetools.serve.http import Reply

# code → (status, message unless a better one is at hand)
CODES = {
    "BLOB_UNKNOWN": (404, "blob unknown to this repository"),
    "BLOB_UPLOAD_INVALID": (400, "blob upload invalid"),
    "BLOB_UPLOAD_UNKNOWN": (404, "upload session unknown: it ended, expired or never began"),
    "DENIED": (403, "access denied"),
    "DIGEST_INVALID": (400, "digest invalid"),
    "MANIFEST_BLOB_UNKNOWN": (404, "the manifest names a blob that this repository does not hold"),
    "MANIFEST_INVALID": (400, "manifest invalid"),
    "MANIFEST_UNKNOWN": (404, "manifest unknown to this repository"),
    "NAME_INVALID": (400, "repository name invalid"),
    "NAME_UNKNOWN": (404, "repository unknown"),
    "RANGE_INVALID": (416, "range invalid"),
    "SIZE_INVALID": (413, "too large"),
    "TAG_INVALID": (400, "tag invalid"),
    "UNAUTHORIZED": (401, "authentication required"),
    "UNSUPPORTED": (405, "operation unsupported"),
    "UNKNOWN": (500, "unexpected failure"),
}


class Fault(Exception):
    """Raised anywhere below the router, which turns it into the reply; `code` is a key of CODES."""

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        detail: object = None,
        headers: list[tuple[str, str]] | None = None,
        status: int | None = None,
    ) -> None:
        default_status, default_message = CODES[code]
        super().__init__(message or default_message)
        self.code = code
        self.status = status or default_status
        self.detail = detail
        self.headers = list(headers or ())

    def reply(self) -> Reply:
        error: dict[str, object] = {"code": self.code, "message": str(self)}
        if self.detail is not None:
            error["detail"] = self.detail
        body = json.dumps({"errors": [error]}).encode() + b"\n"
        return Reply(self.status, [("Content-Type", "application/json"), *self.headers], body)
