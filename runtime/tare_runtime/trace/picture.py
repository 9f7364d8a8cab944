"""A timeline as a picture (SVG): the whole command above, every operation on its own axis below."""

from __future__ import annotations

from tare_runtime.trace.scale import Scale, duration, ticks
from tare_runtime.trace.timeline import CATEGORIES, ENTER, RUNTIME, SETUP, Span, Timeline

WIDTH, LEFT, RIGHT, TOP = 1240, 330, 110, 84
PLOT = WIDTH - LEFT - RIGHT
BAR, ROW = 18, 22
THIN, LINE = 11, 17

COLOURS = {
    "load": "#9aa5b1",
    "parse": "#2a9d8f",
    "plan": "#3a7ca5",
    "state": "#8d6a9f",
    "spawn": "#e08e45",
    "wait": "#d5dae0",
    "hooks": "#c44536",
    "cgroup": "#4f9d69",
    "namespaces": "#7b5ea7",
    "mounts": "#2f6690",
    "identity": "#d1495b",
    "program": "#edae49",
    "other": "#b8c4ce",
}
_DARK = frozenset(("parse", "plan", "state", "hooks", "cgroup", "namespaces", "mounts", "identity"))
_STYLE = """
  text { font: 12px 'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif; fill: #22303c }
  .title { font-size: 19px; font-weight: bold } .sub { fill: #5c6b78 }
  .head { font-weight: bold; font-size: 13px }
  .mono { font-family: 'DejaVu Sans Mono', Menlo, Consolas, monospace; font-size: 10.5px }
  .dim { fill: #7a8894 } .light { fill: #ffffff }
  .bad { fill: #b3261e; font-weight: bold } .end { text-anchor: end }
  .tick { font-size: 10.5px; fill: #7a8894; text-anchor: middle }
  .grid { stroke: #e4e8ec } .axis { stroke: #b6c0c9 }
"""


def svg(timeline: Timeline) -> str:
    """The whole file."""
    first, last = timeline.bounds()
    body: list[str] = []
    height = _overview(timeline, first, last, TOP, body)
    if timeline.operations():
        height = _operations(timeline, height + 34, body)
    height = _legend(timeline, height + 30, body)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}">\n<style>{_STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fbfcfd"/>\n'
    )
    count = len(timeline.operations())
    sub = f"{duration(last - first)} in all" + (f", {count} operations" if count else "")
    failures = [mark.name for mark in timeline.marks if mark.bad]
    title = _text(24, 36, timeline.title, "title") + _text(24, 57, sub, "sub")
    if failures:
        title += _text(24, 75, _cut(failures[-1], 170), "bad")
    return head + title + "".join(body) + "</svg>\n"


# --- above: the command ------------------------------------------------------------------------------------


def _overview(timeline: Timeline, first: int, last: int, top: int, body: list[str]) -> int:
    """The runtime's stages as nested bars, and init below them on the same axis."""
    running = next((span for span in timeline.spans if span.name == "the container runs"), None)
    scale = Scale(first, last, LEFT, PLOT, (running.begin, running.end) if running else None)
    rows = _nested([span for span in timeline.spans if span.lane == RUNTIME])
    lanes = [lane for lane in (ENTER, SETUP) if any(span.lane == lane for span in timeline.spans)]
    bottom = top + 14 + (len(rows) + len(lanes)) * ROW
    _axis(scale, top, bottom, body)
    y = top + 18
    body.append(_text(24, y + 13, "tare-runtime", "head"))
    for row in rows:
        for span in row:
            body.append(_bar(span, scale, y, BAR, labelled=True))
        y += ROW
    for lane in lanes:
        body.append(_text(24, y + 13, lane, "head" if lane == SETUP else ""))
        for span in timeline.spans:
            if span.lane == lane:
                body.append(_bar(span, scale, y, BAR, labelled=False))
        y += ROW
    if scale.is_cut:
        _break(scale, top, bottom, body)
    for mark in timeline.marks:
        x = scale.x(mark.at)
        colour = "#b3261e" if mark.bad else "#22303c"
        body.append(
            f'<path d="M{x:.1f} {top + 12}V{bottom}" stroke="{colour}" stroke-opacity="0.35"'
            ' stroke-dasharray="2 3">'
            f"<title>{_escape(mark.name)}</title></path>\n"
        )
    return bottom


def _nested(spans: list[Span]) -> list[list[Span]]:
    """Rows so that what lies inside another is one row below it."""
    rows: list[list[Span]] = []
    open_ends: list[int] = []
    for span in sorted(spans, key=lambda span: (span.begin, -span.end)):
        while open_ends and open_ends[-1] <= span.begin:
            open_ends.pop()
        depth = len(open_ends)
        if depth == len(rows):
            rows.append([])
        rows[depth].append(span)
        open_ends.append(span.end)
    return rows


def _break(scale: Scale, top: int, bottom: int, body: list[str]) -> None:
    """The place where the axis is shortened, since the container runs as long as it likes."""
    left, right = scale.cut_places()
    x = (left + right) / 2
    zigzag = "".join(f"l{4 if n % 2 else -4} 6" for n in range((bottom - top) // 6))
    for shift in (-3, 3):
        body.append(
            f'<path d="M{x + shift:.1f} {top + 8}{zigzag}" fill="none" stroke="#fbfcfd" stroke-width="3"/>\n'
        )


# --- below: the operations ---------------------------------------------------------------------------------


def _operations(timeline: Timeline, top: int, body: list[str]) -> int:
    """One row for each operation, small ones of a kind together."""
    spans = timeline.operations()
    first = min(span.begin for span in spans)
    last = max(span.end for span in spans)
    scale = Scale(first, last, LEFT, PLOT, None)
    groups = _grouped(spans, (last - first) // 40)
    longest = sorted((sum(s.end - s.begin for s in group) for group in groups), reverse=True)[:6][-1]
    body.append(_text(24, top, "Every operation of the plan", "head"))
    top += 12
    bottom = top + 18 + len(groups) * LINE
    _axis(scale, top, bottom, body)
    y = top + 18
    lane = ""
    for group in groups:
        span = group[0]
        if span.lane != lane:
            lane = span.lane
            body.append(f'<path class="axis" d="M24 {y - 1}H{WIDTH - 24}"/>\n')
        name = f"{span.index} {span.name}" if len(group) == 1 else f"{span.index}… {span.name} × {len(group)}"
        body.append(_text(24, y + 10, name, "mono"))
        label = span.detail if len(group) == 1 else group[0].pointer
        shown = _cut(label or span.pointer, 45 - len(name))
        body.append(_text(LEFT - 8, y + 10, shown, "mono dim end"))
        for one in group:
            body.append(_bar(one, scale, y + 1, THIN, labelled=False))
        took = sum(one.end - one.begin for one in group)
        weight = "mono" if took >= longest else "mono dim"
        body.append(_text(WIDTH - 24, y + 10, duration(took), weight + " end"))
        y += LINE
    return bottom


def _grouped(spans: list[Span], small: int) -> list[list[Span]]:
    groups: list[list[Span]] = []
    for span in spans:
        last = groups[-1][-1] if groups else None
        alike = last and (last.name, last.lane) == (span.name, span.lane)
        if last and alike and max(last.end - last.begin, span.end - span.begin) < small:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


# --- parts -------------------------------------------------------------------------------------------------


def _legend(timeline: Timeline, top: int, body: list[str]) -> int:
    used = {span.category for span in timeline.spans}
    x = 24
    for category, name in CATEGORIES.items():
        if category not in used:
            continue
        body.append(
            f'<rect x="{x}" y="{top - 10}" width="12" height="12" rx="2" fill="{COLOURS[category]}"/>\n'
        )
        body.append(_text(x + 17, top, name, "sub"))
        x += 34 + 7 * len(name)
        if x > WIDTH - 160:
            x, top = 24, top + 20
    return top + 22


def _axis(scale: Scale, top: int, bottom: int, body: list[str]) -> None:
    for moment, text in ticks(scale):
        x = scale.x(moment)
        body.append(f'<path class="grid" d="M{x:.1f} {top + 12}V{bottom}"/>\n')
        body.append(f'<text class="tick" x="{x:.1f}" y="{top + 7}">{text}</text>\n')


def _bar(span: Span, scale: Scale, y: int, height: int, *, labelled: bool) -> str:
    x, end = scale.x(span.begin), scale.x(span.end)
    width = max(1.2, end - x)
    words = " ".join(part for part in (span.name, span.detail, span.pointer and f"({span.pointer})") if part)
    title = f"<title>{_escape(words)}: {duration(span.end - span.begin)}</title>"
    shape = (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="{2 if width > 5 else 0}"'
        f' fill="{COLOURS[span.category]}">{title}</rect>\n'
    )
    if not labelled or width < 48 or span.index >= 0:
        return shape
    text = _cut(f"{span.name}  {duration(span.end - span.begin)}", int(width - 8) // 7)
    shade = "light" if span.category in _DARK else ""
    return shape + (_text(x + 5, y + 13, text, shade) if len(text) > 3 else "")


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}"'
        + (f' class="{style}"' if style else "")
        + f">{_escape(text)}</text>\n"
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(0, most - 1)] + "…" if most > 1 else ""


def _escape(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
