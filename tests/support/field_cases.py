"""Tables of config.json's fields: what is changed, what the container then shows, and who else does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.bundles import Bundle
from tests.support.peers import OURS, RUNTIMES, run_by

Change = Callable[[dict[str, Any]], object]


@dataclass
class Case:
    """`script` in a container with `change` prints `shows`; `who`: the runtimes of which that is true."""

    field: str
    name: str
    change: Change
    script: str
    shows: str
    who: tuple[str, ...] = RUNTIMES


@dataclass
class Refusal:
    """A container with `change` is not made by this runtime, whose words have `words`."""

    field: str
    name: str
    change: Change
    words: str


def rows(cases: Iterable[Case]) -> list[Any]:
    """The cases as parameters (program, case), each marked with its field."""
    return [
        pytest.param(
            program,
            case,
            marks=[pytest.mark.field(case.field), *([] if program == OURS else [pytest.mark.peer])],
            id=f"{case.field}-{case.name}-{program}",
        )
        for case in cases
        for program in case.who
    ]


def refusals(cases: Iterable[Refusal]) -> list[Any]:
    return [
        pytest.param(case, marks=pytest.mark.field(case.field), id=f"{case.field}-{case.name}")
        for case in cases
    ]


def check(bundle: Bundle, program: str, case: Case) -> None:
    case.change(bundle.config)
    done = run_by(program, bundle.script(case.script))
    assert (done.code, " ".join(done.out.split())) == (0, case.shows), done.err


def check_refusal(bundle: Bundle, case: Refusal) -> None:
    case.change(bundle.config)
    done = bundle.run()
    assert done.returncode == 1
    assert case.words in done.stderr
    assert bundle.leftovers() == []


def put(pointer: str, value: object) -> Change:
    """A change: the member at a JSON pointer, whose parents are made."""

    def change(config: dict[str, Any]) -> None:
        *parents, last = pointer.strip("/").split("/")
        place: Any = config
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value

    return change


def add(pointer: str, *items: object) -> Change:
    """A change: more items for the array at a JSON pointer."""

    def change(config: dict[str, Any]) -> None:
        *parents, last = pointer.strip("/").split("/")
        place: Any = config
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = [*place.get(last, []), *items]  # which may be a list that others have too

    return change


def both(*changes: Change) -> Change:
    def change(config: dict[str, Any]) -> None:
        for one in changes:
            one(config)

    return change
