"""config.json → a checked dict. Stage "parse" of the flow.

Everything that breaks the specification is collected and reported at once, each with its JSON pointer and
the section that says so. What the rest of the runtime gets has the right types and no nulls.
"""

from __future__ import annotations

import posix

from tare_runtime.config import rules, rules_linux, shape
from tare_runtime.errors import ConfigError
from tare_runtime.json_text import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Config = dict[str, Any]

MAX_BYTES = 16 << 20


def load_config(
    bundle: str, config_path: str | None = None, *, warn: Callable[[str], None] | None = None
) -> Config:
    """Read and check BUNDLE/config.json, or `config_path` if given.

    `warn` gets what the specification lets pass with a word. Raises: ConfigError with every violation.
    """
    path = config_path or f"{bundle}/config.json"
    config = parse_config(path)
    check_config(config, path, warn)
    return config


def parse_config(path: str) -> Config:
    """Read a config without checking it. Raises: ConfigError where it is no file, no JSON or no object."""
    return _parse(_read(path, MAX_BYTES), path, hint="")


def load_process(path: str, *, warn: Callable[[str], None] | None = None) -> Config:
    """Read and check a process document, as `exec --process` takes it. Raises: ConfigError."""
    process = _parse(_read(path, MAX_BYTES), path, hint="")
    check_process_document(process, path, warn)
    return process


def check_process_document(process: Config, path: str, warn: Callable[[str], None] | None = None) -> None:
    """Check a decoded process document and drop its nulls. Raises: ConfigError with every violation."""
    found: shape.Found = []
    shape.walk(process, shape.PROCESS, None, found)
    if not found:
        rules.check_process(process, None, found, warn)
    if found:
        raise _error(found, path, "/process")


def check_config(
    config: Config, path: str = "config.json", warn: Callable[[str], None] | None = None
) -> None:
    """Check a decoded config and drop its nulls. Raises: ConfigError with every violation."""
    found: shape.Found = []
    shape.walk(config, shape.CONFIG, None, found)
    if not found:  # the rules rely on the types
        rules.check(config, found, warn)
        if "linux" in config:
            rules_linux.check(config, found, warn)
    if found:
        raise _error(found, path, "")


def _parse(data: bytes, path: str, hint: str) -> Config:
    try:
        text = data.decode("utf-8")
        value = loads(text)
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 at byte {error.start}"
        raise ConfigError([("", problem, "config.md")], path, hint) from None
    except ValueError as error:
        problem = "is empty" if not data.strip() else f"is not JSON: {error}"
        raise ConfigError([("", problem, "config.md")], path, hint) from None
    if type(value) is not dict:
        raise ConfigError([("", "must be a JSON object", "config.md")], path, hint)
    if b"\\u0000" in data or b"\\ud" in data or b"\\uD" in data:
        found: shape.Found = []
        rules.check_texts(value, None, found)
        if found:
            raise _error(found, path, "")
    return value


def _read(path: str, limit: int) -> bytes:
    """The whole of a regular file that is not larger than `limit`."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError as error:
        hint = "give the bundle's directory with --bundle" if isinstance(error, FileNotFoundError) else ""
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([("", f"cannot be opened: {reason}", "bundle.md")], path, hint) from None
    try:
        kind = posix.fstat(fd)
        if kind.st_mode & 0o170000 != 0o100000:
            raise ConfigError([("", "is not a regular file", "bundle.md")], path)
        if kind.st_size > limit:
            problem = f"has {kind.st_size} bytes, more than the {limit} that a config may have"
            raise ConfigError([("", problem, "")], path)
        data = b""
        while chunk := posix.read(fd, kind.st_size + 1):
            data += chunk
            if len(data) > limit:
                raise ConfigError([("", f"has more than the {limit} bytes that a config may have", "")], path)
        return data
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([("", f"cannot be read: {reason}", "bundle.md")], path) from None
    finally:
        posix.close(fd)


def _error(found: shape.Found, path: str, base: str) -> ConfigError:
    from tare_runtime.config.sections import section_of

    violations = []
    for place, problem in found:
        pointer = shape.pointer(place)
        violations.append((pointer, problem, section_of(base + pointer)))
    return ConfigError(violations, path)
