"""A document that a command is given as a file, or on standard input. Cold."""

from __future__ import annotations

import posix

from tare_runtime.errors import HostError

MAX_BYTES = 1 << 20


def read_document(path: str, what: str) -> tuple[bytes, str]:
    """Its bytes, and what to call it in messages. `path`: a file, or - for standard input.

    Of a larger one than MAX_BYTES, the beginning. Raises: HostError with `what` it was to hold.
    """
    name = "standard input" if path == "-" else path
    try:
        fd = 0 if path == "-" else posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            data = b""
            while len(data) <= MAX_BYTES and (chunk := posix.read(fd, 65536)):
                data += chunk
        finally:
            if fd:
                posix.close(fd)
    except OSError as error:
        raise HostError(f"read the {what} from {name}: {(error.strerror or '').lower()}") from None
    return data, name
