"""What ctr's users do with containerd's shim: tasks, without an engine above them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.callers.command import Outcome, execute, execute_on_terminal
from tests.callers.containerd import Containerd
from tests.callers.image import NAME as IMAGE
from tests.callers.inside import ASK, COLUMNS, DEVICES, IDENTITY, PROGRAMS, ROWS, SIZE
from tests.callers.script import Step, Transcript

_serial = itertools.count()


class Ctr:
    """ctr with one runtime behind the shim, writing down what a user sees."""

    def __init__(self, caller: Containerd, subject: str) -> None:
        self.caller, self.subject = caller, subject
        self.transcript = Transcript([caller.subjects[subject]])

    def run(self, flags: list[str], command: list[str], *, stdin: bytes = b"") -> Outcome:
        """`ctr run --rm FLAGS IMAGE ID COMMAND`, its result written down."""
        name = self.fresh_name()
        argv = [*self.caller.run_argv(self.subject), "--rm", *flags, IMAGE, name, *command]
        outcome = self.transcript.show(execute(argv, stdin=stdin))
        if outcome.code:  # ctr leaves the container where its task could not be created
            self.quietly("containers", "rm", name)
        return outcome

    def call(self, *args: str, stdin: bytes = b"") -> Outcome:
        return self.transcript.show(self.quietly(*args, stdin=stdin))

    def quietly(self, *args: str, stdin: bytes = b"") -> Outcome:
        return execute([*self.caller.argv(), *args], stdin=stdin)

    def exec_(self, name: str, *command: str, flags: tuple[str, ...] = (), stdin: bytes = b"") -> Outcome:
        return self.call("tasks", "exec", "--exec-id", self.fresh_name(), *flags, name, *command, stdin=stdin)

    def on_terminal(self, argv: list[str], *, typed: bytes = b"") -> Outcome:
        outcome = execute_on_terminal([*self.caller.argv(), *argv], rows=ROWS, columns=COLUMNS, typed=typed)
        return self.transcript.show(outcome)

    @contextmanager
    def sleeping(self) -> Iterator[str]:
        name = self.fresh_name()
        try:
            self.call("run", *self.caller.runtime_flags(self.subject), "-d", IMAGE, name, "sleep", "600")
            yield name
        finally:
            self.quietly("tasks", "resume", name)
            self.quietly("tasks", "kill", "-s", "SIGKILL", name)
            self.wait_stopped(name)
            self.quietly("tasks", "rm", name)
            self.quietly("containers", "rm", name)

    def wait_stopped(self, name: str) -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until and self.status(name) not in ("STOPPED", ""):
            time.sleep(0.05)

    def status(self, name: str) -> str:
        """The task's state as `ctr tasks ls` shows it; empty where there is no task."""
        for line in self.quietly("tasks", "ls").out.splitlines():
            words = line.split()
            if words and words[0] == name:
                return words[2]
        return ""

    def fresh_name(self) -> str:
        name = f"callers-{self.subject}-{next(_serial)}"
        self.transcript.private.append(name)
        return name


def run_and_see_output(c: Ctr) -> None:
    c.run([], ["sh", "-c", "echo out; echo err >&2"])


def exit_codes(c: Ctr) -> None:
    for command in PROGRAMS:
        c.transcript.say(" ".join(command))
        c.run([], command)


def read_stdin(c: Ctr) -> None:
    c.run([], ["head", "-n", "2"], stdin=b"one\ntwo\n")


def the_inside(c: Ctr) -> None:
    for script in (
        "awk '{print $2, $2 ~ /^.proc./ ? \"\" : $3}' /proc/mounts | sort",
        IDENTITY,
        DEVICES,
    ):
        c.run([], ["sh", "-c", script])
    c.run(
        ["--seccomp", "--env", "A=b", "--cwd", "/tmp", "--read-only"],
        ["sh", "-c", "echo $A; pwd; echo >/x; echo $?"],
    )
    c.run(
        ["--privileged=false", "--mount", "type=bind,src=/usr/share/doc/bash,dst=/doc,options=rbind:ro"],
        ["ls", "/doc"],
    )


def memory_limit(c: Ctr) -> None:
    c.run(
        ["--memory-limit", "67108864", "--cpus", "0.5"],
        ["sh", "-c", "cat /proc/self/cgroup | cut -d: -f2 | sort"],
    )
    name = c.fresh_name()
    flags = [*c.caller.runtime_flags(c.subject), "-d", "--memory-limit", "67108864"]
    c.call("run", *flags, IMAGE, name, "sleep", "600")
    try:
        c.transcript.say(
            Path(f"/sys/fs/cgroup/memory/{c.caller.cgroup}/{name}/memory.limit_in_bytes").read_text()
        )
    finally:
        c.quietly("tasks", "kill", "-s", "SIGKILL", name)
        c.wait_stopped(name)
        c.quietly("tasks", "rm", name)
        c.call("containers", "rm", name)


def exec_commands(c: Ctr) -> None:
    with c.sleeping() as name:
        c.exec_(name, "echo", "hi")
        c.exec_(name, "sh", "-c", "exit 7")
        c.exec_(name, "no-such-program")
        c.exec_(name, "/etc")
        c.exec_(name, "head", "-n", "1", stdin=b"through\n")
        c.exec_(name, "sh", "-c", "pwd; id", flags=("--cwd", "/tmp", "--user", "1000"))
        c.exec_(name, "sh", "-c", "ls /proc/self/fd | wc -l")


def run_on_terminal(c: Ctr) -> None:
    head = ["run", *c.caller.runtime_flags(c.subject), "--rm", "-t", IMAGE]
    c.on_terminal([*head, c.fresh_name(), "sh", "-c", SIZE + "; tty; exit 5"])
    c.on_terminal([*head, c.fresh_name(), "sh", "-c", ASK], typed=b"typed\n")


def exec_on_terminal(c: Ctr) -> None:
    with c.sleeping() as name:
        head = ["tasks", "exec", "-t", "--exec-id", c.fresh_name(), name]
        c.on_terminal([*head, "sh", "-c", SIZE + "; exit 9"])


def kill_and_remove(c: Ctr) -> None:
    with c.sleeping() as name:
        c.transcript.say(c.status(name))
        c.call("tasks", "kill", "-s", "SIGKILL", name)
        c.wait_stopped(name)
        c.transcript.say(c.status(name))
        c.call("tasks", "kill", "-s", "SIGKILL", name)
        c.call("tasks", "rm", name)
        c.transcript.say(c.status(name))


def pause_and_resume(c: Ctr) -> None:
    with c.sleeping() as name:
        c.call("tasks", "pause", name)
        c.transcript.say(c.status(name))
        c.call("tasks", "resume", name)
        c.transcript.say(c.status(name))
        c.exec_(name, "echo", "awake")


def list_processes(c: Ctr) -> None:
    with c.sleeping() as name:
        c.transcript.say(str(len(c.quietly("tasks", "ps", name).out.splitlines())))


def nothing_is_left(c: Ctr) -> None:
    c.call("tasks", "ls", "-q")
    c.call("containers", "ls", "-q")


STEPS = [
    Step("run", run_and_see_output, True),
    Step("exit codes", exit_codes, True),
    Step("stdin", read_stdin, True),
    Step("mounts, devices, flags inside", the_inside, True),
    Step("--memory-limit, --cpus", memory_limit, True),
    Step("exec", exec_commands, True),
    Step("run -t", run_on_terminal, True),
    Step("exec -t", exec_on_terminal, True),
    Step("kill, rm", kill_and_remove, True),
    Step("pause, resume", pause_and_resume, True),
    Step("ps", list_processes, False),
    Step("nothing left", nothing_is_left, True),
]
