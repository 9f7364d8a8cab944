"""The command line, `tare-conformance`.

Exit status: 0 when nothing is unexpected, 1 when a subject failed or the suite did, 2 for a command line
that cannot be followed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from tare_conformance import cgroups
from tare_conformance.case import Case, cases_of
from tare_conformance.errors import ConformanceError, UsageError
from tare_conformance.known import read_known
from tare_conformance.proof import prove
from tare_conformance.report import document, junit, table, tap
from tare_conformance.results import Result, Run
from tare_conformance.runner import run_suite, select_cases
from tare_conformance.subject import Subject, parse_subject

FORMATS: dict[str, Callable[[Run], str]] = {
    "table": table.render,
    "json": document.render,
    "tap": tap.render,
    "junit": junit.render,
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tare-oci", prog_name="tare-conformance")
def main() -> None:
    """Judge container programs by the OCI specifications, from outside."""


@main.command()
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    metavar="NAME[=ARGS]",
    help="A runtime: a name on PATH or a path, and arguments for every call. Repeat to compare.",
)
@click.option(
    "--filter", "patterns", multiple=True, metavar="PATTERN", help="Cases by id: a part, or a glob."
)
@click.option("--list", "only_list", is_flag=True, help="Print the cases and what they stand for; run none.")
@click.option(
    "--prove", "proving", is_flag=True, help="Run each case against its broken runtimes: all must fail."
)
@click.option("--jobs", type=click.IntRange(1, 64), default=None, help="Cases at a time; default: one a CPU.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="table", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there.")
@click.option(
    "--known",
    "known_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another list of known failures than the one that comes with the suite.",
)
@click.option("--no-known", is_flag=True, help="Expect no failure at all.")
@click.option(
    "--hide-unified",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Whether cases run without /sys/fs/cgroup/unified, which some runtimes refuse beside version 1.",
)
def runtime(
    subjects: tuple[str, ...],
    patterns: tuple[str, ...],
    only_list: bool,
    proving: bool,
    jobs: int | None,
    form: str,
    out: Path | None,
    known_path: Path | None,
    no_known: bool,
    hide_unified: str,
) -> None:
    """Judge low-level runtimes by the runtime-spec."""
    signal.signal(signal.SIGTERM, _end)  # so that chambers are taken down then too
    try:
        cases = _select(list(patterns))
        if only_list:
            _print_list(cases)
            return
        programs = _subjects(subjects)
        jobs = jobs or os.cpu_count() or 1
        hide = hide_unified == "always" or (hide_unified == "auto" and cgroups.is_hybrid())
        if proving:
            sys.exit(_prove(programs, cases, jobs=jobs, hide=hide))
        known = [] if no_known else read_known(known_path) if known_path else read_known()
        run = run_suite(
            "runtime", programs, cases, known, jobs=jobs, hide_unified=hide, on_result=_progress(len(cases))
        )
    except ConformanceError as error:
        click.echo(f"tare-conformance: {error.problem}", err=True)
        if error.hint:
            click.echo(error.hint, err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    text = FORMATS[form](run)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text)
        click.echo("\n".join(table.sums(run)))
    sys.exit(0 if run.ok else 1)


def _end(number: int, _: object) -> None:
    sys.exit(128 + number)


def _select(patterns: list[str]) -> list[Case]:
    cases = select_cases(cases_of("runtime"), patterns)
    if not cases:
        raise UsageError(f"select cases, by {' '.join(patterns)}: none matches", "--list prints the ids")
    return cases


def _subjects(texts: tuple[str, ...]) -> list[Subject]:
    if not texts:
        raise UsageError("judge a runtime: none is named", "name one with --subject")
    programs = [parse_subject(text) for text in texts]
    names = [program.name for program in programs]
    if len(set(names)) < len(names):
        raise UsageError(
            f"judge {' '.join(names)}: two subjects have one name", "give one of them a link of another name"
        )
    return programs


def _print_list(cases: list[Case]) -> None:
    for case in cases:
        click.echo(f"{case.id}\n    {case.title}\n    {case.clause}; fails when the runtime:")
        for mutant in case.mutants:
            click.echo(f"      {mutant.name}")


def _progress(total: int) -> Callable[[Result], None]:
    """A line that counts, on a terminal only."""
    done: list[Result] = []

    def show(result: Result) -> None:
        done.append(result)
        click.echo(
            f"\r\x1b[K{len(done)} {result.subject}: {result.case}: {result.status}", nl=False, err=True
        )

    def silent(result: Result) -> None:
        return

    return show if sys.stderr.isatty() and total else silent


def _prove(programs: list[Subject], cases: list[Case], *, jobs: int, hide: bool) -> int:
    """Print what each broken runtime did to its case; 1 if one went unnoticed."""
    blind = 0
    for line in prove(programs, cases, jobs=jobs, hide_unified=hide):
        blind += not line.noticed
        click.echo(
            f"{'ok ' if line.noticed else 'BLIND'} {line.case}: {line.subject} {line.mutant}: {line.message}"
        )
    click.echo(f"{blind} mutants went unnoticed" if blind else "every mutant was noticed")
    return 1 if blind else 0
