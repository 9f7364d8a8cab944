"""`--regex`: one command for every container whose id a pattern is found in. Cold: `re` is slow to load."""

from __future__ import annotations

from tare_runtime.errors import RuntimeFailure, UsageError
from tare_runtime.state.store import StateStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def for_each_match(root: str, pattern: str, act: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Call `act` with each id that `pattern` is found in; `warn` hears of those that fail.

    Raises: UsageError for a pattern that cannot be read.
    """
    import re

    try:
        matches = re.compile(pattern).search
    except re.error as error:
        raise UsageError(f"--regex: {pattern!r} is no pattern: {error}") from None
    for id in StateStore(root).ids():
        if matches(id):
            try:
                act(id)
            except RuntimeFailure as failure:
                warn(failure.message)
