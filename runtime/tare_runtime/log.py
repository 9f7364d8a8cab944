"""The log of the runtime: lines that container managers parse, written without `logging`.

containerd takes the last object of level "error" in the file; podman reads the whole file as one object.
So at the default level a failing command writes exactly one line, and a good one writes nothing.
"""

from __future__ import annotations

import posix
import time

from tare_runtime.json_text import dumps

DEFAULT_FORMAT = "text"
_APPEND = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC


class Log:
    """Where messages go: standard error for people, and the target of --log for managers.

    `target`: [file:]PATH, journald:NAME or syslog:NAME. `level`: what it gets, "error", "warning" or "debug".
    """

    def __init__(
        self, target: str = "", format: str = DEFAULT_FORMAT, *, debug: bool = False, level: str = "error"
    ) -> None:
        self.socket = target if target.startswith(("journald:", "syslog:")) else ""
        self.path = "" if self.socket else target.removeprefix("file:")
        self.format = format
        self.debug_wanted = debug or level == "debug"
        self.warnings_wanted = self.debug_wanted or level == "warning"

    def error(self, message: str, hint: str = "") -> None:
        """Report what ended the command: on stderr, and as one line in the log."""
        _print(f"tare-runtime: {message}\n" + (f"hint: {hint}\n" if hint else ""))
        self._record("error", f"{message} ({hint})" if hint else message)

    def warn(self, message: str) -> None:
        """Report what the user should know. A log file gets it only where it is asked for: see above."""
        if not self.path:
            _print(f"tare-runtime: warning: {message}\n")
        if self.socket or self.warnings_wanted:
            self._record("warning", message)

    def debug(self, message: str) -> None:
        if not self.debug_wanted:
            return
        if not self.path and not self.socket:
            _print(f"tare-runtime: debug: {message}\n")
        self._record("debug", message)

    def _record(self, level: str, message: str) -> None:
        if self.path:
            self._write(level, message)
        elif self.socket:
            from tare_runtime.log_sockets import send

            problem = send(self.socket, level, message)
            if problem:
                _print(f"tare-runtime: {problem}\n")

    def _write(self, level: str, message: str) -> None:
        now = timestamp()
        if self.format == "json":
            line = dumps({"level": level, "msg": message, "time": now})
        else:
            line = f'time="{now}" level={level} msg={dumps(message)}'
        tried = "open"
        try:
            fd = posix.open(self.path, _APPEND, 0o644)
            tried = "write"
            try:
                posix.write(fd, line.encode() + b"\n")
            finally:
                posix.close(fd)
        except OSError as error:
            _print(f"tare-runtime: {tried} log {self.path}: {(error.strerror or '').lower()}\n")


def timestamp(seconds: float | None = None) -> str:
    """RFC 3339 in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _printable(text: str) -> str:
    """Names in messages are strangers': their control characters and broken bytes reach no terminal."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else _escaped(ord(letter)) for letter in text
    )


def _escaped(number: int) -> str:
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def _print(text: str) -> None:
    data = _printable(text).encode("utf-8", "surrogateescape")
    try:
        while data:
            data = data[posix.write(2, data) :]
    except OSError:
        pass  # stderr is closed: there is nobody to tell
