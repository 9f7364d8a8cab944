"""plan: show what `create` would do, in order, and do nothing."""

import posix

from tare_runtime.cli.main import show
from tare_runtime.config.read import load_config
from tare_runtime.errors import UsageError
from tare_runtime.json_text import dumps, dumps_indented
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
    if options.diff:
        return _compare(options)
    if options.explain and not options.explain.isdigit():
        from tare_runtime.plan.explain_op import explanation

        return _show_explanation(explanation(options.explain), options)
    if len(options.args) > 1:
        raise UsageError(
            "plan: at most 1 argument wanted (ID), 2 given", "two bundles are compared by --diff"
        )
    plan = plan_of(options, options.bundle, options.args[0] if options.args else "ID")
    rows = describe(plan)
    if options.explain:
        from tare_runtime.plan.explain_op import explain_row

        return _show_explanation(explain_row(rows, int(options.explain)), options)
    show((as_json(rows) if options.json else as_table(rows)) + "\n")
    return 0


def plan_of(options: "Options", bundle: str, id: str) -> "list[Op]":
    """The plan of `create` with these options."""
    has_kcore = posix.access("/proc/kcore", posix.F_OK)
    request = Request(id, absolute(bundle), set_groups=posix.geteuid() == 0, has_kcore=has_kcore)
    settings = Settings(
        options.root,
        config_path=options.config or None,
        rootless=options.rootless,
        systemd_cgroup=options.systemd_cgroup or options.cgroup_manager == "systemd",
        no_cgroups=options.cgroup_manager == "disabled",
        warn=warner(options),
    )
    config = load_config(request.bundle, settings.config_path, warn=settings.warn)
    return make_plan(config, request, settings)[1]


def _show_explanation(row: "dict[str, object]", options: "Options") -> int:
    from tare_runtime.plan.explain_op import as_text

    show((dumps(row) if options.json else as_text(row)) + "\n")
    return 0


DIFFERENT = 2


def _compare(options: "Options") -> int:
    from tare_runtime.plan.compare import as_text, compare

    if len(options.args) != 2 or options.bundle or options.config or options.explain:
        raise UsageError("plan --diff: it takes two bundles and no other option but --json")
    plans = [_relative(plan_of(options, bundle, "ID"), absolute(bundle)) for bundle in options.args]
    found, same = compare(plans[0], plans[1], describe(plans[0]), describe(plans[1]))
    if options.json:
        show(dumps_indented({"differences": [one.as_row() for one in found], "same": same}) + "\n")
    else:
        show(f"- {options.args[0]}\n+ {options.args[1]}\n\n{as_text(found, same)}\n")
    return DIFFERENT if found else 0


def _relative(plan: "list[Op]", bundle: str) -> "list[Op]":
    """With paths in the bundle as such: that it lies elsewhere is no difference."""
    mark = "BUNDLE/"
    return [
        (
            kind,
            pointer,
            tuple(
                mark + arg[len(bundle) + 1 :]
                if isinstance(arg, str) and arg.startswith(bundle + "/")
                else arg
                for arg in args
            ),
        )
        for kind, pointer, args in plan
    ]


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
