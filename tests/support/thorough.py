"""How much of a long test to do: a selection as a rule, all of it with TARE_THOROUGH (./dev thorough)."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")
THOROUGH = bool(os.environ.get("TARE_THOROUGH"))


def count(usual: int, whole: int) -> int:
    return whole if THOROUGH else usual


def some(items: list[T], usual: int) -> list[T]:
    """All of them, or about `usual`, spread evenly with the last one among them."""
    if THOROUGH or len(items) <= usual:
        return items
    step = len(items) / usual
    return [items[-1 - int(at * step)] for at in range(usual)][::-1]
