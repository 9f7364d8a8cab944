"""list: the containers under the root, as a table, as JSON, or ids only."""

from __future__ import annotations

from tare_runtime.cli.main import open_log, show
from tare_runtime.errors import ContainerNotFound, RuntimeFailure
from tare_runtime.json_text import dumps
from tare_runtime.state.store import StateStore, oci_state, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cli.argv import Options

_HEADER = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")
_NARROWEST = 12
_GAP = 3


def run(options: Options) -> int:
    store = StateStore(options.root)
    if options.quiet:
        show("".join(id + "\n" for id in store.ids()))
        return 0
    documents = []
    for id in store.ids():
        try:
            documents.append(_document(store, id))
        except ContainerNotFound:
            continue  # it went meanwhile, or is not made yet
        except RuntimeFailure as failure:
            open_log(options).warn(failure.message)
    if options.format == "json":
        # Managers in Go read null as an empty list; it is what they have always been given.
        show((dumps(documents) if documents else "null") + "\n")
    else:
        show(_table(documents))
    return 0


def _document(store: StateStore, id: str) -> dict[str, Any]:
    import posix
    from pwd import getpwuid

    with store.open(id) as state_dir:
        state = state_dir.read()
        document = oci_state(state, status(state, state_dir.path))
        uid = posix.fstat(state_dir.fd).st_uid
    try:
        document["owner"] = getpwuid(uid).pw_name
    except KeyError:
        document["owner"] = f"#{uid}"
    return document


def _table(documents: list[dict[str, Any]]) -> str:
    rows = [_HEADER, *(tuple(str(item[name.lower()]) for name in _HEADER) for item in documents)]
    widths = [
        max(_NARROWEST, *(len(row[column]) + _GAP for row in rows)) for column in range(len(_HEADER) - 1)
    ]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("".join(cells) + row[-1] + "\n")
    return "".join(lines)
