"""Pieces of bytes handed to another thread, a bounded number ahead; what it fails with comes back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

PIECES_AHEAD = 8

Result = TypeVar("Result")


class Abandoned(Exception):
    """Raised inside the work when the other side has left early: nothing is to be completed."""


class Conveyor(Generic[Result]):
    """Runs work(pieces) on a thread of its own. Left by `with`, the thread has ended.

    Bytes are handed over, not copied. The work pays off where it spends its time in C that lets go of the
    interpreter.
    """

    def __init__(self, work: Callable[[Iterator[bytes]], Result]) -> None:
        self._work = work
        self._queue: queue.Queue[bytes | None] = queue.Queue(PIECES_AHEAD)
        self._results: list[Result] = []
        self._failure: BaseException | None = None
        self._abandoned = False
        self._drained = False
        self._thread = threading.Thread(target=self._run, name="conveyor", daemon=True)

    def __enter__(self) -> Conveyor[Result]:
        self._thread.start()
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        if self._thread.is_alive():
            self._abandoned = True
            self._queue.put(None)
            self._thread.join()

    def put(self, piece: bytes) -> None:
        """Raises: whatever the work has failed with on earlier pieces."""
        if self._failure:
            raise self._failure
        self._queue.put(piece)

    def finish(self) -> Result:
        """No more pieces: wait for what the work makes of them.

        Raises: whatever the work has failed with.
        """
        self._queue.put(None)
        self._thread.join()
        if self._failure:
            raise self._failure
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._work(self._pieces()))
        except BaseException as failure:
            self._failure = failure
            # The other side may be waiting for room.
            while not self._drained:
                self._drained = self._queue.get() is None

    def _pieces(self) -> Iterator[bytes]:
        while (piece := self._queue.get()) is not None:
            yield piece
        self._drained = True
        if self._abandoned:
            raise Abandoned
