"""How a case says what it found: by returning, or by raising one of these."""

from __future__ import annotations

from collections.abc import Collection


class Failure(Exception):
    """Raised by a case: the subject did not do what the specification says. `details` is for the reader."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class Skip(Exception):
    """Raised by a case that this machine cannot judge, with the reason."""


def equal(what: str, got: object, want: object) -> None:
    """Raises: Failure unless the two are equal."""
    if got != want:
        raise Failure(f"{what}: want {want!r}, got {got!r}")


def differs(what: str, got: object, other: object) -> None:
    """Raises: Failure if the two are equal."""
    if got == other:
        raise Failure(f"{what}: is {got!r}, and must not be")


def within(what: str, got: object, choices: Collection[object]) -> None:
    """Raises: Failure unless `got` is one of the choices."""
    if got not in choices:
        raise Failure(f"{what}: want one of {sorted(choices, key=str)!r}, got {got!r}")


def true(what: str, condition: object) -> None:
    """Raises: Failure unless the condition holds; `what` is the sentence that should have been true."""
    if not condition:
        raise Failure(f"not so: {what}")
