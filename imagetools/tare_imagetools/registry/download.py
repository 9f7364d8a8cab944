"""A blob's bytes out of a registry, read on over cut connections: Range, from where the last one ended.

A server that ignores Range is read again from the beginning, the known part thrown away; the hash of the
VerifyingReader above is of what it sees, so it does not matter how often the connection changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tare_imagetools.errors import RegistryError, VerifyError
from tare_imagetools.registry.answer import CONNECTION_ERRORS, Answer, innermost
from tare_imagetools.registry.auth import Scope

if TYPE_CHECKING:
    from tare_imagetools.registry.session import Session

PROGRESS = 1 << 16  # bytes after which a new connection counts as a success
SCRAP = 1 << 18


def why_broken(error: Exception) -> str:
    text = innermost(error)
    return "it ended early" if "IncompleteRead" in text else text


class Download:
    """A ByteSource. Nothing is asked for before the first read."""

    def __init__(self, session: Session, path: str, scope: Scope, size: int, what: str) -> None:
        self.session = session
        self.path = path
        self.scope = scope
        self.size = size
        self.what = what
        self.position = 0
        self.answer: Answer | None = None
        self.failures = 0
        self.fresh = 0

    def seek(self, offset: int) -> None:
        self.position = offset

    def readinto(self, buffer: memoryview) -> int:
        while True:
            if self.answer is None:
                if self.position >= self.size:
                    return 0
                self.answer = self.open()
                if self.answer is None:
                    self.reconnect("it ended before the part that is new")
                    continue
            problem = "it ended early"
            try:
                count = self.answer.readinto(buffer)
            except CONNECTION_ERRORS as error:
                count, problem = 0, why_broken(error)
            if count:
                self.position += count
                self.fresh += count
                return count
            if self.position >= self.size:
                return 0
            self.reconnect(problem)

    def reconnect(self, problem: str) -> None:
        self.close()
        self.failures = 1 if self.fresh >= PROGRESS else self.failures + 1
        self.fresh = 0
        wait = self.session.retry.wait_s(self.failures)
        if wait is None:
            place = f"at byte {self.position} of {self.size}"
            raise RegistryError(
                f"get {self.what}",
                f"the connection broke {self.failures} times {place}: {problem}",
                "run the same command again: what is in the store already is not fetched twice",
            )
        self.session.retry.sleep(wait)

    def open(self) -> Answer | None:
        """A connection that goes on at `position`; None if it broke before that."""
        tried = f"get {self.what}"
        headers = {"Range": f"bytes={self.position}-"} if self.position else {}
        try:
            answer = self.session.request(
                "GET", self.path, self.scope, tried, headers=headers, expect=frozenset({200, 206})
            )
        except RegistryError as error:
            error.temporary = False  # all repetitions are used up: nobody above need begin again
            if error.status == 404:
                error.hint = "the image is incomplete in this registry: it must be pushed anew"
            raise
        try:
            self.check(answer)
            skipped = answer.status == 206 or self.skip(answer, self.position)
        except BaseException:
            answer.close()
            raise
        if skipped:
            return answer
        answer.close()
        return None

    def check(self, answer: Answer) -> None:
        """Refuse early what can only be wrong."""
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding.lower() not in ("", "identity"):
            raise VerifyError(
                self.what, f"it came with Content-Encoding {encoding[:40]!r}, which was not asked for"
            )
        if answer.status == 206:
            self.check_range(answer)
            return
        length = answer.headers.get("Content-Length", "")
        if length.isdigit() and int(length[:20]) != self.size:
            raise VerifyError.of_size(self.what, self.size, length[:20])

    def check_range(self, answer: Answer) -> None:
        given = answer.headers.get("Content-Range", "")
        unit, _, rest = given.partition(" ")
        start = rest.partition("-")[0]
        if unit != "bytes" or not start.isdigit() or int(start[:20]) != self.position:
            raise RegistryError(
                f"get {self.what}",
                f"asked for bytes from {self.position}, the registry sent the range {given[:60]!r}",
            )

    def skip(self, answer: Answer, count: int) -> bool:
        scrap = memoryview(bytearray(min(SCRAP, count)))
        while count:
            try:
                done = answer.readinto(scrap[: min(len(scrap), count)])
            except CONNECTION_ERRORS:
                return False
            if not done:
                return False
            count -= done
        return True

    def close(self) -> None:
        if self.answer is not None:
            self.answer.close()
            self.answer = None
