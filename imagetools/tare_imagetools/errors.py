"""What can go wrong in the image tool.

    ImageToolError              the root: carries the exit code and perhaps a hint
    ├── LayerError              a layer cannot be applied, with the name of the entry
    └── BundleError             an image configuration asks for what no bundle can give

Messages say what was tried, on what, and why it failed; a hint, where there is one, stands on its own line.
"""

from __future__ import annotations


class ImageToolError(Exception):
    """The root; never raised itself. `exit_code` is what the command line ends with."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class LayerError(ImageToolError):
    """Raised by `layer.apply` and `unpack`. `entry`: its name in the archive, "" for the whole layer."""

    def __init__(self, entry: str, problem: str, hint: str | None = None) -> None:
        where = f"apply layer: entry {entry!r}" if entry else "apply layer"
        super().__init__(f"{where}: {problem}", hint)
        self.entry = entry
        self.problem = problem


class BundleError(ImageToolError):
    """Raised by `bundle` and `unpack`. `what` is the field or file that is at fault."""

    def __init__(self, what: str, problem: str, hint: str | None = None) -> None:
        super().__init__(f"make bundle: {what}: {problem}", hint)
        self.what = what
        self.problem = problem
