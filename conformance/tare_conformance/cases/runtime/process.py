"""config.md, "Process": what the program finds itself with."""

from __future__ import annotations

from pathlib import Path

from tare_conformance.case import case
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, leaks_a_descriptor, put
from tare_conformance.verdict import equal, true


@case("config.md, Process: args", put("/process/args/5", "other"), drop("/process/args/3"))
def args_are_passed_as_given(lab: Lab) -> None:
    """The program gets process.args as its argument vector, empty and odd ones included."""
    words = ["args", "--", "", "two words", "tab\tand\nnewline", "ünï", "--flag=\\x"]
    facts = lab.observe(*words)
    equal("argument vector", facts["args"], ["/probe", *words])


@case("config.md, Process: args", put("/process/env/0", "PATH=/dir"))
def the_program_is_found_on_the_container_s_path(lab: Lab) -> None:
    """A program named without a slash is looked up in PATH of process.env, inside the container."""
    lab.process["args"] = ["probe", "args"]
    lab.process["env"] = ["PATH=/nowhere:/"]
    equal("argument vector", lab.observe()["args"], ["probe", "args"])


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


@case("config.md, Linux Process: noNewPrivileges", put("/process/noNewPrivileges", False))
def no_new_privileges_is_set(lab: Lab) -> None:
    """noNewPrivileges true: the program and its children cannot gain privileges."""
    lab.process["noNewPrivileges"] = True
    equal("no_new_privs", lab.observe("noNewPrivs")["noNewPrivs"], True)


@case("config.md, Linux Process: noNewPrivileges", put("/process/noNewPrivileges", True))
def no_new_privileges_is_not_set_unasked(lab: Lab) -> None:
    """noNewPrivileges false or absent leaves the flag clear."""
    lab.process["noNewPrivileges"] = False
    equal("no_new_privs", lab.observe("noNewPrivs")["noNewPrivs"], False)


@case("config.md, Linux Process: oomScoreAdj", drop("/process/oomScoreAdj"), put("/process/oomScoreAdj", 1))
def oom_score_adj_is_set(lab: Lab) -> None:
    """oomScoreAdj becomes the program's oom_score_adj."""
    lab.process["oomScoreAdj"] = 321
    equal("oom_score_adj", lab.observe("oom")["oom"], 321)


@case("config.md, Linux Process: oomScoreAdj", put("/process/oomScoreAdj", 17))
def oom_score_adj_is_left_alone_unasked(lab: Lab) -> None:
    """Without oomScoreAdj the runtime does not change the score."""
    lab.process.pop("oomScoreAdj", None)
    own = int(Path("/proc/self/oom_score_adj").read_text())
    equal("oom_score_adj", lab.observe("oom")["oom"], own)


@case("runtime.md, Start", put("/linux/namespaces/0/path", "/proc/self/ns/pid"))
def the_program_is_the_first_of_its_pid_namespace(lab: Lab) -> None:
    """In a new pid namespace the program itself is process 1, and has no parent there."""
    pids = lab.observe("pids")["pids"]
    equal("pid and parent", [pids["pid"], pids["ppid"]], [1, 0])


@case("runtime.md, Start", leaks_a_descriptor("create"))
def only_standard_descriptors_are_open(lab: Lab) -> None:
    """The program finds descriptors 0, 1 and 2, and none of the runtime's own."""
    found = lab.observe("fds")["fds"]
    true(f"no more than 0, 1, 2 are open: {found}", set(found) == {"0", "1", "2"})
