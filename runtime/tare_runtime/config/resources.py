"""linux.resources as a document of its own, as `update` gets it; and sizes as people write them."""

from __future__ import annotations

from tare_runtime.config import rules_linux, shape
from tare_runtime.errors import ConfigError, UsageError
from tare_runtime.json_text import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}


def read_resources(data: bytes, source: str) -> dict[str, Any]:
    """Read and check a resources document. Raises: ConfigError with every violation."""
    try:
        resources = loads(data.decode("utf-8"))
    except ValueError as error:
        raise ConfigError([("", f"is not JSON: {error}", "config-linux.md")], source) from None
    if type(resources) is not dict:
        raise ConfigError([("", "must be a JSON object", "config-linux.md")], source)
    check_resources(resources, source)
    return resources


def check_resources(resources: dict[str, Any], source: str) -> None:
    """Check a decoded resources document and drop its nulls. Raises: ConfigError with every violation."""
    found: shape.Found = []
    shape.walk(resources, shape.RESOURCES, None, found)
    if not found:
        rules_linux.check_resources(resources, found)
    if found:
        from tare_runtime.config.sections import section_of

        base = "/linux/resources"
        pointers = [(base + shape.pointer(place).removeprefix(base), problem) for place, problem in found]
        raise ConfigError([(at, problem, section_of(at)) for at, problem in pointers], source)


def size_bytes(text: str, option: str) -> int:
    """512, 64m, 1.5g, 64MiB, -1. Raises: UsageError."""
    if text == "-1":
        return -1
    word = text.lower().strip()
    word = word.removesuffix("ib") if word[-3:-2].isalpha() else word.removesuffix("b")
    unit = word[-1:] if word[-1:].isalpha() else ""
    number = word.removesuffix(unit).strip()
    whole, _, part = number.partition(".")
    if unit in _UNITS and whole.isascii() and whole.isdigit() and (not part or part.isdigit()):
        return int(float(number) * (1 << _UNITS[unit])) if part else int(whole) << _UNITS[unit]
    raise UsageError(f"option {option}: {text!r} is no size in bytes", "give a number, with k, m, g or t")


def whole_number(text: str, option: str) -> int:
    """A number that may have a sign. Raises: UsageError."""
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) < 20:
        return int(text)
    raise UsageError(f"option {option}: {text!r} is not a number")
