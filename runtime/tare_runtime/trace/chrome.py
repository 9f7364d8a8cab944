"""A timeline as JSON for Perfetto (ui.perfetto.dev) and chrome://tracing: their "Trace Event Format"."""

from __future__ import annotations

from tare_runtime.json_text import dumps
from tare_runtime.trace.timeline import LANES, Timeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def chrome_json(timeline: Timeline) -> str:
    """One event a line. Times are microseconds from the beginning."""
    first, _ = timeline.bounds()
    events: list[dict[str, Any]] = [_name("process_name", 0, timeline.title)]
    for number, lane in enumerate(LANES, 1):
        events.append(_name("thread_name", number, lane))
        events.append({**_name("thread_sort_index", number, ""), "args": {"sort_index": number}})
    for span in timeline.spans:
        args: dict[str, object] = {"index": span.index, "pointer": span.pointer, "what": span.detail}
        events.append(
            {
                "ph": "X",
                "pid": 1,
                "tid": LANES.index(span.lane) + 1,
                "name": span.name,
                "cat": span.category,
                "ts": (span.begin - first) / 1000,
                "dur": (span.end - span.begin) / 1000,
                "args": {key: value for key, value in args.items() if value not in ("", -1)},
            }
        )
    for mark in timeline.marks:
        number = LANES.index(mark.lane) + 1
        event: dict[str, object] = {
            "ph": "i",
            "s": "t",
            "pid": 1,
            "tid": lane,
            "name": mark.name,
            "cat": "mark",
        }
        events.append({**event, "ts": (mark.at - first) / 1000, "args": {}})
    lines = ",\n".join(dumps(event) for event in events)
    return f'{{"displayTimeUnit": "ms", "traceEvents": [\n{lines}\n]}}\n'


def _name(kind: str, lane: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": 1, "tid": lane, "name": kind, "args": {"name": name}}
