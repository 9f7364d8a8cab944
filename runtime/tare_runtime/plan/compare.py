"""`plan --diff`: what two bundles would do differently. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.plan.ops import Op

    Row = dict[str, object]

ADDED, REMOVED, CHANGED = "+", "-", "~"


class Difference:
    """`before` or `after` is None where the operation is in one plan alone."""

    __slots__ = ("after", "before", "changes")

    def __init__(
        self, before: Row | None, after: Row | None, changes: dict[str, tuple[object, object]]
    ) -> None:
        self.before = before
        self.after = after
        self.changes = changes  # argument → what it was and is

    @property
    def sign(self) -> str:
        return CHANGED if self.before and self.after else REMOVED if self.before else ADDED

    def as_row(self) -> Row:
        changes = {name: {"before": old, "after": new} for name, (old, new) in self.changes.items()}
        return {"sign": self.sign, "before": self.before, "after": self.after, "changes": changes}


def compare(
    before: list[Op], after: list[Op], rows_before: list[Row], rows_after: list[Row]
) -> tuple[list[Difference], int]:
    """The differences in the order of the plans, and how many operations are the same.

    Pointers are not compared: a field that moved in its array does the same as before.
    """
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, [_key(op) for op in before], [_key(op) for op in after], autojunk=False)
    found: list[Difference] = []
    same = 0
    for word, a, a_end, b, b_end in matcher.get_opcodes():
        if word == "equal":
            same += a_end - a
            continue
        found += _pair(before[a:a_end], after[b:b_end], rows_before[a:a_end], rows_after[b:b_end])
    return found, same


def _key(op: Op) -> tuple[object, ...]:
    return (op[0], op[2])


def _pair(
    before: list[Op], after: list[Op], rows_before: list[Row], rows_after: list[Row]
) -> list[Difference]:
    """Within one stretch: operations of a kind are the same one changed, in their order."""
    left = list(range(len(before)))
    found = []
    for index, op in enumerate(after):
        partner = next((at for at in left if before[at][0] == op[0] and _alike(before[at], op)), None)
        if partner is None:
            found.append(Difference(None, rows_after[index], {}))
            continue
        while left[0] != partner:
            found.append(Difference(rows_before[left.pop(0)], None, {}))
        left.pop(0)
        found.append(_changed(rows_before[partner], rows_after[index]))
    return found + [Difference(rows_before[at], None, {}) for at in left]


# kind → which of its arguments names the object
_NAMED_BY = {
    "mount": 2, "bind": 1, "mask": 0, "readonly": 0, "mknod": 0, "symlink": 1, "mkdir": 0, "sysctl": 0,
    "rlimit": 0, "host_write": 0, "host_mkdir": 0, "run_hook": 1, "remount": 0,
}  # fmt: skip


def _alike(one: Op, other: Op) -> bool:
    """Whether they are about the same object, where their kind has one."""
    at = _NAMED_BY.get(one[0])
    return at is None or one[2][at] == other[2][at]


def _changed(before: Row, after: Row) -> Difference:
    old, new = before["args"], after["args"]
    assert isinstance(old, dict)
    assert isinstance(new, dict)
    changes = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
    return Difference(before, after, changes or {"content": ("one", "another of the same length")})


def as_text(found: list[Difference], same: int) -> str:
    """One line for each difference, and a count."""
    lines = []
    for one in found:
        row = one.after or one.before
        assert row
        where = f"  ({row['pointer']})" if row["pointer"] else ""
        args = row["args"]
        assert isinstance(args, dict)
        if one.sign == CHANGED:
            name = next((str(args[key]) for key in ("target", "path", "resource") if key in args), "")
            words = ", ".join(
                f"{key}: {_word(old)} → {_word(new)}" for key, (old, new) in one.changes.items()
            )
            lines.append(" ".join(part for part in (CHANGED, str(row["op"]), name, words) if part) + where)
        else:
            words = " ".join(f"{key}={_word(value)}" for key, value in args.items() if value not in ("", []))
            lines.append(f"{one.sign} {row['op']} {words}".rstrip() + where)
    signs = [one.sign for one in found]
    counts = f"{signs.count(ADDED)} added, {signs.count(REMOVED)} removed, {signs.count(CHANGED)} changed"
    return "\n".join([*lines, f"{counts}, {same} the same"])


def _word(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return str(value) if value != "" else "none"
