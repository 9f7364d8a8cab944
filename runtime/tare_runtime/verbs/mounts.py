"""mounts: add mounts to a container that exists, or remove them."""

from __future__ import annotations

from tare_runtime.config import shape
from tare_runtime.config.document import read_document
from tare_runtime.errors import ConfigError, UsageError
from tare_runtime.json_text import loads
from tare_runtime.life.hot_mounts import add_mounts, remove_mounts
from tare_runtime.verbs.create import warner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tare_runtime.cli.argv import Options


def run(options: Options) -> int:
    verb, id, path = options.args
    if verb not in ("add", "remove"):
        raise UsageError(f"mounts: {verb!r} is neither add nor remove", "see: tare-runtime mounts --help")
    mounts = _read(path)
    if verb == "add":
        add_mounts(options.root, id, mounts, warner(options))
    else:
        remove_mounts(options.root, id, mounts)
    return 0


def _read(path: str) -> list[dict[str, Any]]:
    """Of a file (-: standard input): an array as config.json's `mounts`, or an object with that."""
    data, name = read_document(path, "mounts")
    try:
        document = loads(data.decode("utf-8"))
    except ValueError as error:
        raise ConfigError([("", f"is not JSON: {error}", 'config.md, "Mounts"')], name) from None
    if isinstance(document, list):
        document = {"mounts": document}
    found: shape.Found = []
    shape.walk(document, {"mounts": shape.CONFIG["mounts"]}, None, found)
    if not found and not (isinstance(document, dict) and document.get("mounts")):
        found.append((None, "must be an array of mounts that is not empty, or an object with `mounts`"))
    if found:
        problems = [(shape.pointer(place), problem, 'config.md, "Mounts"') for place, problem in found]
        raise ConfigError(problems, name)
    assert isinstance(document, dict)
    mounts: list[dict[str, Any]] = document["mounts"]
    for index, mount in enumerate(mounts):
        if not mount.get("destination"):
            problem = (f"/mounts/{index}/destination", "is missing", 'config.md, "Mounts"')
            raise ConfigError([problem], name)
    return mounts
