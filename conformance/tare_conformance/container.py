"""A container under judgement: the verbs of the specification, and what its program said."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tare_conformance.verdict import Failure

if TYPE_CHECKING:
    from tare_conformance.lab import Lab

Facts = Mapping[str, Any]  # Any: the members' shapes are the probe's, one for each word


@dataclass(frozen=True)
class Outcome:
    """How one call of the subject ended."""

    verb: str
    code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it reported success."""
        return self.code == 0

    def demand(self) -> Outcome:
        """Raises: Failure unless the call succeeded."""
        if not self.ok:
            raise Failure(f"{self.verb} failed with status {self.code}", self.stderr.strip())
        return self


class Container:
    """Made by `Lab.create`. `pid` is the container process as the lab sees it."""

    def __init__(self, lab: Lab, id: str, output: int) -> None:
        self.lab = lab
        self.id = id
        self.pid = 0
        self._output = output
        self._heard = b""
        self._status: int | None = None

    def start(self) -> Outcome:
        """Call `start`."""
        return self.lab.call("start", self.id)

    def kill(self, signal: str | int = "TERM") -> Outcome:
        """Call `kill`."""
        return self.lab.call("kill", self.id, str(signal))

    def delete(self, *, force: bool = False) -> Outcome:
        """Call `delete`."""
        return self.lab.call("delete", *(["--force"] if force else []), self.id)

    def state(self) -> dict[str, Any]:  # Any: the document is not validated here
        """What `state` prints. Raises: Failure if it fails or prints no JSON object."""
        done = self.lab.call("state", self.id).demand()
        try:
            document = json.loads(done.stdout)
        except ValueError as error:
            raise Failure(f"state prints no JSON: {error}", done.stdout) from error
        if not isinstance(document, dict):
            raise Failure("state prints JSON that is no object", done.stdout)
        return document

    def status(self) -> str:
        """The `status` of the state."""
        return str(self.state().get("status"))

    def facts(self) -> Facts:
        """The next line of the probe. Raises: Failure if the program ends without one, or is late."""
        while b"\n" not in self._heard:
            ready = select.select([self._output], [], [], self.lab.time_left())[0]
            if not ready:
                raise Failure("the container's program said nothing in time", self.lab.stderr_text())
            try:
                got = os.read(self._output, 65536)
            except OSError:  # EIO: the other end of a terminal is closed
                got = b""
            if not got:
                raise Failure("the container's program ended without a word", self._last_words())
            self._heard += got
        line, _, self._heard = self._heard.partition(b"\n")
        try:
            facts: Facts = json.loads(line.decode(errors="surrogateescape"))
        except ValueError as error:
            raise Failure(f"the container's output is not the probe's: {error}", repr(line)) from error
        return facts

    def listen_to(self, fd: int) -> None:
        """Read facts from here instead: the master of a terminal. The descriptor stays the caller's."""
        self._output = fd

    def is_silent(self) -> bool:
        """Whether the program has said nothing so far."""
        return not self._heard and not select.select([self._output], [], [], 0)[0]

    def wait(self) -> int:
        """The exit status of the container process (128 + N for signal N), once it has ended.

        Raises: Failure if it lives on, or if it is not the lab's to wait for.
        """
        while self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError as error:
                raise Failure(
                    f"process {self.pid} is no child: somebody stayed behind to watch it"
                ) from error
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self._status = code if code >= 0 else 128 - code
            elif self.lab.time_left() <= 0:
                raise Failure("the container process does not end")
            else:
                time.sleep(0.003)
        return self._status

    def _last_words(self) -> str:
        try:
            status = f"it ended with status {self.wait()}\n" if self.pid else ""
        except Failure:
            status = ""
        return status + self.lab.stderr_text()
