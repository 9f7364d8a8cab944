"""validate: everything that is wrong in a bundle, and all that this host cannot give it, at once."""

from __future__ import annotations

from tare_runtime.cli.main import show
from tare_runtime.errors import UsageError
from tare_runtime.validate.bundle import validate_bundle
from tare_runtime.validate.findings import BUNDLE, HOST, Finding
from tare_runtime.verbs.create import absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tare_runtime.cli.argv import Options

GOOD, WRONG_BUNDLE, WANTING_HOST = 0, 2, 3

_TITLES = {
    BUNDLE: "wrong in the bundle",
    HOST: "right, but not to be had on this host",
}


def run(options: Options) -> int:
    if options.args and options.bundle:
        raise UsageError("validate: the bundle is given twice, as argument and as option --bundle")
    bundle = absolute(options.args[0] if options.args else options.bundle)
    findings, warnings = validate_bundle(bundle, options.config or None)
    path = options.config or f"{bundle}/config.json"
    text = as_json(path, findings, warnings) if options.json else as_text(path, findings, warnings)
    show(text + "\n")
    kinds = {finding.kind for finding in findings}
    if not kinds:
        return GOOD
    return WRONG_BUNDLE if BUNDLE in kinds else WANTING_HOST


def as_json(path: str, findings: list[Finding], warnings: list[str]) -> str:
    from tare_runtime.json_text import dumps_indented

    return dumps_indented(
        {"config": path, "findings": [finding.as_row() for finding in findings], "warnings": warnings}
    )


def as_text(path: str, findings: list[Finding], warnings: list[str]) -> str:
    if not findings and not warnings:
        return f"{path}: nothing is wrong, and this host has all it asks for"
    lines = []
    for kind, title in _TITLES.items():
        rows = [finding for finding in findings if finding.kind == kind]
        if not rows:
            continue
        lines += ["", f"{title}: {len(rows)}"]
        for row in rows:
            lines.append(f"  {row.pointer or '/'}: {row.problem}")
            lines.append(f"      spec: {row.section}")
            if row.fix:
                lines.append(f"      fix:  {row.fix}")
    if warnings:
        lines += ["", f"let pass with a word: {len(warnings)}", *(f"  {text}" for text in warnings)]
    return f"{path}:" + "\n".join(lines)
