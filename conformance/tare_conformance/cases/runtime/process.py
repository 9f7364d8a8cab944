"""config.md, "Process": what the program finds itself with."""

from __future__ import annotations

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put
from tare_conformance.verdict import equal


@case("config.md, Process: args", put("/process/args/5", "other"), drop("/process/args/3"))
def args_are_passed_as_given(lab: Lab) -> None:
    """The program gets process.args as its argument vector, empty and odd ones included."""
    words = ["args", "--", "", "two words", "tab\tand\nnewline", "ünï", "--flag=\\x"]
    facts = lab.observe(*words)
    equal("argument vector", facts["args"], ["/probe", *words])


@case("config.md, Process: env", drop("/process/env/1"), put("/process/env/-", "MORE=1"))
def env_is_exactly_the_given_one(lab: Lab) -> None:
    """The program's environment is process.env: nothing lost, nothing of the caller's added."""
    given = ["PATH=/bin:/", "EMPTY=", "EQUALS=a=b=c", "HOME=/somewhere", "LINES=one\ntwo"]
    lab.process["env"] = given
    equal("environment", sorted(lab.observe("env")["env"]), sorted(given))


@case("config.md, Process: cwd", put("/process/cwd", "/"))
def cwd_is_where_the_program_starts(lab: Lab) -> None:
    """process.cwd is the working directory of the program."""
    lab.process["cwd"] = "/dir/sub"
    equal("working directory", lab.observe("cwd")["cwd"], "/dir/sub")
