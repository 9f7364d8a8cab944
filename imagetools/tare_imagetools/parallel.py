"""Several pieces of work at a time, the first failure ending all: threads that nobody has to wait for.

The standard library's pool joins its threads at exit, so an interrupt or an error would hang until the
slowest network read times out. These are daemons, watched from the calling thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
GRACE_S = 2.0  # for the others to notice that it is over, before the error is raised


class Cancelled(Exception):
    """Raised by a piece of work that noticed that another one has failed."""


def run_all(work: Callable[[T], None], items: Iterable[T], count: int, cancelled: threading.Event) -> None:
    """Call `work` with each item, `count` at a time; returns when all are done.

    Sets `cancelled` on the first failure, which it raises once the others have stopped or the grace is over.
    """
    waiting: SimpleQueue[T] = SimpleQueue()
    for item in items:
        waiting.put(item)
    number = min(count, waiting.qsize())
    results: SimpleQueue[BaseException | None] = SimpleQueue()

    def worker() -> None:
        failure: BaseException | None = None
        try:
            while not cancelled.is_set():
                work(waiting.get_nowait())
        except Empty:
            pass
        except BaseException as error:
            failure = error
        results.put(failure)

    if number <= 1:
        while not waiting.empty():
            work(waiting.get())
        return
    for _ in range(number):
        threading.Thread(target=worker, daemon=True).start()
    first: BaseException | None = None
    left = number
    try:
        while left:
            failure = results.get(timeout=GRACE_S) if first else results.get()
            left -= 1
            if failure is not None:
                cancelled.set()
                if first is None or isinstance(first, Cancelled):
                    first = failure
    except Empty:
        pass
    except BaseException:
        cancelled.set()
        raise
    if first is not None:
        raise first
