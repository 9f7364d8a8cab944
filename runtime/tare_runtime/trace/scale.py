"""From moments to places on an axis, and durations in words. Pure."""

from __future__ import annotations

CUT_WIDTH = 70


class Scale:
    """A linear axis; a stretch that would take most of it may be cut short."""

    def __init__(self, first: int, last: int, left: float, width: float, cut: tuple[int, int] | None) -> None:
        self.first, self.last, self.left = first, max(last, first + 1), left
        self.cut = cut or (0, 0)
        whole = self.last - first
        length = self.cut[1] - self.cut[0]
        self.is_cut = length * 3 > whole
        if self.is_cut:
            self.per_ns = (width - CUT_WIDTH) / max(1, whole - length)
        else:
            self.per_ns = width / whole

    def x(self, moment: int) -> float:
        moment = min(max(moment, self.first), self.last)
        begin, end = self.cut
        if not self.is_cut or moment <= begin:
            return self.left + (moment - self.first) * self.per_ns
        at = self.left + (begin - self.first) * self.per_ns
        if moment < end:
            return at + CUT_WIDTH * (moment - begin) / (end - begin)
        return at + CUT_WIDTH + (moment - end) * self.per_ns

    def cut_places(self) -> tuple[float, float]:
        return self.x(self.cut[0]), self.x(self.cut[1])


def ticks(scale: Scale) -> list[tuple[int, str]]:
    """(moment, label) at round distances, about eight of them; none inside a cut."""
    begin, end = scale.cut if scale.is_cut else (0, 0)
    shown = scale.last - scale.first - (end - begin)
    step = _round(shown / 8)
    before = range(scale.first, (begin if scale.is_cut else scale.last) + 1, step)
    marks = [(moment, duration(moment - scale.first, short=True)) for moment in before]
    if scale.is_cut:
        after = end + step - (end - scale.first) % step
        marks += [
            (moment, duration(moment - scale.first, short=True))
            for moment in range(after, scale.last + 1, step)
        ]
    return marks


def _round(length: float) -> int:
    """1, 2 or 5 times a power of ten, not below `length`."""
    power = 1
    while power * 10 <= length:
        power *= 10
    return next(int(power * factor) for factor in (1, 2, 5, 10, 20) if power * factor >= length)


def duration(nanoseconds: int, *, short: bool = False) -> str:
    if not nanoseconds:
        return "0"
    for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if nanoseconds >= size or (unit == "µs"):
            value = nanoseconds / size
            digits = 0 if (short and value == int(value)) or value >= 100 else 1 if value >= 10 else 2
            return f"{value:.{digits}f} {unit}"
    return ""
