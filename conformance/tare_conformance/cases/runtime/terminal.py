"""config.md, "Process": terminal and consoleSize."""

from __future__ import annotations

from tare_conformance.case import case
from tare_conformance.console import ConsoleSocket
from tare_conformance.container import Facts
from tare_conformance.lab import Lab
from tare_conformance.mutants import drop, put
from tare_conformance.verdict import equal, true


def facts_from_terminal(lab: Lab, *words: str) -> Facts:
    """What the probe says on a terminal that came through the console socket."""
    lab.process["terminal"] = True
    with ConsoleSocket(lab.path / "console.sock") as console:
        box, done = lab.try_create(*words, more=("--console-socket", str(console.path)))
        done.demand()
        box.listen_to(console.receive(lab.time_left()))
        box.start().demand()
        facts = box.facts()
        box.wait()
    return facts


@case("config.md, Process: terminal", put("/process/terminal", False))
def a_terminal_is_on_all_three_descriptors(lab: Lab) -> None:
    """terminal true: the program's standard descriptors are a terminal, which it controls."""
    facts = facts_from_terminal(lab, "tty", "pids", "stat=/dev/console")
    equal("isatty of 0, 1, 2", facts["tty"]["isatty"], [True] * 3)
    equal("foreground process group", facts["tty"]["foreground"], 1)
    equal("session of the program", facts["pids"]["session"], 1)
    equal("kind of /dev/console", facts["stat=/dev/console"]["type"], "char")


@case("config.md, Process: consoleSize", drop("/process/consoleSize"), put("/process/consoleSize/width", 80))
def the_terminal_has_the_size_asked_for(lab: Lab) -> None:
    """consoleSize is the size of the terminal in characters."""
    lab.process["consoleSize"] = {"height": 41, "width": 123}
    tty = facts_from_terminal(lab, "tty")["tty"]
    equal("height and width", [tty.get("height"), tty.get("width")], [41, 123])


@case("config.md, Process: terminal", put("/process/terminal", True))
def there_is_no_terminal_unasked(lab: Lab) -> None:
    """terminal false: the program has the caller's descriptors, and /dev/console does not exist."""
    facts = lab.observe("tty", "stat=/dev/console")
    equal("isatty of 0, 1, 2", facts["tty"]["isatty"], [False] * 3)
    true("there is no /dev/console", "errno" in facts["stat=/dev/console"])
