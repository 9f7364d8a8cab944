"""Judge documents by JSON Schemas of our own: slow and thorough, for tests, tools and the suite.

Nothing that starts containers or moves images comes here: the programs check what they read by code of
their own. The schemas are in `schemas/`, written from the texts of runtime-spec 1.3 and image-spec 1.1;
where a text and its official schema differ, the text holds (`docs/conformance.md` has the list).
"""

from __future__ import annotations

import functools
import json
import re
from importlib import resources
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tare_spec.document import parse_json
from tare_spec.errors import BadDocument

KINDS = (
    "runtime/config",
    "runtime/state",
    "runtime/features",
    "image/manifest",
    "image/index",
    "image/config",
    "image/layout",
)


class Violation(NamedTuple):
    """One thing that is wrong: `pointer` leads to the value (RFC 6901), `keyword` is the schema's."""

    pointer: str
    problem: str
    keyword: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.problem}"


def violations(kind: str, document: object) -> list[Violation]:
    """Everything that is wrong with a decoded document, in the order of the document; empty if nothing is.

    Raises: KeyError if `kind` is none of KINDS.
    """
    found = {
        Violation(_pointer(error.absolute_path), error.message, str(error.validator))
        for error in _validator(kind).iter_errors(document)
    }
    return sorted(found)


def check(kind: str, raw: bytes) -> object:
    """Decode a document strictly and judge it; returns the decoded one.

    Raises: BadDocument with the first violation, and the number of the others.
    """
    document = parse_json(raw, kind)
    found = violations(kind, document)
    if found:
        others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise BadDocument(kind, found[0].pointer, f"{found[0].problem}{others}")
    return document


@functools.cache
def schema(name: str) -> dict[str, Any]:  # Any: a JSON Schema
    """One of the schemas, decoded: `runtime/linux` and the like, and those of KINDS."""
    text = resources.files("tare_spec").joinpath(f"schemas/{name}.json").read_text()
    return dict(json.loads(text))


@functools.cache
def _validator(kind: str) -> Any:  # Any: jsonschema makes its classes at run time
    if kind not in KINDS:
        raise KeyError(kind)
    return _Validator(schema(kind), registry=_registry())


@functools.cache
def _registry() -> Registry[Any]:
    """All schemas by their names, so that references between them resolve."""
    found = []
    for folder in ("runtime", "image"):
        for file in resources.files("tare_spec").joinpath("schemas", folder).iterdir():
            contents = {**schema(f"{folder}/{file.name.removesuffix('.json')}")}
            # At sight of a $schema jsonschema would go on with its own class instead of ours.
            del contents["$schema"]
            found.append((contents["$id"], DRAFT202012.create_resource(contents)))
    return Registry().with_resources(found).crawl()


def _pointer(path: Any) -> str:  # Any: a deque of keys and indexes
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


# --- where Python's idea of a schema differs from the specification's -----------------------------------


@functools.cache
def ecma(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of ECMA-262: there `$` is the end alone, and not also before a last newline."""
    out, in_class, escaped = [], False, False
    for char in pattern:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char in "[]":
            in_class = char == "["
        elif char == "$" and not in_class:
            char = r"\Z"
        out.append(char)
    return re.compile("".join(out), re.ASCII)


def _pattern(_: Any, pattern: str, instance: object, __: Any) -> Any:  # Any: jsonschema's calling convention
    from jsonschema import ValidationError

    if isinstance(instance, str) and not ecma(pattern).search(instance):
        yield ValidationError(f"{instance!r} is not of the form {pattern}")


def _is_integer(_: object, value: object) -> bool:
    """No programs' decoder takes 1.0 for an integer, so neither do we."""
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)
