"""When a request is worth repeating, and how long to wait before.

On by default: most failures of a pull are a proxy's 502, a 429 or a cut connection. Errors that the same
request will meet again (401, 404, a wrong certificate, a name that does not resolve) are not repeated.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 522})
LONGEST_WAIT_S = 60.0


@dataclass(slots=True)
class RetryPolicy:
    """`times`: how often to repeat after the first attempt. `cancelled` ends every wait at once."""

    times: int = 4
    delay_s: float = 0.5
    cancelled: threading.Event = field(default_factory=threading.Event)

    def wait_s(self, failures: int, retry_after: str | None = None) -> float | None:
        """How long to wait after so many failures in a row; None is to give up.

        A server that asks for more than a minute is not waited for: the user decides.
        """
        if failures > self.times or self.cancelled.is_set():
            return None
        asked = seconds_of(retry_after)
        if asked is not None:
            return asked if asked <= LONGEST_WAIT_S else None
        from random import uniform  # only who waits pays for it

        return float(min(self.delay_s * 2 ** (failures - 1), LONGEST_WAIT_S / 2) * uniform(0.8, 1.2))

    def sleep(self, seconds: float) -> None:
        self.cancelled.wait(seconds)


def seconds_of(retry_after: str | None) -> float | None:
    """Read a Retry-After header: seconds, or an HTTP date."""
    if not retry_after:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
