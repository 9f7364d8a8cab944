"""events: a container's statistics and shortages of memory, one JSON object a line."""

from __future__ import annotations

from tare_runtime.cli.main import show
from tare_runtime.errors import UsageError
from tare_runtime.json_text import dumps
from tare_runtime.watch.events import events, statistics_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def run(options: Options) -> int:
    id = options.args[0]
    interval_s = duration_s(options.interval)
    if options.stats:
        show(dumps(statistics_of(options.root, id)) + "\n")
        return 0
    for one in events(options.root, id, interval_s):
        show(dumps(one) + "\n")
    return 0


def duration_s(text: str) -> float:
    """A time as Go's programs take it, "1m30s" or "500ms"; a bare number is seconds. Raises: UsageError."""
    import re

    parts = re.findall(r"(\d+\.?\d*)(ns|us|µs|ms|s|m|h|$)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"events: option --interval: {text!r} is no time", "give one such as 500ms or 1m30s")
    seconds = sum(float(number) * _UNITS_S[unit or "s"] for number, unit in parts)
    if seconds <= 0:
        raise UsageError("events: option --interval: it must be greater than 0")
    return seconds
