"""An SVG of the ratios: one bar each, the peer's line at 1, a tick where the target is."""

from __future__ import annotations

from html import escape
from pathlib import Path

from harness.results import Ratio, Results

LABEL, SCALE, ROW, TOP = 360, 260, 24, 64  # widths and heights in pixels; SCALE is the length of 1.0
WIDEST = 1.6  # ratios beyond are cut off there, their number still says what they are


def write_svg(path: Path, results: Results, title: str) -> None:
    height = TOP + ROW * len(results.ratios) + 16
    width = LABEL + int(SCALE * WIDEST) + 90
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="16">{escape(title)}</text>',
        '<text x="12" y="44" fill="#666666">shorter is better; line: the peer; tick: the target</text>',
    ]
    parts += [line for at, ratio in enumerate(results.ratios) for line in _row(ratio, TOP + at * ROW)]
    parts.append(_line(LABEL + SCALE, TOP - 6, height - 12, "#444444", 1))
    path.write_text("\n".join([*parts, "</svg>", ""]))


def _row(ratio: Ratio, y: int) -> list[str]:
    length = SCALE * min(ratio.median, WIDEST)
    colour = {"pass": "#3b8f5a", "miss": "#c4473a", "": "#8da3b8"}[ratio.verdict]
    label = f"{ratio.figure}{', ' if ratio.mode else ''}{ratio.mode} ÷ {ratio.peer}"
    parts = [
        f'<text x="{LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>',
        f'<rect x="{LABEL}" y="{y + 3}" width="{length:.1f}" height="{ROW - 8}" fill="{colour}"/>',
        f'<text x="{LABEL + length + 8:.1f}" y="{y + 15}">{ratio.median:.2f}</text>',
    ]
    if ratio.target is not None:
        parts.append(_line(LABEL + SCALE * ratio.target, y + 1, y + ROW - 3, "#000000", 2))
    return parts


def _line(x: float, top: int, bottom: int, colour: str, width: int) -> str:
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{colour}" stroke-width="{width}"/>'
    )
