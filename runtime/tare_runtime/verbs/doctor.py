"""doctor: what this host can and cannot do for containers, why, and how to change it."""

from __future__ import annotations

from tare_runtime.cli.main import show
from tare_runtime.doctor.host import Host
from tare_runtime.doctor.report import as_text, can_run, examine
from tare_runtime.json_text import dumps_indented

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options

GOOD, CANNOT = 0, 3


def run(options: Options) -> int:
    facts = examine(Host())
    if options.json:
        rows = [fact.as_row() for fact in facts]
        show(dumps_indented({"containersRun": can_run(facts), "facts": rows}) + "\n")
    else:
        show(as_text(facts) + "\n")
    return GOOD if can_run(facts) else CANNOT
