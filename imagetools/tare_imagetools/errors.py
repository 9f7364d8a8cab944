"""Everything the image tool can fail with, and the exit code of each.

    ImageToolError          1  the root
    ├── UsageError          2  the command line asks for something that cannot be
    │   └── BadReference    2  an image name, transport or platform that does not parse
    ├── MissingError        3  an image, tag or blob that is not there
    ├── RegistryError       5  a registry did not do what was asked (3 when it answered "not found")
    │   └── AuthError       4  it refused who we are, or we refused to tell it
    ├── VerifyError         6  content that is not what its digest, size or type says
    ├── LayoutError         7  a layout, archive or directory that is damaged or cannot be written
    │   └── StoreError      7  the same of our own store
    ├── LayerError          8  a layer that cannot be applied
    └── BundleError         9  an image configuration that makes no bundle

A message reads "what was tried, on what: why"; the hint, where there is one, says what to do. 130 is the
exit code after an interrupt. Raised low, printed once, in `cli`.
"""

from __future__ import annotations

import errno
import os

from tare_spec.digest import Digest


class ImageToolError(Exception):
    exit_code = 1
    usual_hint: str | None = None

    def __init__(self, tried: str, why: str, hint: str | None = None) -> None:
        super().__init__(f"{tried}: {why}" if tried else why)
        self.tried = tried
        self.why = why
        self.hint = hint or self.usual_hint


class UsageError(ImageToolError):
    """Raised by the commands; change the command line."""

    exit_code = 2
    usual_hint = "tare-image COMMAND --help says what can be given"


class BadReference(UsageError):
    """Raised where a name is read; correct the name."""


class MissingError(ImageToolError):
    """Raised by sources; the name is well formed but nothing is there."""

    exit_code = 3
    usual_hint = "is the name right, and the whole image there?"


TEMPORARY = "try again later, or more often: --retry-times N"
LASTING = "the registry does not behave as one should; is it the right address?"


class RegistryError(ImageToolError):
    """Raised by the registry client.

    `status`: of the HTTP answer, None when there was none. `codes`: from the error document.
    `temporary`: the same request may succeed later; it has been repeated as often as was asked.
    """

    def __init__(
        self,
        tried: str,
        why: str,
        hint: str | None = None,
        *,
        status: int | None = None,
        codes: tuple[str, ...] = (),
        temporary: bool = False,
    ) -> None:
        super().__init__(tried, why, hint)
        self.hint = self.hint or (TEMPORARY if temporary else LASTING)
        self.status = status
        self.codes = codes
        self.temporary = temporary
        self.exit_code = MissingError.exit_code if status == 404 else 5


class AuthError(RegistryError):
    """Raised by the registry client; log in, or correct the credentials."""

    def __init__(self, tried: str, why: str, hint: str | None = None, *, status: int | None = None) -> None:
        super().__init__(tried, why, hint, status=status)
        self.exit_code = 4


class VerifyError(ImageToolError):
    """Raised by whoever reads content; do not use it, fetch it again or tell its owner."""

    exit_code = 6
    usual_hint = "nothing of it was kept; fetch it from elsewhere, or tell who runs the source"

    def __init__(self, what: str, problem: str, *, want: str = "", got: str = "") -> None:
        super().__init__(f"verify {what}", problem)
        self.what = what
        self.want = want
        self.got = got

    @classmethod
    def of_digest(cls, what: str, want: Digest, got: Digest) -> VerifyError:
        problem = f"the content has digest {got}, but {want} was asked for"
        return cls(what, problem, want=str(want), got=str(got))

    @classmethod
    def of_size(cls, what: str, want: int, got: str) -> VerifyError:
        return cls(
            what, f"the content is {got} bytes long, but {want} were announced", want=str(want), got=got
        )


class LayoutError(ImageToolError):
    """Raised by the transports for files and directories."""

    exit_code = 7
    usual_hint = "make it anew, or choose another place"


class StoreError(LayoutError):
    """Raised by the store."""


class LayerError(ImageToolError):
    """Raised by `layer.apply` and `unpack`. `entry`: its name in the archive, "" for the whole layer."""

    exit_code = 8

    def __init__(self, entry: str, problem: str, hint: str | None = None) -> None:
        super().__init__(f"apply layer: entry {entry!r}" if entry else "apply layer", problem, hint)
        self.entry = entry
        self.problem = problem


class BundleError(ImageToolError):
    """Raised by `bundle` and `unpack`. `what` is the field or file that is at fault."""

    exit_code = 9

    def __init__(self, what: str, problem: str, hint: str | None = None) -> None:
        super().__init__(f"make bundle: {what}", problem, hint)
        self.what = what
        self.problem = problem


def layout_error(tried: str, error: OSError) -> LayoutError:
    """Say what the kernel said about a file of ours or of the user."""
    hints = {
        errno.ENOSPC: "free some space there, or choose another place; nothing half-written was left",
        errno.EDQUOT: "the quota is used up; nothing half-written was left",
        errno.EACCES: "run as a user who may, or choose another place",
        errno.EROFS: "choose a place that can be written",
    }
    number = error.errno or 0
    return LayoutError(tried, os.strerror(number) if number else str(error), hints.get(number))
