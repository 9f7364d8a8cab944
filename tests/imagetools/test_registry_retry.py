from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from tare_imagetools.registry.retry import RetryPolicy, seconds_of


def test_waits_double_and_end() -> None:
    policy = RetryPolicy(times=4, delay_s=0.5)
    waits = [policy.wait_s(failures) for failures in range(1, 6)]
    for wait, want in zip(waits[:4], [0.5, 1, 2, 4], strict=True):
        assert wait is not None
        assert want * 0.8 <= wait <= want * 1.2
    assert waits[4] is None


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-1", None), (None, None)]
)
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header) == seconds


def test_retry_after_as_a_date() -> None:
    found = seconds_of(formatdate(time.time() + 30, usegmt=True))
    assert found is not None
    assert 25 <= found <= 30
    assert seconds_of(formatdate(time.time() - 30, usegmt=True)) == 0


def test_what_the_server_asks_for_is_kept_up_to_a_minute() -> None:
    policy = RetryPolicy()
    assert policy.wait_s(1, "3") == 3.0
    assert policy.wait_s(1, "3600") is None


def test_no_wait_outlives_a_cancellation() -> None:
    policy = RetryPolicy()
    policy.cancelled.set()
    started = time.monotonic()
    policy.sleep(60)
    assert time.monotonic() - started < 5
    assert policy.wait_s(1) is None
