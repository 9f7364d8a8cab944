"""What can go wrong with the suite itself; what a subject does wrong is a result, not an error.

ConformanceError
├── UsageError        the command line asks for something that is not there
├── HostError         this machine cannot run the suite
└── KnownError        a list of known failures cannot be read
"""

from __future__ import annotations


class ConformanceError(Exception):
    """Base; raised by the layers below the command line. `hint` says what the user can do."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


class UsageError(ConformanceError):
    """Raised where the command line is read: name another subject, case or file."""


class HostError(ConformanceError):
    """Raised before the first case: run as root, or install what is missing."""


class KnownError(ConformanceError):
    """Raised when a list of known failures is read: correct the file."""
