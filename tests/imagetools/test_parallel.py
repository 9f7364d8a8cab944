from __future__ import annotations

import threading
import time

import pytest
from tare_imagetools.parallel import Cancelled, run_all


def test_all_items_are_worked_on_several_at_a_time() -> None:
    together = threading.Barrier(3, timeout=20)
    done: list[int] = []

    def work(number: int) -> None:
        if number < 3:
            together.wait()
        done.append(number)

    run_all(work, range(10), 3, threading.Event())
    assert sorted(done) == list(range(10))


@pytest.mark.parametrize("count", [1, 4])
def test_the_first_failure_is_the_one_that_is_raised(count: int) -> None:
    cancelled = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("first")
        if not cancelled.wait(20):
            raise AssertionError("nobody was told")
        raise Cancelled

    with pytest.raises(ValueError, match="first"):
        run_all(work, range(8), count, cancelled)


def test_nothing_is_begun_after_a_failure() -> None:
    begun: list[int] = []
    cancelled = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError
        cancelled.wait(20)

    with pytest.raises(ValueError):
        run_all(work, range(100), 2, cancelled)
    assert len(begun) <= 3


def test_a_worker_that_hangs_does_not_hold_the_error_back() -> None:
    release = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            raise ValueError
        release.wait(60)

    started = time.monotonic()
    with pytest.raises(ValueError):
        run_all(work, range(2), 2, threading.Event())
    assert time.monotonic() - started < 30
    release.set()
