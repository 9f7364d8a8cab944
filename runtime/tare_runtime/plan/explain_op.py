"""`plan --explain`: one operation, or one kind of them: what it does, who asks, what can go wrong."""

from __future__ import annotations

from tare_runtime.config.sections import section_of
from tare_runtime.errors import UsageError
from tare_runtime.plan.meaning import MEANING
from tare_runtime.validate.findings import link_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    Row = dict[str, object]


def explanation(kind: str) -> Row:
    """Of a kind of operation. Raises: UsageError for one that does not exist."""
    if kind not in MEANING:
        from difflib import get_close_matches

        near = get_close_matches(kind, MEANING, 3)
        hint = (
            "did you mean " + " or ".join(near) if near else "see the column OPERATION of: tare-runtime plan"
        )
        raise UsageError(f"plan --explain: there is no operation {kind!r}", hint)
    does, why, section, calls = MEANING[kind]
    return {
        "op": kind,
        "does": does,
        "why": why,
        "section": section,
        "link": link_of(section),
        "calls": calls,
        "failures": failures_of(kind),
    }


def failures_of(kind: str) -> Row:
    """Errnos for which there is advice, with it."""
    from errno import errorcode

    from tare_runtime.host.hints import hints_of

    return {errorcode[number]: hint for number, hint in sorted(hints_of(kind).items())}


def explain_row(rows: list[Row], index: int) -> Row:
    """Of operation `index` of a plan (its rows as `plan --json` has them). Raises: UsageError."""
    if not 0 <= index < len(rows):
        raise UsageError(f"plan --explain: the plan has operations 0 to {len(rows) - 1}, and no {index}")
    row = rows[index]
    words = explanation(str(row["op"]))
    section = section_of(str(row["pointer"])) if row["pointer"] else ""
    if "," in section:  # nearer than what is said of the kind: which limit it is, for example
        words |= {"section": section, "link": link_of(section)}
    return {**words, "index": index, "pointer": row["pointer"], "args": row["args"]}


def as_text(row: Row) -> str:
    """For people."""
    lines = [f"{row['op']}: {row['does']}"]
    args = row.get("args")
    if isinstance(args, dict):
        words = " ".join(f"{name}={value}" for name, value in args.items() if value not in ("", []))
        lines += ["", f"  here      operation {row['index']}: {words or 'no arguments'}"]
        lines.append(f"  field     {row['pointer'] or 'none: the runtime itself asks for it'}")
    lines += ["", f"  why       {row['why']}", f"  spec      {row['section']}", f"            {row['link']}"]
    lines.append(f"  kernel    {row['calls']}")
    failures = row["failures"]
    if isinstance(failures, dict) and failures:
        lines.append("")
        lines += [f"  {name:<9} {hint}" for name, hint in failures.items()]
    return "\n".join(lines)
