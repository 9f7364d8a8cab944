"""What sources and sinks of files have in common: their name for messages, and being open in a `with`."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class End:
    """`shown`: as the user wrote it."""

    shown: str

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is open; nothing, as a rule."""

    def describe(self) -> str:
        return self.shown
