"""Docker's and podman's clients, whose command lines agree in all that is needed here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from tests.callers.command import Outcome, execute, execute_on_terminal
from tests.callers.docker import Docker
from tests.callers.image import NAME as IMAGE
from tests.callers.inside import COLUMNS, ROWS
from tests.callers.podman import Podman
from tests.callers.script import Transcript

_serial = itertools.count()


class Engine:
    """One engine's client with one runtime behind it, writing down what a user sees."""

    def __init__(self, caller: Docker | Podman, subject: str) -> None:
        self.caller, self.subject = caller, subject
        self.transcript = Transcript([caller.subjects[subject], f"{subject}-subject"])

    def run(self, *args: str, stdin: bytes = b"", output: bool = True) -> Outcome:
        """`run ARGS`, its result written down."""
        argv = [*self.caller.run_argv(self.subject), *args]
        return self.transcript.show(
            execute(argv, stdin=stdin, env=self.caller.env, folder=self.caller.scratch), output=output
        )

    def shell(self, script: str, *flags: str, output: bool = True) -> Outcome:
        """`run --rm FLAGS IMAGE sh -c SCRIPT`."""
        return self.run("--rm", *flags, IMAGE, "sh", "-c", script, output=output)

    def call(self, *args: str, stdin: bytes = b"", output: bool = True) -> Outcome:
        """Any other command of the client, its result written down."""
        return self.transcript.show(self.quietly(*args, stdin=stdin), output=output)

    def quietly(self, *args: str, stdin: bytes = b"") -> Outcome:
        argv = [*self.caller.argv(self.subject), *args]
        return execute(argv, stdin=stdin, env=self.caller.env, folder=self.caller.scratch)

    def on_terminal(self, *args: str, typed: bytes = b"") -> Outcome:
        """A command on a terminal of ROWS × COLUMNS; `run` gets the runtime."""
        head = (
            self.caller.run_argv(self.subject)
            if args[0] == "run"
            else [*self.caller.argv(self.subject), args[0]]
        )
        outcome = execute_on_terminal(
            [*head, *args[1:]], rows=ROWS, columns=COLUMNS, typed=typed, env=self.caller.env
        )
        return self.transcript.show(outcome)

    @contextmanager
    def sleeping(self, *flags: str) -> Iterator[str]:
        """A container that sleeps, by name; removed at the end whatever happens."""
        name = self.fresh_name()
        try:
            self.run("-d", "--name", name, *flags, IMAGE, "sleep", "600")
            yield name
        finally:
            self.quietly("kill", name)  # rm alone first waits for sleep to heed SIGTERM
            self.quietly("rm", "-f", name)

    def fresh_name(self) -> str:
        name = f"callers-{self.subject}-{next(_serial)}"
        self.transcript.private.append(name)
        return name
