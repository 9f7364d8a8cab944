"""plan: show what `create` would do, in order, and do nothing."""

import posix

from tare_runtime.cli.main import show
from tare_runtime.config.read import load_config
from tare_runtime.json_text import dumps
from tare_runtime.life.create import make_plan
from tare_runtime.life.launch import Settings
from tare_runtime.plan.build import Request
from tare_runtime.plan.describe import named, stage
from tare_runtime.verbs.create import absolute, warner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options
    from tare_runtime.plan.ops import Op


def run(options: "Options") -> int:
    id = options.args[0] if options.args else "ID"
    has_kcore = posix.access("/proc/kcore", posix.F_OK)
    request = Request(id, absolute(options.bundle), set_groups=posix.geteuid() == 0, has_kcore=has_kcore)
    settings = Settings(
        options.root,
        config_path=options.config or None,
        rootless=options.rootless,
        systemd_cgroup=options.systemd_cgroup or options.cgroup_manager == "systemd",
        no_cgroups=options.cgroup_manager == "disabled",
        warn=warner(options),
    )
    config = load_config(request.bundle, settings.config_path, warn=settings.warn)
    rows = describe(make_plan(config, request, settings)[1])
    show((as_json(rows) if options.json else as_table(rows)) + "\n")
    return 0


def describe(plan: "list[Op]") -> "list[dict[str, object]]":
    """One row for each operation: index, stage, op, pointer, args."""
    rows: list[dict[str, object]] = []
    seen_clone = False
    for index, op in enumerate(plan):
        row = {
            "index": index,
            "stage": stage(op, seen_clone),
            "op": op[0],
            "pointer": op[1],
            "args": named(op),
        }
        rows.append(row)
        seen_clone = seen_clone or op[0] == "clone"
    return rows


def as_json(rows: "list[dict[str, object]]") -> str:
    return "[\n" + ",\n".join("  " + dumps(row) for row in rows) + "\n]"


def as_table(rows: "list[dict[str, object]]") -> str:
    cells = [("#", "STAGE", "OPERATION", "ARGUMENTS", "FROM")]
    for row in rows:
        args = row["args"]
        assert isinstance(args, dict)
        text = " ".join(f"{name}={_short(value)}" for name, value in args.items() if value not in ("", []))
        cells.append((str(row["index"]), str(row["stage"]), str(row["op"]), text, str(row["pointer"]) or "-"))
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    widths.append(min(72, max(len(line[3]) for line in cells)))
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, [*widths, 0], strict=True)).rstrip()
        for line in cells
    )


def _short(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    text = text.replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "…"
