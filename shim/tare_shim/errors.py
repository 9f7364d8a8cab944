"""What `tare` itself fails with; the image tool's errors pass through as they are.

    ShimError            125   the root: what was asked cannot be done
    ├── NotFound         125   raised by `records`: no container of that name; `tare ps -a` lists them
    ├── NameTaken        125   raised by `records`: choose another name, or remove its owner
    └── RuntimeRefused   125, 126 or 127   raised by `runtime`, with the runtime's own words

Statuses are those of `docker run`: 126 where the command cannot be executed, 127 where it is not there.
"""

from __future__ import annotations


class ShimError(Exception):
    exit_code = 125

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class NotFound(ShimError):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"find container {name!r}: there is none of that name or id", "tare ps -a lists them"
        )


class NameTaken(ShimError):
    def __init__(self, name: str, owner: str) -> None:
        super().__init__(
            f"name the container {name!r}: container {owner[:12]} has that name",
            f"choose another --name, or: tare rm {name}",
        )


class RuntimeRefused(ShimError):
    """`said`: the runtime's message. `shown`: the runtime wrote it on our standard error already."""

    def __init__(self, said: str, *, shown: bool = False) -> None:
        super().__init__(said)
        self.shown = shown
        self.exit_code = _status_of(said)


def _status_of(said: str) -> int:
    """What a shell would return for it: the words are those that runtimes agree on."""
    text = said.lower()
    about_exec = "exec" in text or "start container process" in text
    if about_exec and ("executable file not found" in text or "no such file or directory" in text):
        return 127
    if about_exec and any(words in text for words in ("permission denied", "is a directory", "exec format")):
        return 126
    return 125
