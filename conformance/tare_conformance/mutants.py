"""Broken subjects: a good runtime behind a wrapper that spoils one thing.

A case is worth something only if it can fail. So each names the mutants under which it must; a mutant is
a list of edits, and `broken.py` carries them out around the calls of a runtime that passes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

Edit = Mapping[str, object]


@dataclass(frozen=True)
class Mutant:
    """One way of being wrong: a sentence for the report, and the edits."""

    name: str
    edits: tuple[Edit, ...]

    @property
    def verbs(self) -> frozenset[str]:
        """The verbs at which the wrapper has something to do."""
        return frozenset(str(edit.get("verb", "create")) for edit in self.edits)

    def encoded(self) -> str:
        """As the wrapper's argument."""
        return json.dumps(self.edits)


def put(pointer: str, value: object) -> Mutant:
    """The runtime reads `value` there in config.json. TOKEN in it is the name of the lab's control groups."""
    return Mutant(f"reads {pointer} as {value!r}", ({"do": "put", "at": pointer, "value": value},))


def drop(*pointers: str) -> Mutant:
    """The runtime overlooks these parts of config.json."""
    edits = tuple({"do": "drop", "at": pointer} for pointer in pointers)
    return Mutant(f"overlooks {' and '.join(pointers)}", edits)


def reverse(pointer: str) -> Mutant:
    """The runtime walks a list from its end."""
    return Mutant(f"walks {pointer} backwards", ({"do": "reverse", "at": pointer},))


def exits(verb: str, code: int) -> Mutant:
    """The runtime does its work and ends with another status."""
    return Mutant(f"{verb} always exits {code}", ({"do": "exit", "verb": verb, "code": code},))


def idle(verb: str, code: int = 0) -> Mutant:
    """The runtime does nothing when asked for `verb`."""
    return Mutant(f"{verb} does nothing and exits {code}", ({"do": "idle", "verb": verb, "code": code},))


def prints(verb: str, pointer: str, value: object) -> Mutant:
    """One member of the JSON that a verb prints is another."""
    edit = {"do": "print", "verb": verb, "at": pointer, "value": value}
    return Mutant(f"{verb} prints {pointer} as {value!r}", (edit,))


def hides(verb: str, pointer: str) -> Mutant:
    """One member of the JSON that a verb prints is missing."""
    return Mutant(f"{verb} leaves out {pointer}", ({"do": "hide", "verb": verb, "at": pointer},))


def then(verb: str, *call: str) -> Mutant:
    """After `verb` the runtime does one thing more to the same container."""
    edit = {"do": "then", "verb": verb, "call": list(call)}
    return Mutant(f"{verb} goes on to {' '.join(call)}", (edit,))


def first(verb: str, *call: str) -> Mutant:
    """Before `verb` the runtime does another thing to the same container."""
    edit = {"do": "first", "verb": verb, "call": list(call)}
    return Mutant(f"{verb} begins with {' '.join(call)}", (edit,))


def swaps(verb: str, old: str, new: str) -> Mutant:
    """An argument of a verb is taken for another."""
    edit = {"do": "swap", "verb": verb, "old": old, "new": new}
    return Mutant(f"{verb} takes {old} for {new}", (edit,))


def litters(verb: str, what: str) -> Mutant:
    """After a verb the runtime leaves something behind: a `process`, a `mount` or a `cgroup`."""
    return Mutant(f"{verb} leaves a {what} behind", ({"do": "litter", "verb": verb, "what": what},))


def unlinks(*paths: str) -> Mutant:
    """These files of the container do not exist: the probe, as a hook, takes them away."""
    hook = {"path": "/probe", "args": ["probe", *(f"unlink={path}" for path in paths)]}
    edit = {"do": "put", "at": "/hooks/startContainer", "value": [hook]}
    return Mutant(f"does not make {' and '.join(paths)}", (edit,))


def leaks_a_descriptor(verb: str) -> Mutant:
    """The container inherits a directory of the host."""
    return Mutant(f"{verb} leaks a descriptor", ({"do": "leak", "verb": verb},))


def all_of(name: str, *mutants: Mutant) -> Mutant:
    """Several at a time."""
    return Mutant(name, tuple(edit for mutant in mutants for edit in mutant.edits))
