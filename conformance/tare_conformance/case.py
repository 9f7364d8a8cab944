"""What a case is, and how the cases of a suite are found."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tare_conformance.mutants import Mutant

if TYPE_CHECKING:
    from tare_conformance.lab import Lab

DEADLINE_S = 20.0
MUTANT_DEADLINE_S = 4.0  # where a broken runtime would be waited for in vain


@dataclass(frozen=True)
class Case:
    """One clause put to the test. `id` is SECTION/SENTENCE: the file's name and the function's."""

    id: str
    clause: str
    story: str
    body: Callable[[Lab], None]
    mutants: tuple[Mutant, ...]
    deadline_s: float = DEADLINE_S

    def hurried(self) -> Case:
        """The same case for a broken subject: when it is not done in time, that is a failure as well."""
        return replace(self, deadline_s=min(self.deadline_s, MUTANT_DEADLINE_S))

    @property
    def section(self) -> str:
        """The part of the specification, as the file is called."""
        return self.id.split("/", 1)[0]

    @property
    def title(self) -> str:
        """What the specification demands, in one line."""
        return self.story.split("\n\n", 1)[0].replace("\n", " ")


def case(clause: str, *mutants: Mutant) -> Callable[[Callable[[Lab], None]], Case]:
    """Make a case of a function; its docstring is the story, and every mutant must make it fail."""

    def make(body: Callable[[Lab], None]) -> Case:
        section = body.__module__.rsplit(".", 1)[1].replace("_", "-")
        name = body.__name__.replace("_", "-")
        story = inspect.cleandoc(body.__doc__ or "")
        if not story or not mutants:
            raise ValueError(f"case {section}/{name}: needs a docstring and at least one mutant")
        return Case(f"{section}/{name}", clause, story, body, mutants)

    return make


def cases_of(suite: str) -> list[Case]:
    """Every case of a suite (`runtime`), by file and then in the order of the file."""
    package = importlib.import_module(f"tare_conformance.cases.{suite}")
    found: list[Case] = []
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        members = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
        found.extend(member for member in members.values() if isinstance(member, Case))
    return found
